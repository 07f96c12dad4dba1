/**
 * `<clawdbot-control>`: the Control UI around the chat. A row of tabs above it; the chat is the first, and stays where it
 * is, awake, while another one covers it. All tabs draw into this element's shadow root.
 *
 * @fires clawdbot-tab `detail.title`: the name of the tab on show; empty for the chat, which has titles of its own
 */
import { html, LitElement, nothing, unsafeCSS } from "lit";
import type { TemplateResult } from "lit";

import type { ClawdbotChat } from "../chat/chat.js";
import { LazyElements } from "../chat/lazy-elements.js";
import { loadElement, registerLazyElements } from "../base/lazy.js";
import type { LightElement } from "../base/light-element.js";
import { attempt } from "../base/ui-context.js";
import type { Ui } from "../base/ui-context.js";
import { addTexts } from "../../i18n/index.js";
import en from "../../i18n/control.en.json";
import ko from "../../i18n/control.ko.json";
import { styles } from "../styles/index.js";
import controlText from "../styles/control.css?inline";
import { parseAddress, tabHref } from "./address.js";
import type { TabAddress } from "./address.js";
import { ControlConfirm } from "./base/confirm.js";
import { empty } from "./base/parts.js";
import { ControlTable } from "./base/table.js";
import { ControlTab } from "./base/tab.js";
import type { Control } from "./base/tab.js";
import { ControlToasts } from "./base/toasts.js";
import { loaders, TABS, tagOf } from "./tabs.js";
import type { TabId, TabRow } from "./tabs.js";

addTexts({ en, ko });

/** Why there is no tab at an address. */
interface Missing {
  why: "unknown" | "off" | "unsupported" | "unfetched";
  tab: TabRow | null;
}

export class ClawdbotControl extends LitElement {
  static override styles = [...styles, unsafeCSS(controlText)];
  static override properties = {
    chat: { attribute: false },
    address: { state: true },
    visited: { state: true },
    unfetched: { state: true },
  };

  declare chat: ClawdbotChat;
  declare private address: TabAddress;
  /** The tabs that were shown: they stay, hidden, with what was typed and chosen in them. */
  declare private visited: readonly TabId[];
  /** The tab whose chunk could not be had. */
  declare private unfetched: TabId | null;

  private control: Control | null = null;
  private seen: unknown[] = [];
  private told: string | null = null;
  private focusTitle = false;
  private readonly toasts = new ControlToasts(() => this.requestUpdate());
  private readonly parts = new LazyElements(
    () => this.renderRoot,
    () => this.control?.ui ?? null,
  );
  private readonly chatUpdates = { hostUpdated: () => this.follow() };

  constructor() {
    super();
    this.address = parseAddress(location.hash);
    this.visited = [];
    this.unfetched = null;
    registerLazyElements(loaders());
    for (const [tag, element] of Object.entries({
      "clawdbot-control-confirm": ControlConfirm,
      "clawdbot-control-table": ControlTable,
    }))
      if (!customElements.get(tag)) customElements.define(tag, element);
  }

  // -- life ---------------------------------------------------------------------------------------------------------
  override connectedCallback(): void {
    super.connectedCallback();
    window.addEventListener("popstate", this.moved);
    this.chat.addController(this.chatUpdates);
    this.follow();
    this.arrive();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    window.removeEventListener("popstate", this.moved);
    this.chat.removeController(this.chatUpdates);
    this.toasts.stop();
  }

  /** Called after each drawing of the chat: is anything of it another that the tabs are given? */
  private follow(): void {
    const { ui } = this.chat;
    if (!ui) return;
    const { connection, hello } = ui.controller.state;
    const seen = [ui, connection.status, hello, this.locked];
    if (seen.every((each, index) => each === this.seen[index])) return;
    this.seen = seen;
    if (this.locked) this.forget();
    else this.arrive();
    this.give(ui);
  }

  /** A credential that ended shows nothing any more: what was read with it goes. */
  private forget(): void {
    this.made.clear();
    this.visited = [];
    this.toasts.stop();
  }

  /** The tabs' view of the page, anew. */
  private give(chatUi: Ui): void {
    const ui: Ui = {
      ...chatUi,
      toast: (toast) => this.toasts.add(toast),
      announce: (text) => this.toasts.add({ text }),
      attempt: (work) => attempt(work, chatUi.t, (toast) => this.toasts.add(toast)),
      part: (name) => this.parts.get(name),
    };
    this.control = {
      ui,
      online: chatUi.controller.state.connection.status === "open",
      address: this.address,
      setQuery: (query) => {
        const url = new URL(location.href);
        url.hash = tabHref(this.address.tab, query);
        history.replaceState(history.state, "", url);
        this.address = parseAddress(location.hash);
        this.give(chatUi);
      },
      href: tabHref,
      openSession: (key) => this.openSession(key),
      confirm: async (question) =>
        (await this.renderRoot.querySelector("clawdbot-control-confirm")?.ask(question)) ?? false,
    };
    this.requestUpdate();
    this.parts.update();
  }

  // -- addresses ----------------------------------------------------------------------------------------------------
  private readonly moved = (): void => {
    const address = parseAddress(location.hash);
    if (address.tab !== this.address.tab) this.focusTitle = true;
    this.address = address;
    if (this.chat.ui) this.give(this.chat.ui);
    this.arrive();
  };

  private openSession(key: string): void {
    const url = new URL(location.href);
    url.hash = "";
    url.searchParams.set("session", key);
    history.pushState(null, "", url);
    this.chat.sessionKey = key;
    this.moved();
  }

  /** The tab at the address, if there is one. */
  private get row(): TabRow | undefined {
    return TABS.find(({ id }) => id === this.address.tab);
  }

