/** Icons of the composer's lazy parts. */
import type { TemplateResult } from "lit";

import { drawn } from "../base/icons.js";

const SHEET = "M6 3.5h8L18.5 8v12.5H6zM14 3.5V8h4.5";
const PATHS = {
  file: SHEET,
  document: `${SHEET}M9 12.5h6.5M9 16h6.5`,
  text: `${SHEET}M9 11.5h3M9 14.5h6M9 17.5h4.5`,
  notebook: "M7 3.5h12v17H7zM4.5 7H8M4.5 12H8M4.5 17H8M11.5 8h4.5",
  image: "M4 5h16v14H4zM4 16l4.5-4.5 4 4 3-3L20 17M15.5 9.5v.01",
  audio: "M9 17.5V6l10-2v11.5M9 17.5a2.5 2 0 1 1-5 0 2.5 2 0 0 1 5 0zM19 15.5a2.5 2 0 1 1-5 0 2.5 2 0 0 1 5 0z",
  video: "M3.5 6.5h12v11h-12zM15.5 11l5-3v8l-5-3z",
  folder: "M3.5 6h6l2 2.5h9v10.5h-17z",
  prompt: "M6 4h12v16.5l-6-4-6 4z",
  edit: "M5 15.5 15.8 4.7a1.9 1.9 0 0 1 2.7 0l.8.8a1.9 1.9 0 0 1 0 2.7L8.5 19 4 20z",
  insert: "M4 6h16M4 11h9M4 16h7M17 12v7M14 16l3 3 3-3",
} as const;

export type LazyIcon = keyof typeof PATHS;

export function lazyIcon(name: LazyIcon): TemplateResult {
  return drawn(name, PATHS[name]);
}
