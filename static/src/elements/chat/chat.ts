/**
 * `<clawdbot-chat>`: the whole chat as one element, for a page, a notebook cell or a side panel.
 *
 * It owns a connection while it is in a document and keeps nothing outside itself but preferences and drafts in
 * `localStorage`. All parts draw into its one open shadow root.
 *
 * @attr {string} base-url    folder of the gateway, e.g. `/clawdbot/`; default: the document's own folder
 * @attr {string} session-key the session on show; default: the main one
 * @attr {string} theme       `system`, `light` or `dark`: what the home around wants, where the person has not chosen
 * @attr {string} locale      `en` or `ko`, likewise
 * @attr {string} mode        `page` (fills the window) or `panel` (a guest in another page)
 * @prop {ContextSource[]} contexts  what of the page around can go along with a message
 * @prop {CodeActions} codeActions what the page around can do with a block of code
 * @prop {Transport} transport how to reach the gateway; default: a WebSocket to `base-url`, with login where needed
 * @fires clawdbot-session    `detail.key`: another session is on show
 * @fires clawdbot-status     `detail`: `{title, status, locale}`, for a page's title
 * @cssprop --clawdbot-accent, --clawdbot-bg, --clawdbot-text, --clawdbot-font, --clawdbot-mono …: see `styles/tokens.css`
 */
import { html, nothing } from "lit";
import type { PropertyValues, TemplateResult } from "lit";

import { AuthApi } from "../../client/login-api.js";
import type { Controller } from "../../state/controller.js";
import { isComposingKey } from "../../input/ime.js";
import type { AuthSession, ChatEvent, SearchHit, SessionChangedEvent } from "../../protocol/types.js";
import { currentView, initialState } from "../../state/state.js";
import type { State } from "../../state/state.js";
import type { Transport } from "../../client/transport.js";
import { hasTexts, loadTexts, pickLocale, translator } from "../../i18n/index.js";
import type { Locale } from "../../i18n/index.js";
import { loadElement } from "../base/lazy.js";
import type { LazyTag } from "../base/lazy.js";

import { banner } from "./connection-banner.js";
import { commandNote, sendFailedNote, SessionNews, spoken, statusOf } from "./announcements.js";
import type { ChatStatus } from "./announcements.js";
import { attempt } from "../base/ui-context.js";
import type { Toast, Ui } from "../base/ui-context.js";
import { connect } from "./create-controller.js";
import { Flusher } from "../base/render-scheduler.js";
import { greeting } from "./greeting.js";
import { header } from "./header.js";
import { HostedElement } from "./host-element.js";
import { browserStorage, DEFAULTS, loadPrefs, PREFS_KEY, savePrefs } from "../base/preferences.js";
import type { Prefs } from "../base/preferences.js";
import { listen } from "../base/listeners.js";
import { Notices } from "../settings/reply-notifications.js";
import { pageKeys } from "./page-shortcuts.js";
import { LazyElements } from "./lazy-elements.js";
import type { SessionAction } from "../sessions/session-actions.js";
import { styles } from "../styles/index.js";
import { Toasts } from "./toasts.js";

const NARROW_PX = 760;
const ASK_AGAIN_MS = 5_000;
/** News of one thing by two events come within this time. */
const SAME_NEWS_MS = 1_000;

export class ClawdbotChat extends HostedElement {
  static override styles = styles;
  static override properties = {
    baseUrl: { attribute: "base-url" },
    sessionKey: { attribute: "session-key" },
    theme: {},
    locale: {},
    mode: { reflect: true },
    transport: { attribute: false },
    linkExpired: { type: Boolean },
    prefs: { state: true },
    state: { state: true },
    login: { state: true },
    booted: { state: true },
    narrow: { state: true },
    drawer: { state: true },
    said: { state: true },
  };

