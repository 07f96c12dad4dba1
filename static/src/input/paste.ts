/**
 * What a paste becomes: files, a Markdown table out of spreadsheet cells, an attachment out of a long text, or (nothing
 * of these) what the browser does by itself.
 */

/** Longer than this a pasted text becomes an attachment: it would push what is being asked out of sight. */
export const LONG_TEXT = 2_500;

export type Pasted =
  | { type: "files"; files: File[] }
  | { type: "table"; text: string }
  | { type: "long"; text: string; extension: "txt" | "tsv" }
  | { type: "plain" };

/** The parts of a `DataTransfer` that decide. */
export interface Clip {
  files: ArrayLike<File>;
  getData(type: string): string;
}

export function pastedFrom(clip: Clip): Pasted {
  const text = clip.getData("text/plain");
  // Spreadsheets put a picture of the cells beside them: the cells count.
  if (text.includes("\t")) {
    const table = tableFrom(text);
    if (table !== null && /<table[\s>]/i.test(clip.getData("text/html")))
      return table.length > LONG_TEXT ? { type: "long", text, extension: "tsv" } : { type: "table", text: table };
  }
  if (clip.files.length > 0) return { type: "files", files: Array.from(clip.files) };
  return text.length > LONG_TEXT ? { type: "long", text, extension: "txt" } : { type: "plain" };
}

/**
 * Cells, as tab-separated text with quotes where a cell has line breaks, as a Markdown table; `null` if they are none.
 * The first row is the head, as in nearly every sheet that is copied.
 */
export function tableFrom(text: string): string | null {
  const lines = text.replace(/\r\n?/g, "\n");
  let end = lines.length;
  while (lines[end - 1] === "\n") end -= 1;
  const rows = cells(lines.slice(0, end));
  const width = rows[0]?.length ?? 0;
  // A part of a web page may have a table among prose: only what is cells throughout is a sheet.
  if (width < 2 || rows.some((row) => row.length !== width)) return null;
  const line = (row: readonly string[]): string => `| ${row.map(inCell).join(" | ")} |`;
  const [head = [], ...body] = rows;
  return [line(head), `|${" --- |".repeat(width)}`, ...body.map(line)].join("\n");
}

function inCell(text: string): string {
  return text.trim().replace(/\\/g, "\\\\").replace(/\|/g, "\\|").replace(/\n/g, "<br>");
}

function cells(text: string): string[][] {
  const rows: string[][] = [[]];
  const cell = /(?:"((?:[^"]|"")*)"(?=[\t\n]|$)|([^\t\n]*))([\t\n]|$)/gy;
  for (;;) {
    const found = cell.exec(text);
    if (!found) return rows;
    const [, quoted, plain, end] = found;
    rows.at(-1)?.push(quoted === undefined ? (plain ?? "") : quoted.replace(/""/g, '"'));
    if (end === "") return rows;
    if (end === "\n") rows.push([]);
  }
}