  /** Fetch what the address names. */
  private arrive(): void {
    const { row } = this;
    if (!row?.load) return;
    void loadElement(tagOf(row.id)).then((done) => {
      this.unfetched = done ? null : row.id;
      if (done && !this.visited.includes(row.id)) this.visited = [...this.visited, row.id];
    });
  }

  private allowed(row: TabRow): boolean {
    const { controller } = this.chat.ui ?? {};
    if (!row.method || !controller) return true;
    if (row.feature && controller.off(row.feature)) return false;
    return !controller.state.hello || controller.can(row.method);
  }

  private missing(): Missing | null {
    const { row } = this;
    if (!row) return { why: "unknown", tab: null };
    if (row.feature && this.chat.ui?.controller.off(row.feature)) return { why: "off", tab: row };
    if (!this.allowed(row)) return { why: "unsupported", tab: row };
    return this.unfetched === row.id ? { why: "unfetched", tab: row } : null;
  }

  // -- drawing ------------------------------------------------------------------------------------------------------
  protected override render(): TemplateResult | typeof nothing {
    const { control } = this;
    if (!control || this.locked) return nothing;
    const { ui } = control;
    const { t, prefs } = ui;
    const open = this.open;
    return html`<div
      class="app control"
      lang=${ui.locale}
      data-theme=${prefs.theme}
      data-font=${prefs.fontSize}
      data-contrast=${prefs.contrast}
    >
      <nav class="control-nav" aria-label=${t("control.label")}>
        <ul>
          ${TABS.filter((row) => this.allowed(row)).map(
            ({ id, title }) =>
              html`<li>
                <a href=${this.hrefOf(id)} aria-current=${id === this.address.tab ? "page" : nothing}>${t(title)}</a>
              </li>`,
          )}
        </ul>
      </nav>
      <main class="control-main" ?hidden=${!open}>
        ${this.pane(control)} ${this.visited.map((id) => this.tab(control, id))}
        <div class="control-toasts">${this.toasts.render(t("action.close"))}</div>
        <div class="parts"></div>
      </main>
      <clawdbot-control-confirm .t=${t}></clawdbot-control-confirm>
    </div>`;
  }

  private get locked(): boolean {
    return this.chat.login !== null;
  }

  /** A tab other than the chat is on show; a login covers them all. */
  private get open(): boolean {
    return this.address.tab !== "chat" && !this.locked;
  }

  /** The whole address, so that a copy of the link leads to the same place. */
  private hrefOf(id: TabId): string {
    return id === "chat" ? `${location.pathname}${location.search}#/` : tabHref(id);
  }

  private tab(control: Control, id: TabId): TemplateResult {
    const row = TABS.find((each) => each.id === id);
    const active = this.open && id === this.address.tab && this.missing() === null;
    return html`<section class="pane" ?hidden=${!active} data-pane=${id} aria-labelledby="title-${id}">
      <h1 class="pane-title" id="title-${id}" tabindex="-1">${row ? control.ui.t(row.title) : ""}</h1>
      ${this.element(id, control, active)}
    </section>`;
  }

  private readonly made = new Map<TabId, ControlTab>();

  private element(id: TabId, control: Control, active: boolean): LightElement {
    const element = this.made.get(id) ?? document.createElement(tagOf(id));
    if (!(element instanceof ControlTab)) throw new TypeError(id);
    this.made.set(id, element);
    element.dataset.tab = id;
    element.control = control;
    element.active = active;
    return element;
  }

  /** What stands there while, or because, there is no tab. */
  private pane({ ui: { t } }: Control): TemplateResult | typeof nothing {
    const missing = this.missing();
    const { row } = this;
    if (!this.open || (!missing && this.visited.some((id) => id === row?.id))) return nothing;
    return html`<section class="pane" data-pane="none" aria-labelledby="title-none">
      <h1 class="pane-title" id="title-none" tabindex="-1">${t(row?.title ?? "control.unknown")}</h1>
      ${
        missing
          ? empty(
              this.reason(missing),
              missing.why === "unfetched"
                ? html`<button type="button" class="button" @click=${() => this.arrive()}>
                    ${t("control.retry")}
                  </button>`
                : nothing,
            )
          : html`<p class="none" role="status">${t("control.loading")}</p>`
      }
    </section>`;
  }

  private reason({ why, tab }: Missing): string {
    const t = this.control?.ui.t;
    if (!t) return "";
    if (why === "unfetched") return t("control.partFailed");
    if (why === "off") return t("control.switchedOff", { feature: tab?.feature ?? "" });
    if (why === "unsupported") return t("control.unsupported", { method: tab?.method ?? "" });
    return t("control.unknownHint", { tab: this.address.tab });
  }

  protected override updated(): void {
    const { open, control } = this;
    if (!control) return;
    this.toggleAttribute("data-open", open);
    this.chat.toggleAttribute("data-covered", open);
    this.chat.inert = open;
    const title = open ? control.ui.t(this.row?.title ?? "control.unknown") : "";
    if (title !== this.told) {
      this.told = title;
      this.dispatchEvent(new CustomEvent("clawdbot-tab", { detail: { title } }));
    }
    const current = this.renderRoot.querySelector('[aria-current="page"]');
    if (this.focusTitle) current?.scrollIntoView({ block: "nearest", inline: "center" });
    if (!this.focusTitle) return;
    const heading = this.renderRoot.querySelector<HTMLElement>(".pane:not([hidden]) .pane-title");
    if (open && heading?.id !== `title-${this.address.tab}` && this.missing() === null) return; // its chunk is on its way
    this.focusTitle = false;
    // Who walks along the row of tabs with the keyboard stays there no longer: the tab's content is what was asked for.
    if (open) heading?.focus({ preventScroll: true });
    else void this.chat.focusComposer();
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-control": ClawdbotControl;
  }
}
