/** Small parts that the tabs share. */
import { html, nothing } from "lit";
import type { TemplateResult } from "lit";

import { copyText } from "../../base/clipboard.js";
import { icon } from "../../base/icons.js";
import type { Ui } from "../../base/ui-context.js";

/** What steers a terminal, or turns the direction of a text. */
// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/** A text with its control characters as the pictures or numbers that stand for them. */
export function visible(text: string): string {
  return text.replace(CONTROL, (character) => {
    const code = character.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    return code === 0x7f ? "\u2421" : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

/** That there is nothing, and what would put something there. */
export function empty(text: string, more?: unknown): TemplateResult {
  return html`<div class="control-empty">
    <p>${text}</p>
    ${more ?? nothing}
  </div>`;
}

export type Level = "ok" | "info" | "warn" | "error";

/** A state in a word, with a mark that does not rest on colour alone. */
export function badge(text: string, level: Level = "info"): TemplateResult {
  const mark = level === "ok" ? icon("check") : level === "info" ? nothing : icon("warn");
  return html`<span class="control-badge" data-level=${level}>${mark} ${text}</span>`;
}

export interface Fact {
  label: string;
  value: unknown;
  /** What the value means. */
  hint?: unknown;
}

/** Facts as a list of names and values. */
export function facts(rows: readonly Fact[]): TemplateResult {
  return html`<dl class="control-facts">
    ${rows.map(
      ({ label, value, hint }) =>
        html`<div>
          <dt>${label}</dt>
          <dd>${value}${hint === undefined || hint === "" ? nothing : html`<small>${hint}</small>`}</dd>
        </div>`,
    )}
  </dl>`;
}

/** A number that the tab is about, with its name. */
export function stat(label: string, value: unknown, hint?: unknown): TemplateResult {
  return html`<div class="control-stat">
    <span class="label">${label}</span> <strong>${value}</strong> ${hint ? html`<small>${hint}</small>` : nothing}
  </div>`;
}

/** A button that copies a text; `name` says what, for those who do not see what stands beside it. */
export function copyButton(ui: Ui, text: string | (() => string), name: string): TemplateResult {
  const copy = async (): Promise<void> => {
    const done = await copyText(typeof text === "string" ? text : text());
    ui.toast({ text: ui.t(done ? "control.copied" : "control.copyFailed"), kind: done ? "info" : "error" });
  };
  return html`<button type="button" class="icon-button small" aria-label=${name} title=${name} @click=${copy}>
    ${icon("copy")}
  </button>`;
}

/** A command for a terminal, ready to copy. */
export function command(ui: Ui, text: string): TemplateResult {
  return html`<span class="control-command"
    ><code>${text}</code>${copyButton(ui, text, ui.t("control.copyCommand", { command: text }))}</span
  >`;
}

export interface Choice<T extends string> {
  value: T;
  label: string;
}

/** A row of choices of which one is on. */
export function choices<T extends string>(
  name: string,
  label: string,
  list: readonly Choice<T>[],
  chosen: T,
  choose: (value: T) => void,
): TemplateResult {
  return html`<fieldset class="control-choices">
    <legend class="sr">${label}</legend>
    <div class="segments">
      ${list.map(
        (each) =>
          html`<label
            ><input
              type="radio"
              name=${name}
              .checked=${each.value === chosen}
              @change=${() => choose(each.value)}
            /><span>${each.label}</span></label
          >`,
      )}
    </div>
  </fieldset>`;
}
