/** GFM's footnotes: `[^label]` in the text, `[^label]: what it says` on a line of its own, the rest of it indented. */

const LABEL = /^\[\^([^\]\s]{1,80})\](?!\()/;
const DEFINITION = /^ {0,3}\[\^([^\]\s]{1,80})\]:[ \t]*/;
/** A line that begins something else than the rest of a paragraph. */
const ELSE = /^ {0,3}(?:[-*+>#|`~]|\d{1,9}[.)]|\[\^)/;

/** The label at the start of a text that cites a note. */
export function labelAt(source: string): string | null {
  return LABEL.exec(source)?.[1] ?? null;
}

/** Where, in a paragraph, a line begins a note. */
export function definitionStart(paragraph: string): number | undefined {
  return /\n {0,3}\[\^[^\]\s]{1,80}\]:/.exec(paragraph)?.index;
}

/** The note at the start of a text: the lines of its paragraph, and indented ones that follow. */
export function definitionAt(source: string): { raw: string; label: string; text: string } | null {
  const head = DEFINITION.exec(source);
  if (!head) return null;
  let end = lineEnd(source, 0);
  for (let from = end; from < source.length;) {
    const to = lineEnd(source, from);
    const line = source.slice(from, to);
    const blank = line.trim() === "";
    const after = source.slice(end, from).trim() === "" && end < from; // behind an empty line
    if (!blank && !/^(?: {4}|\t)/.test(line) && (after || ELSE.test(line))) break;
    if (!blank) end = to;
    from = to;
  }
  const raw = source.slice(0, end);
  return {
    raw,
    label: head[1] ?? "",
    text: raw
      .slice(head[0].length)
      .replace(/^(?: {4}|\t)/gm, "")
      .trim(),
  };
}

function lineEnd(text: string, from: number): number {
  const at = text.indexOf("\n", from);
  return at < 0 ? text.length : at + 1;
}
