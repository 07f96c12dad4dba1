/** `<clawdbot-palette>`: go to a session, or do something, by typing a piece of its name. */
import { html, nothing } from "lit";
import type { TemplateResult } from "lit";
import { live } from "lit/directives/live.js";

import { titleMatches } from "../../input/hangul-search.js";
import { isComposingKey } from "../../input/ime.js";
import { addTexts } from "../../i18n/index.js";
import en from "../../i18n/palette.en.json";
import ko from "../../i18n/palette.ko.json";

import type { Ui } from "../base/ui-context.js";
import { closeOnBackdrop } from "../base/dialog.js";
import { ago } from "../base/format.js";
import { icon } from "../base/more-icons.js";
import type { IconName } from "../base/more-icons.js";
import { LightElement } from "../base/light-element.js";
import { titleOf } from "./title.js";
import { menus } from "../styles/lazy.js";

addTexts({ en, ko });

interface Entry {
  icon: IconName;
  text: string;
  note: string;
  run: () => void;
}

const MOST = 50;

export class ClawdbotPalette extends LightElement {
  static override sheet = menus;
  static override properties = { ui: { attribute: false }, query: { state: true }, active: { state: true } };

  declare ui: Ui;
  declare private query: string;
  declare private active: number;

  constructor() {
    super();
    this.query = "";
    this.active = 0;
  }

  open(): void {
    const dialog = this.querySelector("dialog");
    if (!dialog || dialog.open) return;
    this.query = "";
    this.active = 0;
    dialog.showModal();
    dialog.querySelector("input")?.focus();
  }

  private entries(): Entry[] {
    const { ui } = this;
    const { t, controller, locale } = ui;
    const { sessions, mainKey, commands } = controller.state;
    const temporary: Entry = {
      icon: "ghost",
      text: t("temporary.new"),
      note: "",
      run: () => void ui.attempt(controller.newTemporary()),
    };
    const acts: Entry[] = [
      { icon: "compose", text: t("sessions.new"), note: "", run: () => void controller.newSession() },
      ...(controller.off("temporary") ? [] : [temporary]),
      { icon: "gear", text: t("settings.title"), note: "", run: () => ui.openSettings() },
      { icon: "key", text: t("setup.title"), note: "", run: () => ui.openSettings("setup") },
      { icon: "bulb", text: t("shortcuts.title"), note: "?", run: () => void this.shortcuts() },
    ];
    const places = sessions.map((entry): Entry => {
      const when = entry.updatedAt === null ? "" : ago(entry.updatedAt, Date.now(), locale);
      const text = titleOf(entry, entry.key, mainKey, t);
      return {
        icon: entry.archived ? "archive" : "history",
        text,
        note: when,
        run: () => controller.select(entry.key),
      };
    });
    const words = commands.map(({ name, description }): Entry => ({
      icon: "slash",
      text: `/${name}`,
      note: description ?? "",
      run: () => ui.compose(`/${name} `),
    }));
    const wanted = this.query.trim();
    if (wanted === "") return [...places.slice(0, 8), ...acts];
    return [...places, ...acts, ...words]
      .filter(({ text, note, icon: kind }) => titleMatches(kind === "slash" ? `${text} ${note}` : text, wanted))
      .slice(0, MOST);
  }

  protected override render(): TemplateResult {
    const { t } = this.ui;
    const entries = this.entries();
    const at = Math.min(this.active, entries.length - 1);
    return html`<dialog class="dialog palette" aria-label=${t("palette.title")} @click=${closeOnBackdrop}>
      <input
        type="text"
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-label=${t("palette.title")}
        aria-activedescendant=${at >= 0 ? `palette-${at}` : nothing}
        placeholder=${t("palette.hint")}
        autocomplete="off"
        spellcheck="false"
        .value=${live(this.query)}
        @input=${(event: Event) => {
          this.query = (event.target as HTMLInputElement).value;
          this.active = 0;
        }}
        @keydown=${(event: KeyboardEvent) => this.keys(event, entries, at)}
      />
      <ul id="palette-list" role="listbox" tabindex="-1" aria-label=${t("palette.title")}>
        ${entries.map(
          (entry, place) =>
            html`<li
              id=${`palette-${place}`}
              role="option"
              aria-selected=${place === at ? "true" : "false"}
              @click=${() => this.choose(entry)}
            >
              ${icon(entry.icon)}<span class="session-title">${entry.text}</span><small>${entry.note}</small>
            </li>`,
        )}
      </ul>
      ${entries.length === 0 ? html`<p class="none" role="status">${t("palette.none")}</p>` : nothing}
    </dialog>`;
  }

  private keys(event: KeyboardEvent, entries: readonly Entry[], at: number): void {
    if (isComposingKey(event)) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined && entries.length > 0) {
      event.preventDefault();
      this.active = (at + step + entries.length) % entries.length;
      void this.updateComplete.then(() =>
        this.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" }),
      );
    } else if (event.key === "Enter") {
      event.preventDefault();
      const entry = entries[at];
      if (entry) this.choose(entry);
    }
  }

  private choose(entry: Entry): void {
    this.querySelector("dialog")?.close();
    entry.run();
  }

  private async shortcuts(): Promise<void> {
    (await this.ui.part("clawdbot-shortcuts"))?.open();
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-palette": ClawdbotPalette;
  }
}
