/** `<clawdbot-sidebar>`: the sessions — new, find, switch — and what can be done with each. */
import { html, nothing } from "lit";
import type { TemplateResult } from "lit";
import { live } from "lit/directives/live.js";
import { repeat } from "lit/directives/repeat.js";

import { isComposingKey } from "../core/ime.js";
import type { SearchHit, SessionEntry } from "../core/protocol.js";
import type { State } from "../core/state.js";
import type { Translate } from "../i18n/index.js";
import { need } from "../parts.js";

import type { Ui } from "./context.js";
import { ago } from "./format.js";
import { icon, logo } from "./icons.js";
import type { IconName } from "./icons.js";
import { LightElement } from "./light.js";

/** What to call a session: the name it was given, else what it is about. */
export function titleOf(entry: SessionEntry | undefined, key: string, mainKey: string, t: Translate): string {
  if (entry?.label) return entry.label;
  if (key === mainKey) return t("sessions.main");
  return entry?.derivedTitle ?? t("sessions.untitled");
}

export type SessionAction = "rename" | "reset" | "clear" | "archive" | "export" | "remove";

export class ClawdbotSidebar extends LightElement {
  static override properties = {
    state: { attribute: false },
    ui: { attribute: false },
    filter: { state: true },
    renaming: { state: true },
    menuKey: { state: true },
  };

  declare state: State;
  declare ui: Ui;
  declare private filter: string;
  declare private renaming: string | null;
  declare private menuKey: string | null;

  onSkip: () => void = () => undefined;
  /** A session was chosen, or a new one opened. */
  onChosen: () => void = () => undefined;
  /** A message was chosen among those that were found. */
  onFound: (hit: SearchHit) => void = () => undefined;
  /** An action that needs a dialog. */
  onAction: (action: SessionAction, key: string) => void = () => undefined;

  constructor() {
    super();
    this.filter = "";
    this.renaming = null;
    this.menuKey = null;
  }

  protected override render(): TemplateResult {
    const { t } = this.ui;
    return html`
      <button type="button" class="skip" @click=${() => this.onSkip()}>${t("skip")}</button>
      <div class="brand">${logo()}<span>Clawdbot</span></div>
      <button type="button" class="new-chat" @click=${this.startNew}>${icon("compose")} ${t("sessions.new")}</button>
      <label class="search">
        ${icon("search")}<span class="sr">${t("sessions.search")}</span>
        <input
          type="search"
          placeholder=${t("sessions.search")}
          maxlength="256"
          .value=${live(this.filter)}
          @input=${(event: Event) => (this.filter = (event.target as HTMLInputElement).value)}
          @keydown=${(event: KeyboardEvent) => {
            if (event.key === "Escape" && !isComposingKey(event) && this.filter !== "") {
              event.stopPropagation();
              this.filter = "";
            }
          }}
        />
      </label>
      <div class="session-list">${this.list()} ${this.hits()}</div>
      ${this.menu()}
      <div class="sidebar-foot">
        <button type="button" class="foot-button" @click=${() => this.ui.openSettings()}>
          ${icon("gear")} ${t("settings.title")}
        </button>
      </div>
    `;
  }

  private entries(): SessionEntry[] {
    const { sessions, current, mainKey } = this.state;
    // The session on show is listed even before its first message.
    const missing = [current, mainKey].filter(
      (key, at, all) => all.indexOf(key) === at && !sessions.some((each) => each.key === key),
    );
    return [...missing.map((key) => ({ key, updatedAt: null })), ...sessions];
  }

  private list(): TemplateResult {
    const { t } = this.ui;
    const wanted = this.filter.trim().normalize("NFC").toLocaleLowerCase();
    const shown = this.entries().filter((entry) =>
      titleOf(entry, entry.key, this.state.mainKey, t).toLocaleLowerCase().includes(wanted),
    );
    if (shown.length === 0) return html`<p class="none">${t("sessions.none")}</p>`;
    return html`<ul class="sessions">
      ${repeat(
        shown,
        (entry) => entry.key,
        (entry) => this.row(entry),
      )}
    </ul>`;
  }

  /** Messages with these words, in all sessions. */
  private hits(): TemplateResult | typeof nothing {
    const query = this.filter.trim();
    if (query === "") return nothing;
    void need("clawdbot-search-hits");
    return html`<clawdbot-search-hits .query=${query} .ui=${this.ui} .onOpen=${this.onFound}></clawdbot-search-hits>`;
  }

  private row(entry: SessionEntry): TemplateResult {
    const { t, locale } = this.ui;
    const { key } = entry;
    const { mainKey, current, unread } = this.state;
    const title = titleOf(entry, key, mainKey, t);
    if (this.renaming === key) return this.renameField(key, entry.label ?? title);
    const running = entry.running === true || (this.state.views[key]?.live ?? null) !== null;
    const mark = running ? t("sessions.running") : unread[key] ? t("sessions.unread") : "";
    return html`<li>
      <button
        type="button"
        class="session"
        aria-current=${key === current ? "page" : nothing}
        title=${title}
        @click=${() => {
          this.ui.controller.select(key);
          this.onChosen();
        }}
      >
        <span class="session-title">${title}</span>
        ${mark ? html`<span class="dot ${running ? "running" : "unread"}" role="img" aria-label=${mark} title=${mark}></span>` : nothing}
        ${entry.updatedAt === null ? nothing : html`<span class="session-time">${ago(entry.updatedAt, Date.now(), locale)}</span>`}
      </button>
      ${entry.updatedAt === null ? nothing : this.moreButton(key, title)}
    </li>`;
  }