  declare baseUrl: string;
  declare sessionKey: string;
  declare theme: string;
  declare locale: string;
  declare mode: "page" | "panel";
  declare transport: Transport | undefined;
  /** The person came by a one-time link that no longer works: the login says so. */
  declare linkExpired: boolean;
  declare private prefs: Prefs;
  declare private state: State;
  /** Set while a login is needed. */
  declare login: AuthSession | null;
  declare private booted: boolean;
  declare private narrow: boolean;
  declare private drawer: boolean;
  /** What the hidden status region says. */
  declare private said: string;

  protected controller: Controller | null = null;
  private auth = new AuthApi(".");
  /** What the parts are given; for the page around, too. */
  ui: Ui | null = null;
  private readonly storage = browserStorage();
  private readonly toasts = new Toasts(() => this.requestUpdate());
  private readonly flusher = new Flusher(() => this.draw(), {
    frame: (run) => requestAnimationFrame(run),
    cancelFrame: (id) => cancelAnimationFrame(id),
    hidden: () => document.hidden,
  });
  private unlisten: () => void = () => undefined;
  private readonly resizing = new ResizeObserver(
    ([entry]) => (this.narrow = (entry?.contentRect.width ?? NARROW_PX) < NARROW_PX),
  );
  private askAgain: ReturnType<typeof setTimeout> | undefined;
  private ticker: ReturnType<typeof setInterval> | undefined;
  private readonly parts = new LazyElements(
    () => this.renderRoot,
    () => this.ui,
  );
  private readonly notices = new Notices();
  private readonly news = new SessionNews();
  private status = "";
  private standalone = false;
  private sessionNoteAt = -Infinity;

  constructor() {
    super();
    this.baseUrl = "";
    this.sessionKey = "";
    this.theme = "system";
    this.locale = "";
    this.mode = "page";
    this.linkExpired = false;
    this.prefs = DEFAULTS;
    this.state = initialState();
    this.login = null;
    this.booted = false;
    this.narrow = false;
    this.drawer = false;
    this.said = "";
  }

  // -- life ---------------------------------------------------------------------------------------------------------
  override connectedCallback(): void {
    super.connectedCallback();
    // JupyterLab must not take keys typed here for its own; the attribute counts on the host only.
    this.setAttribute("data-lm-suppress-shortcuts", "true");
    this.prefs = loadPrefs(this.storage);
    this.resizing.observe(this);
    this.unlisten = listen([
      [window, "online", this.wake],
      [window, "offline", this.networkLost],
      [window, "pageshow", this.wake],
      [window, "storage", this.prefsElsewhere],
      [window, "keydown", this.pageKey],
      [document, "visibilitychange", this.wake],
    ]);
    void this.boot();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.resizing.disconnect();
    this.unlisten();
    this.notices.set(false);
    clearInterval(this.ticker);
    clearTimeout(this.askAgain);
    this.flusher.stop();
    this.toasts.stop();
    this.controller?.stop();
    this.controller = null;
  }

  private async boot(): Promise<void> {
    const { controller, auth } = connect({
      base: this.base(),
      transport: this.transport,
      locale: () => this.language(),
      // Moved to another place in the document, it stays where the reader was.
      sessionKey: this.hasUpdated ? this.state.current : this.sessionKey,
      storage: this.storage,
    });
    this.auth = auth;
    this.controller = controller;
    this.state = controller.state;
    controller.onChange = () => this.flusher.request();
    controller.onSendFailed = (key, error) => {
      if (key === this.state.current) this.find("clawdbot-composer")?.reload();
      this.tell(sendFailedNote(translator(this.language()), error));
    };
    controller.onStopped = (any) =>
      this.tell({ text: translator(this.language())(any ? "end.stopped" : "stop.nothing") });
    controller.onReply = (event) => this.replied(event);
    controller.onSessionEvent = (event) => this.sessionEvent(event);
    const [session] = await Promise.all([this.transport ? null : auth.session(), loadTexts(this.language())]);
    if (this.controller !== controller) return; // taken out of the document meanwhile
    this.booted = true;
    this.standalone = session?.mount === "standalone";
    if (session && !session.authenticated) this.login = session;
    else controller.start();
  }

  private readonly wake = (): void => {
    if (!document.hidden) this.controller?.client.wake();
  };

