/** `<clawdbot-session-menu>`: what can be done with a session, beside its row. */
import { html, nothing } from "lit";
import type { TemplateResult } from "lit";

import { entryOf, isTemporary } from "../../state/state.js";
import { addTexts } from "../../i18n/index.js";
import type { TextKey } from "../../i18n/index.js";
import en from "../../i18n/menus.en.json";
import ko from "../../i18n/menus.ko.json";

import type { Ui } from "../base/ui-context.js";
import { icon } from "../base/more-icons.js";
import type { IconName } from "../base/more-icons.js";
import { LightElement } from "../base/light-element.js";
import { menuKeys, showBeside } from "../base/popup.js";
import type { SessionAction } from "./session-actions.js";
import { menus } from "../styles/lazy.js";

addTexts({ en, ko });

type Item = readonly [icon: IconName, text: TextKey, action: SessionAction];

export class ClawdbotSessionMenu extends LightElement {
  static override sheet = menus;
  static override properties = { ui: { attribute: false }, key: { state: true } };

  declare ui: Ui;
  declare private key: string;

  private button: HTMLElement | null = null;
  private act: (action: SessionAction, key: string) => void = () => undefined;

  constructor() {
    super();
    this.key = "";
  }

  open(key: string, button: HTMLElement, act: (action: SessionAction, key: string) => void): void {
    this.key = key;
    this.button = button;
    this.act = act;
    void this.updateComplete.then(() => {
      const menu = this.querySelector<HTMLElement>(".menu");
      if (!menu) return;
      showBeside(menu, button);
      this.items[0]?.focus();
    });
  }

  private get items(): HTMLElement[] {
    return [...this.querySelectorAll<HTMLElement>("[role=menuitem]")];
  }

  private close(): void {
    this.querySelector<HTMLElement>(".menu")?.hidePopover();
    this.button?.focus();
  }

  private choices(): readonly Item[] {
    const { state } = this.ui.controller;
    const entry = entryOf(state, this.key);
    const main = this.key === state.mainKey;
    const rename: Item = ["pencil", "sessions.rename", "rename"];
    const options: Item = ["sliders", "menu.options", "options"];
    const file: Item = ["download", "sessions.export", "export"];
    const changes: Item = ["check", "menu.changes", "changes"];
    const remove: Item = ["trash", "sessions.remove", "remove"];
    const files = this.ui.controller.can("sessions.export") ? [file] : [];
    if (this.ui.controller.can("hands.changes.list")) files.push(changes);
    if (isTemporary(this.key)) return [options, ...files, remove];
    return [
      rename,
      entry?.pinned ? ["pin", "menu.unpin", "unpin"] : ["pin", "menu.pin", "pin"],
      ["fork", "menu.duplicate", "duplicate"],
      options,
      ...files,
      ["history", "menu.earlier", "earlier"],
      ["restart", "sessions.reset", "reset"],
      ["eraser", "sessions.clear", "clear"],
      ...(main ? [] : [archiving(entry?.archived === true), remove]),
    ];
  }

  protected override render(): TemplateResult {
    const { t, controller } = this.ui;
    const count = entryOf(controller.state, this.key)?.archivedCount ?? 0;
    return html`<div
      class="menu"
      role="menu"
      popover="auto"
      aria-label=${t("sessions.actionsShort")}
      @keydown=${(event: KeyboardEvent) => menuKeys(event, this.items, () => this.close())}
    >
      ${this.choices().map(
        ([name, text, action]) =>
          html`<button
            type="button"
            role="menuitem"
            tabindex="-1"
            class=${action === "remove" ? "danger" : ""}
            @click=${() => this.chosen(action)}
          >
            ${icon(name)} ${t(text)}
            ${action === "earlier" && count > 0 ? html`<span class="count">${count}</span>` : nothing}
          </button>`,
      )}
    </div>`;
  }

  private chosen(action: SessionAction): void {
    this.close();
    this.act(action, this.key);
  }
}

function archiving(archived: boolean): Item {
  return archived ? ["unarchive", "menu.unarchive", "unarchive"] : ["archive", "menu.archive", "archive"];
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-session-menu": ClawdbotSessionMenu;
  }
}
