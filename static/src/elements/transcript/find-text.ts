/** Looking for words in messages, whether they are drawn or not. */
import type { Row } from "./rows.js";
import { rowText } from "./rows.js";

/** One place where the words stand. */
export interface Hit {
  key: string;
  /** Which one within its row. */
  nth: number;
}

/** The words as a pattern: any case, any run of white space for a space. */
export function searchable(query: string): RegExp {
  const words = query.trim().replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(words.replace(/\s+/g, "\\s+"), "giu");
}

/** All hits, oldest first. */
export function hitsIn(rows: readonly Row[], query: string): Hit[] {
  const pattern = searchable(query);
  return rows.flatMap((row) => {
    const count = [...plainText(row).matchAll(pattern)].length;
    return Array.from({ length: count }, (_, nth) => ({ key: row.key, nth }));
  });
}

/** What one reads of a row: without the marks of Markdown and the addresses behind links. */
function plainText(row: Row): string {
  const text = rowText(row).normalize("NFC");
  return text
    .replace(/\]\([^()\n]*(?:\([^()\s]*\)[^()\n]*)*\)/g, "")
    .replace(/[*~`]+|(?<!\w)_+|_+(?!\w)|^#+ |^> ?|[[\]]/gm, "");
}
