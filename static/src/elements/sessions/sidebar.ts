/** `<clawdbot-sidebar>`: the sessions — new, find, switch — and what can be done with each. */
import { html, nothing } from "lit";
import type { TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";

import type { titleMatches } from "../../input/hangul-search.js";
import { isComposingKey } from "../../input/ime.js";
import type { SearchHit, SessionEntry } from "../../protocol/types.js";
import { isTemporary } from "../../state/state.js";
import type { State } from "../../state/state.js";
import { loadElement } from "../base/lazy.js";

import type { Ui } from "../base/ui-context.js";
import { ago } from "../base/format.js";
import { icon, logo } from "../base/icons.js";
import { LightElement } from "../base/light-element.js";
import type { SessionAction } from "./session-actions.js";
import type { renameField } from "./rename-field.js";
import { titleOf } from "./title.js";

/** Sessions that were opened and never used: nothing to see there. */
function isEmpty(entry: SessionEntry): boolean {
  return entry.messageCount === 0 && !entry.label && !entry.pinned && !entry.running && !entry.archivedCount;
}

export class ClawdbotSidebar extends LightElement {
  static override properties = {
    state: { attribute: false },
    ui: { attribute: false },
    filter: { state: true },
    renaming: { state: true },
  };

  declare state: State;
  declare ui: Ui;
  declare private filter: string;
  declare private renaming: string | null;

  /** Korean titles by their first consonants, once that is here. */
  private fits: typeof titleMatches = (title, query) => title.toLowerCase().includes(query.trim().toLowerCase());

  /** The field for another title, once one was asked for. */
  private field: typeof renameField | null = null;

  onSkip: () => void = () => undefined;
  /** A session was chosen, or a new one opened. */
  onChosen: () => void = () => undefined;
  /** A message was chosen among those that were found. */
  onFound: (hit: SearchHit, title: string) => void = () => undefined;
  /** An action that needs a dialog. */
  onAction: (action: SessionAction, key: string) => void = () => undefined;

  constructor() {
    super();
    this.filter = "";
    this.renaming = null;
  }

  private search(query: string): void {
    this.filter = query;
    void import("../../input/hangul-search.js").then(({ titleMatches }) => {
      this.fits = titleMatches;
      this.requestUpdate();
    });
  }

  private clearSearch(): void {
    this.filter = "";
    const field = this.querySelector<HTMLInputElement>(".search input");
    if (!field) return;
    field.value = "";
    field.focus();
  }

  protected override render(): TemplateResult {
    const { t } = this.ui;
    return html`
      <button type="button" class="skip" @click=${() => this.onSkip()}>${t("skip")}</button>
      <div class="brand">${logo()}<span>Clawdbot</span></div>
      <div class="new-row">
        <button type="button" class="new-chat" @click=${this.startNew}>${icon("compose")} ${t("sessions.new")}</button>
        ${
          this.ui.controller.off("temporary")
            ? nothing
            : html`<button
                type="button"
                class="icon-button"
                aria-label=${t("temporary.new")}
                title=${t("temporary.new")}
                @click=${this.startTemporary}
              >
                ${icon("ghost")}
              </button>`
        }
      </div>
      <div class="search-row">
        <label class="search">
          ${icon("search")}<span class="sr">${t("sessions.search")}</span>
          <input
            type="search"
            placeholder=${t("sessions.search")}
            maxlength="256"
            @input=${(event: Event) => this.search((event.target as HTMLInputElement).value)}
            @keydown=${(event: KeyboardEvent) => {
              if (event.key === "Escape" && !isComposingKey(event) && this.filter !== "") {
                event.stopPropagation();
                this.clearSearch();
              }
            }}
          />
        </label>
        ${
          this.filter === ""
            ? nothing
            : html`<button
                type="button"
                class="icon-button small"
                aria-label=${t("sessions.searchClear")}
                title=${t("sessions.searchClear")}
                @click=${this.clearSearch}
              >
                ${icon("close")}
              </button>`
        }
      </div>
      <div class="session-list">${this.list()} ${this.hits()}</div>
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
    const { current, mainKey } = this.state;
    const found = this.entries().filter((entry) => this.fits(titleOf(entry, entry.key, mainKey, t), this.filter));
    const seen =
      this.filter.trim() === ""
        ? found.filter((each) => each.key === current || each.key === mainKey || !isEmpty(each))
        : found;
    if (seen.length === 0) return html`<p class="none">${t("sessions.none")}</p>`;
    const archived = seen.filter((entry) => entry.archived);
    const pinned = seen.filter((entry) => entry.pinned && !entry.archived);
    const others = seen.filter((entry) => !entry.pinned && !entry.archived);
    return html`${this.group(pinned, t("sessions.pinned"), pinned.length > 0)}
    ${this.group(others, t("sessions.label"), pinned.length > 0 && others.length > 0)} ${this.archived(archived)}`;
  }

  private group(entries: SessionEntry[], name: string, titled: boolean): TemplateResult | typeof nothing {
    if (entries.length === 0) return nothing;
    return html`${titled ? html`<p class="hits-title">${name}</p>` : nothing}
      <ul class="sessions" aria-label=${name}>
        ${repeat(
          entries,
          (entry) => entry.key,
          (entry) => this.row(entry),
        )}
      </ul>`;
  }

  /** Sessions that were put away: folded, but for the one on show and what a search has found. */
  private archived(entries: SessionEntry[]): TemplateResult | typeof nothing {
    if (entries.length === 0) return nothing;
    const open = this.filter.trim() !== "" || entries.some((entry) => entry.key === this.state.current);
    return html`<details class="archived" ?open=${open}>
      <summary>${icon("chevron")} ${this.ui.t("sessions.archivedCount", { count: entries.length })}</summary>
      ${this.group(entries, this.ui.t("sessions.archived"), false)}
    </details>`;
  }

  /** Messages with these words, in all sessions. */
  private hits(): TemplateResult | typeof nothing {
    const query = this.filter.trim();
    if (query === "") return nothing;
    void loadElement("clawdbot-search-hits");
    return html`<clawdbot-search-hits .query=${query} .ui=${this.ui} .onOpen=${this.onFound}></clawdbot-search-hits>`;
  }

  private row(entry: SessionEntry): TemplateResult {
    const { t, locale } = this.ui;
    const { key } = entry;
    const { mainKey, current, unread } = this.state;
    const title = titleOf(entry, key, mainKey, t);
    if (this.renaming === key) return this.rename(key, entry.label ?? title);
    const online = this.state.connection.status === "open";
    const running = online && (entry.running === true || (this.state.views[key]?.live ?? null) !== null);
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
        ${mark ? html`<span class="dot ${running ? "running" : "unread"}" role="img" aria-label=${mark} title=${mark}></span>` : nothing}
        ${isTemporary(key) ? icon("ghost") : nothing}
        <span class="session-title">${title}</span>
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
      @click=${(event: Event) => {
        const button = event.currentTarget as HTMLElement;
        void this.ui.part("clawdbot-session-menu").then((menu) => menu?.open(key, button, this.act));
      }}
    >
      ${icon("more")}
    </button>`;
  }

  private startNew(): void {
    this.ui.controller.newSession();
    this.onChosen();
  }

  private async startTemporary(): Promise<void> {
    if (await this.ui.attempt(this.ui.controller.newTemporary())) this.onChosen();
  }

  // -- rename -------------------------------------------------------------------------------------------------------
  private rename(key: string, value: string): TemplateResult {
    return (
      this.field?.(this.ui.t("sessions.rename"), value, (text, left, rename) => {
        if (this.renaming !== key) return;
        this.renaming = null;
        if (text !== null && text.trim() !== value) void this.ui.attempt(rename(this.ui.controller.client, key, text));
        if (!left)
          void this.updateComplete.then(() =>
            this.querySelector<HTMLElement>(`[data-key="${CSS.escape(key)}"]`)?.focus(),
          );
      }) ?? html``
    );
  }

  private async startRename(key: string): Promise<void> {
    const part = import("./rename-field.js");
    if (!(await this.ui.attempt(part))) return;
    this.field = (await part).renameField;
    this.renaming = key;
    void this.updateComplete.then(() => this.querySelector<HTMLInputElement>("input.rename")?.select());
  }

  private readonly act = (action: SessionAction, key: string): void => {
    if (action === "rename") void this.startRename(key);
    else this.onAction(action, key);
  };
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-sidebar": ClawdbotSidebar;
  }
}
