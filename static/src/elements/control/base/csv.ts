/** Tables as CSV, for the spreadsheet programs that open it. */
import { download } from "../../base/download.js";

/** A cell that begins so is a formula to a spreadsheet; a name in a session must not be one. */
const FORMULA = /^[=+\-@\t\r]/;

function cell(value: string | number | null | undefined): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const text = FORMULA.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export type CsvRow = readonly (string | number | null | undefined)[];

export function csv(head: readonly string[], rows: readonly CsvRow[]): string {
  return [head, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

/** The mark at the start tells Excel that it is UTF-8. */
export function downloadCsv(name: string, head: readonly string[], rows: readonly CsvRow[]): void {
  download(name, "text/csv;charset=utf-8", `\uFEFF${csv(head, rows)}`);
}
