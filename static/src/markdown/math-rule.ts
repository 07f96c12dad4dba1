/**
 * Where is math in running text? Prices must stay prices, so a single `$` needs more than a partner.
 *
 * `$$…$$`, `\(…\)` and `\[…\]` always are math. `$…$` is, when it is on one line, hugs its content, does not touch a
 * Latin letter or a digit outside, and does not begin with a digit unless it holds an operator of TeX.
 */

export interface MathSpan {
  /** With the delimiters. */
  raw: string;
  tex: string;
  display: boolean;
}

/** The longest formula, in characters: without a bound, a page of `$` is searched to its end from each of them. */
const MOST = 10_000;

const DOUBLE = /^\$\$(?!\$)((?:\\[\s\S]|[^\\$])+?)\$\$/;
const PAREN = /^\\\(((?:(?!\\\))[\s\S])+?)\\\)/;
const BRACKET = /^\\\[((?:(?!\\\])[\s\S])+?)\\\]/;
const SINGLE = /^\$(?![\s$])((?:\\[^\n]|[^\\$\n])+?)\$(?![\w$])/;

/** The math at the very start of `source`, if any. `before` is the character in front of it. */
export function mathAt(source: string, before: string): MathSpan | null {
  const first = source.charCodeAt(0);
  if (first !== 36 && first !== 92) return null; // neither $ nor backslash
  source = source.slice(0, MOST);
  const certain = DOUBLE.exec(source) ?? BRACKET.exec(source);
  if (certain?.[1]) return { raw: certain[0], tex: certain[1].trim(), display: true };
  const paren = PAREN.exec(source);
  if (paren?.[1]) return { raw: paren[0], tex: paren[1].trim(), display: false };
  const single = SINGLE.exec(source);
  const tex = single?.[1];
  if (!single || tex === undefined || /\s$/.test(tex) || /[\w$]/.test(before)) return null;
  if (/^[\d,.]/.test(tex) && !/[\\^_={]/.test(tex)) return null;
  return { raw: single[0], tex, display: false };
}

/** Where the next span could begin; `undefined` when nowhere. */
export function mathStart(source: string): number | undefined {
  const at = source.search(/\$|\\[([]/);
  return at < 0 ? undefined : at;
}

/** A display formula that stands alone, from the start of a line. `open`: its end has not been written yet. */
export function mathBlockAt(source: string, acceptOpen: boolean): (MathSpan & { open: boolean }) | null {
  const near = source.slice(0, MOST);
  const closed =
    /^ {0,3}\$\$(?!\$)((?:\\[\s\S]|[^\\$])+?)\$\$[ \t]*(?:\n|$)/.exec(near) ??
    /^ {0,3}\\\[((?:(?!\\\])[\s\S])+?)\\\][ \t]*(?:\n|$)/.exec(near);
  if (closed?.[1]) return { raw: closed[0], tex: closed[1].trim(), display: true, open: false };
  if (!acceptOpen) return null;
  const open = /^ {0,3}(?:\$\$(?!\$)|\\\[)/.exec(source)?.[0];
  if (open === undefined) return null;
  const tex = source.slice(open.length);
  if (open.endsWith("$$") && endsInLine(tex)) return null;
  return { raw: source, tex: tex.trim(), display: true, open: true };
}

/** `$$x$$ and more`: the formula is over in its first line, and text follows. */
function endsInLine(tex: string): boolean {
  const line = tex.slice(0, (tex.indexOf("\n") + 1 || tex.length + 1) - 1);
  const end = line.slice(0, -1).lastIndexOf("$$");
  return end > 0 && line.slice(0, end).trim() !== "";
}
