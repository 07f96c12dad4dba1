/** `<clawdbot-shortcuts>`: the keys that do something, on one sheet. */
import { html } from "lit";
import type { TemplateResult } from "lit";

import { addTexts } from "../../i18n/index.js";
import type { TextKey } from "../../i18n/index.js";
import en from "../../i18n/palette.en.json";
import ko from "../../i18n/palette.ko.json";

import type { Ui } from "../base/ui-context.js";
import { closeOnBackdrop } from "../base/dialog.js";
import { icon } from "../base/icons.js";
import { LightElement } from "../base/light-element.js";
import { forms } from "../styles/lazy.js";

addTexts({ en, ko });

/** Only the standalone page has the palette: elsewhere Ctrl+K belongs to the home. */
const PAGE_ONLY: readonly (readonly [text: TextKey, ...keys: string[]])[] = [
  ["shortcuts.palette", "Ctrl+K"],
  ["shortcuts.print", "Ctrl+P"],
  ["shortcuts.sheet", "?"],
];
const KEYS: readonly (readonly [text: TextKey, ...keys: string[]])[] = [
  ["shortcuts.newline", "Shift+Enter"],
  ["shortcuts.now", "Ctrl+Shift+Enter"],
  ["shortcuts.commands", "/"],
  ["shortcuts.mention", "@"],
  ["shortcuts.edit", "↑"],
  ["shortcuts.larger", "Ctrl+Shift+E"],
  ["shortcuts.find", "Ctrl+F"],
  ["shortcuts.quote", "Ctrl+Shift+9"],
  ["shortcuts.stop", "Esc"],
  ["shortcuts.scroll", "PageUp", "PageDown", "Home", "End"],
];

export class ClawdbotShortcuts extends LightElement {
  static override sheet = forms;
  static override properties = { ui: { attribute: false } };

  declare ui: Ui;

  open(): void {
    const dialog = this.querySelector("dialog");
    if (dialog && !dialog.open) dialog.showModal();
  }

  protected override render(): TemplateResult {
    const { t, prefs, mode } = this.ui;
    const apple = /mac|iphone|ipad/i.test(navigator.platform);
    const shown = (key: string): string => (apple ? key.replace("Ctrl+", "⌘") : key);
    const send = prefs.sendKey === "enter" ? "Enter" : "Ctrl+Enter";
    const rows = [["shortcuts.send", send] as const, ...KEYS, ...(mode === "page" ? PAGE_ONLY : [])];
    return html`<dialog class="dialog small shortcuts" aria-labelledby="shortcuts-title" @click=${closeOnBackdrop}>
      <div class="dialog-head">
        <h2 id="shortcuts-title">${t("shortcuts.title")}</h2>
        <button
          type="button"
          class="icon-button"
          aria-label=${t("action.close")}
          title=${t("action.close")}
          @click=${() => this.querySelector("dialog")?.close()}
        >
          ${icon("close")}
        </button>
      </div>
      <dl class="dialog-body" tabindex="0" aria-labelledby="shortcuts-title">
        ${rows.map(
          ([text, ...keys]) =>
            html`<div>
              <dt>${t(text)}</dt>
              <dd>${keys.map((key) => html`<kbd>${shown(key)}</kbd> `)}</dd>
            </div>`,
        )}
      </dl>
    </dialog>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-shortcuts": ClawdbotShortcuts;
  }
}