  private readonly networkLost = (): void => this.controller?.client.networkLost();

  private readonly pageKey = (event: KeyboardEvent): void => {
    if (this.ui && this.mode === "page" && !this.login && !this.inert) pageKeys(this.ui, event);
  };

  private readonly prefsElsewhere = (event: StorageEvent): void => {
    if (event.key === PREFS_KEY) this.prefs = loadPrefs(this.storage);
  };

  // -- state --------------------------------------------------------------------------------------------------------
  private draw(): void {
    const { controller } = this;
    if (!controller) return;
    const before = this.state;
    const state = controller.state;
    this.state = state;
    if (state.connection.status === "unauthorized" && before.connection.status !== "unauthorized") void this.askLogin();
    if (state.connection.status === "open") this.login = null; // another chat of this page may have logged in
    if (state.current !== before.current)
      this.dispatchEvent(new CustomEvent("clawdbot-session", { detail: { key: state.current } }));
    this.said = (this.ui && spoken(this.ui.t, before, state)) ?? this.said;
    const { connection } = state;
    const counts =
      connection.status === "waiting" || (connection.status === "open" && connection.quietSince !== undefined);
    if (counts) this.ticker ??= setInterval(() => this.requestUpdate(), 1_000);
    else {
      clearInterval(this.ticker);
      this.ticker = undefined;
    }
  }

  private async askLogin(): Promise<void> {
    const session = await this.auth.session("POST");
    // The page is let in and the socket is not: a contradiction that time may solve, but no reason to hurry.
    // Nor is there a way to log in while the gateway does not give its part of the page.
    if (session?.authenticated || !(await loadElement("clawdbot-login")))
      this.askAgain = setTimeout(() => this.controller?.client.start(), ASK_AGAIN_MS);
    else this.login = session ?? { authenticated: false, modes: ["token"], mount: "standalone" };
  }

  private tell(note: Toast | null): void {
    if (note) this.toasts.add(note);
  }

  private sessionEvent(event: SessionChangedEvent): void {
    const note = this.ui && this.news.note(this.ui, event);
    if (note) this.sessionNoteAt = performance.now();
    this.tell(note);
  }

  private replied(event: ChatEvent): void {
    // `/clear` and `/reset` are told by what they did to the session.
    const told = performance.now() - this.sessionNoteAt < SAME_NEWS_MS;
    if (event.sessionKey === this.state.current && !told) this.tell(commandNote(event));
    if (this.ui) this.notices.replied(this.ui, event);
  }

  /** The language to speak: the wished one as soon as its texts are here. */
  private language(): Locale {
    const wished = pickLocale(this.prefs.locale || this.locale, navigator.languages);
    if (hasTexts(wished)) return wished;
    void loadTexts(wished).then(() => this.requestUpdate());
    const other = wished === "en" ? "ko" : "en";
    return hasTexts(other) ? other : wished;
  }

