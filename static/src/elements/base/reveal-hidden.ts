/**
 * A text with nothing hidden in it: what a person decides about must be what will be done. Characters that take no room,
 * turn the writing direction or steer a terminal are shown as escapes.
 */

/** Controls but newline and tab; soft hyphen; zero-width; bidi; line separators; fillers; tags; variation selectors. */
const HIDDEN =
  // eslint-disable-next-line no-control-regex, no-misleading-character-class
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff]|[\u{e0000}-\u{e0fff}]|[\u{1d173}-\u{1d17a}]|[\ud800-\udfff]/gu;

export interface Piece {
  text: string;
  /** An escape for something that would not be seen. */
  escape: boolean;
}

/** The text in pieces, hidden characters as `\u{…}`. */
export function visible(text: string): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  for (const match of text.matchAll(HIDDEN)) {
    if (match.index > at) pieces.push({ text: text.slice(at, match.index), escape: false });
    const code = match[0].codePointAt(0) ?? 0;
    pieces.push({ text: `\\u{${code.toString(16).padStart(4, "0")}}`, escape: true });
    at = match.index + match[0].length;
  }
  if (at < text.length) pieces.push({ text: text.slice(at), escape: false });
  return pieces;
}
