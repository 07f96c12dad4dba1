/** Text of a model or a notebook, letter by letter: nothing in it may be invisible, and nothing in it is HTML. */
import { html } from "lit";
import type { TemplateResult } from "lit";

import { visible } from "../base/reveal-hidden.js";

export type Shown = (string | TemplateResult)[];

export function plain(text: string): Shown {
  return visible(text).map((piece) => (piece.escape ? html`<span class="escape">${piece.text}</span>` : piece.text));
}

/** The name of a file, without its folders. */
export function nameOf(path: string): string {
  return path.split("/").at(-1) ?? path;
}
