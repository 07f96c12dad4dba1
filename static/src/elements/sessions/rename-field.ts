/** The field in a session's row in which its title is changed. */
import { html } from "lit";
import type { TemplateResult } from "lit";

import { isComposingKey } from "../../input/ime.js";
import { rename } from "../../state/session-commands.js";

/** @param done called with the text, or `null` for Esc; `left` when the focus went elsewhere, and belongs there */
export function renameField(
  label: string,
  value: string,
  done: (text: string | null, left: boolean, save: typeof rename) => void,
): TemplateResult {
  return html`<li>
    <input
      class="rename"
      aria-label=${label}
      maxlength="200"
      .value=${value}
      @blur=${(event: Event) => done((event.target as HTMLInputElement).value, true, rename)}
      @keydown=${(event: KeyboardEvent) => {
        if (isComposingKey(event)) return;
        if (event.key !== "Enter" && event.key !== "Escape") return;
        event.preventDefault();
        event.stopPropagation();
        done(event.key === "Enter" ? (event.target as HTMLInputElement).value : null, false, rename);
      }}
    />
  </li>`;
}