  private moreButton(key: string, title: string): TemplateResult {
    const { t } = this.ui;
    return html`<button
      type="button"
      class="icon-button small session-more"
      data-key=${key}
      aria-haspopup="menu"
      aria-label=${t("sessions.actions", { title })}
      @click=${(event: Event) => this.openMenu(key, event.currentTarget as HTMLElement)}
    >
      ${icon("more")}
    </button>`;
  }

  private startNew(): void {
    this.ui.controller.newSession();
    this.onChosen();
  }

  // -- rename -------------------------------------------------------------------------------------------------------
  private renameField(key: string, value: string): TemplateResult {
    const { t, controller } = this.ui;
    const end = (event: Event, keep: boolean): void => {
      if (this.renaming !== key) return;
      this.renaming = null;
      const text = (event.target as HTMLInputElement).value;
      if (keep && text.trim() !== value) void this.ui.attempt(controller.rename(key, text));
      if (event.type !== "blur")
        void this.updateComplete.then(() =>
          this.querySelector<HTMLElement>(`[data-key="${CSS.escape(key)}"]`)?.focus(),
        );
    };
    return html`<li>
      <input
        class="rename"
        aria-label=${t("sessions.rename")}
        maxlength="200"
        .value=${value}
        @blur=${(event: Event) => end(event, true)}
        @keydown=${(event: KeyboardEvent) => {
          if (isComposingKey(event)) return;
          if (event.key !== "Enter" && event.key !== "Escape") return;
          event.preventDefault();
          event.stopPropagation();
          end(event, event.key === "Enter");
        }}
      />
    </li>`;
  }

  private startRename(key: string): void {
    this.renaming = key;
    void this.updateComplete.then(() => this.querySelector<HTMLInputElement>("input.rename")?.select());
  }

  // -- menu ---------------------------------------------------------------------------------------------------------
  private menu(): TemplateResult {
    const { t } = this.ui;
    const key = this.menuKey ?? "";
    const entry = this.state.sessions.find((each) => each.key === key);
    const item = (name: IconName, text: string, action: SessionAction): TemplateResult =>
      html`<button
        type="button"
        role="menuitem"
        tabindex="-1"
        class=${action === "remove" ? "danger" : ""}
        @click=${() => this.act(action)}
      >
        ${icon(name)} ${text}
      </button>`;
    return html`<div
      class="menu"
      role="menu"
      popover="auto"
      aria-label=${t("sessions.actionsShort")}
      @keydown=${this.menuKeydown}
    >
      ${item("pencil", t("sessions.rename"), "rename")} ${item("restart", t("sessions.reset"), "reset")}
      ${item("eraser", t("sessions.clear"), "clear")}
      ${item("archive", (entry?.archivedCount ?? 0) > 0 ? t("sessions.archivedCount", { count: entry?.archivedCount ?? 0 }) : t("sessions.archived"), "archive")}
      ${item("download", t("sessions.export"), "export")}
      ${key === this.state.mainKey ? nothing : item("trash", t("sessions.remove"), "remove")}
    </div>`;
  }

  private openMenu(key: string, button: HTMLElement): void {
    this.menuKey = key;
    void this.updateComplete.then(() => {
      const menu = this.querySelector<HTMLElement>(".menu");
      if (!menu) return;
      menu.showPopover();
      const place = button.getBoundingClientRect();
      const height = menu.offsetHeight;
      const below = place.bottom + 4 + height <= window.innerHeight;
      menu.style.top = `${below ? place.bottom + 4 : Math.max(8, place.top - height - 4)}px`;
      menu.style.left = `${Math.max(8, Math.min(place.right - menu.offsetWidth, window.innerWidth - menu.offsetWidth - 8))}px`;
      menu.querySelector<HTMLElement>("[role=menuitem]")?.focus();
    });
  }

  private menuKeydown(event: KeyboardEvent): void {
    const items = [...this.querySelectorAll<HTMLElement>(".menu [role=menuitem]")];
    const at = items.indexOf(event.target as HTMLElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
    if (event.key === "Tab" || event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      this.closeMenu();
    } else if (to !== undefined) {
      event.preventDefault();
      items.at(to % items.length)?.focus();
    }
  }

  private closeMenu(): void {
    this.querySelector<HTMLElement>(".menu")?.hidePopover();
    if (this.menuKey !== null) this.querySelector<HTMLElement>(`[data-key="${CSS.escape(this.menuKey)}"]`)?.focus();
  }

  private act(action: SessionAction): void {
    const key = this.menuKey;
    this.closeMenu();
    if (key === null) return;
    if (action === "rename") this.startRename(key);
    else this.onAction(action, key);
  }
}