  // -- what the parts are given -------------------------------------------------------------------------------------
  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!this.controller) return;
    this.notices.set(this.prefs.notify);
    if (changed.has("sessionKey") && this.hasUpdated && this.sessionKey !== "") this.controller.select(this.sessionKey);
    const locale = this.language();
    const { ui, prefs, mode, codeActions } = this;
    const same = ui?.locale === locale && ui.prefs === prefs && ui.mode === mode && ui.codeActions === codeActions;
    if (!same || ui.controller !== this.controller) {
      this.ui = this.makeUi(this.controller, locale);
      if (ui && ui.locale !== locale && this.state.connection.status === "open") this.controller.client.reopen();
    }
  }

  private base(): string {
    return new URL(this.baseUrl || ".", document.baseURI).href;
  }

  private makeUi(controller: Controller, locale: Locale): Ui {
    const t = translator(locale);
    return {
      controller,
      t,
      locale,
      prefs: this.prefs,
      mode: this.mode,
      base: this.base(),
      http: this.transport === undefined || this.baseUrl !== "",
      setPrefs: (change) => {
        this.prefs = { ...this.prefs, ...change };
        savePrefs(this.storage, this.prefs);
      },
      toast: (toast: Toast) => this.toasts.add(toast),
      announce: (text) => (this.said = text),
      attempt: (work) => attempt(work, t, (note) => this.toasts.add(note)),
      part: (name) => this.fetchPart(name),
      openSettings: (at) => {
        this.drawer = false;
        void this.fetchPart("clawdbot-settings").then((settings) => settings?.open(at));
      },
      canLogOut: () => this.transport === undefined && this.state.hello?.auth?.via !== "jupyter",
      logOut: () => void this.logOut(),
      codeActions: this.codeActions,
      compose: (text) => {
        this.find("clawdbot-composer")?.write(text);
        this.find("clawdbot-composer")?.focus();
      },
    };
  }

  // -- drawing ------------------------------------------------------------------------------------------------------
  protected override render(): TemplateResult {
    const { ui } = this;
    // A guest looks like its home, which may be told what its scheme is.
    const own = this.prefs.theme !== "system" && (this.mode === "page" || this.theme === "system");
    const scheme = own ? this.prefs.theme : this.theme;
    return html`<div
      class="app"
      lang=${this.language()}
      data-theme=${scheme}
      data-font=${this.prefs.fontSize}
      data-width=${this.prefs.width}
      data-contrast=${this.prefs.contrast}
      ?data-narrow=${this.narrow}
      @keydown=${this.keydown}
      @clawdbot-edit=${(event: CustomEvent<{ messageId: string }>) =>
        this.find("clawdbot-composer")?.edit(event.detail.messageId)}
    >
      ${!ui || !this.booted ? nothing : this.login ? this.loginView(ui, this.login) : this.chatView(ui)}
    </div>`;
  }

  private loginView(ui: Ui, session: AuthSession): TemplateResult {
    void loadElement("clawdbot-login");
    return html`<main class="login">
      <clawdbot-login
        .session=${session}
        .auth=${this.auth}
        .t=${ui.t}
        ?linkExpired=${this.linkExpired}
        .onLoggedIn=${() => {
          this.login = null;
          this.linkExpired = false;
          this.controller?.client.reopen();
          void this.focusComposer();
        }}
      ></clawdbot-login>
    </main>`;
  }

  private chatView(ui: Ui): TemplateResult {
    const { state, narrow, drawer } = this;
    const { t, controller } = ui;
    const view = currentView(state);
    const online = state.connection.status === "open";
    const modal = narrow && drawer;
    return html`
      <clawdbot-sidebar
        id="sidebar"
        role="navigation"
        aria-label=${t("sessions.label")}
        .onSkip=${() => this.find("clawdbot-composer")?.focus()}
        .state=${state}
        .ui=${ui}
        ?data-open=${drawer}
        ?inert=${narrow && !drawer}
        .onChosen=${() => this.closeDrawer("composer")}
        .onFound=${this.openHit}
        .onAction=${this.sessionAction}
      ></clawdbot-sidebar>
      ${modal ? html`<div class="scrim" @click=${() => this.closeDrawer("button")}></div>` : nothing}
      <main class="main" ?inert=${modal}>
        ${header(ui, state, { openDrawer: this.openDrawer, startNew: () => void controller.newSession() })}
        ${banner(ui, state.connection, Date.now())}
        <clawdbot-transcript
          .view=${view}
          .ui=${ui}
          .empty=${greeting(ui, state, (prompt) => {
            if (online) controller.send(prompt);
            ui.compose(online ? "" : prompt);
          })}
        ></clawdbot-transcript>
        <p class="sr" role="status">${this.said}</p>
        <div class="dock">
          ${this.approvals(ui)} ${this.toasts.render(t("action.close"))}
          <clawdbot-composer
            .view=${view}
            .ui=${ui}
            .commands=${state.commands}
            .online=${online}
            .contexts=${this.contexts}
            .onSend=${() => this.find("clawdbot-transcript")?.toEnd()}
          ></clawdbot-composer>
        </div>
      </main>
      <div class="parts"></div>
    `;
  }

  private approvals(ui: Ui): TemplateResult | typeof nothing {
    const { approvals, current } = this.state;
    if (approvals.length > 0) void loadElement("clawdbot-approvals");
    return html`<clawdbot-approvals .ui=${ui} .list=${approvals} .current=${current}></clawdbot-approvals>`;
  }

  protected override updated(): void {
    const { ui, state } = this;
    if (!ui) return;
    this.parts.update();
    const status = statusOf(ui, state, this.login !== null, this.standalone);
    const told = JSON.stringify(status);
    if (told === this.status) return;
    this.status = told;
    this.dispatchEvent(new CustomEvent<ChatStatus>("clawdbot-status", { detail: status }));
  }

  // -- acts ---------------------------------------------------------------------------------------------------------
  private readonly sessionAction = (action: SessionAction, key: string): void => {
    const { ui } = this;
    if (!ui) return;
    import("./lazy-session-actions.js").then(
      ({ runAction }) => runAction(ui, this.news.own, action, key),
      () => this.tell({ text: ui.t("part.failed"), kind: "error" }),
    );
  };

  /** Show a message that was found, in its place; one of an earlier conversation apart from the present one. */
  private readonly openHit = (hit: SearchHit, title: string): void => {
    if (!hit.archived) return void this.goTo(hit);
    void this.fetchPart("clawdbot-reader").then((reader) => reader?.open({ ...hit, key: hit.sessionKey, title }));
  };

  private async goTo(hit: SearchHit): Promise<void> {
    const transcript = this.find("clawdbot-transcript");
    this.drawer = false;
    transcript?.reveal({ key: hit.sessionKey, id: hit.messageId });
    if (await this.controller?.reach(hit)) return;
    transcript?.reveal(null);
    this.tell({ text: translator(this.language())("search.gone") });
  }

  private async logOut(): Promise<void> {
    await this.ui?.attempt(this.auth.logout());
    this.controller?.stop();
    this.login = (await this.auth.session()) ?? { authenticated: false, modes: ["token"], mount: "standalone" };
  }

  private readonly openDrawer = (): void => {
    this.drawer = true;
    void this.updateComplete.then(() =>
      this.renderRoot.querySelector<HTMLElement>("clawdbot-sidebar .new-chat")?.focus(),
    );
  };

  private closeDrawer(focus: "composer" | "button"): void {
    const wasOpen = this.drawer && this.narrow;
    this.drawer = false;
    void this.updateComplete.then(() => {
      if (focus === "composer") this.find("clawdbot-composer")?.focus();
      else if (wasOpen) this.renderRoot.querySelector<HTMLElement>("#open-drawer")?.focus();
    });
  }

  /** Esc closes what is open; if nothing is, it stops the reply. */
  private keydown(event: KeyboardEvent): void {
    if ((event.ctrlKey || event.metaKey) && event.code === "KeyF" && !event.shiftKey && !event.altKey) {
      // The browser's own search sees only what is near; pressed again in the find bar, it is wanted all the same.
      if (this.login || (event.composedPath()[0] as Element).closest(".find")) return;
      event.preventDefault();
      this.find("clawdbot-transcript")?.find();
      return;
    }
    if (event.key !== "Escape" || event.defaultPrevented || isComposingKey(event)) return;
    if (this.renderRoot.querySelector("dialog[open], :popover-open")) return;
    if (this.drawer && this.narrow) this.closeDrawer("button");
    else if (this.ui && currentView(this.state).live) void this.ui.attempt(this.ui.controller.abort());
    else return;
    event.stopPropagation();
  }

  private async fetchPart<K extends LazyTag>(name: K): Promise<HTMLElementTagNameMap[K] | null> {
    const part = await this.parts.get(name);
    if (!part) this.tell({ text: translator(this.language())("part.failed"), kind: "error" });
    return part;
  }

  private find<K extends keyof HTMLElementTagNameMap>(name: K): HTMLElementTagNameMap[K] | null {
    return this.renderRoot.querySelector(name);
  }
}
