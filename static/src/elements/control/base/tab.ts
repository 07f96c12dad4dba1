/**
 * The base of a tab of the Control UI: it reads when it is first shown, again when an event says that something changed,
 * and not at all while it is hidden. While the gateway is away it shows what it read last, and since when that holds.
 */
import { html, nothing, unsafeCSS } from "lit";
import type { CSSResult, PropertyDeclarations, PropertyValues, TemplateResult } from "lit";

import { RequestRefused } from "../../../client/gateway-client.js";
import type { MethodName, ParamsOf, ResultOf } from "../../../protocol/types.js";
import type { Locale, Translate } from "../../../i18n/index.js";
import { ago, clock } from "../../base/format.js";
import { icon } from "../../base/icons.js";
import { LightElement } from "../../base/light-element.js";
import type { Ui } from "../../base/ui-context.js";
import segmentsText from "../../styles/segments.css?inline";
import tabText from "../../styles/control-tab.css?inline";
import type { TabAddress } from "../address.js";

export interface Question {
  title: string;
  text?: string;
  /** What the button says that goes ahead. */
  action: string;
  danger?: boolean;
}

/** What a tab is given; a new object whenever something in it changes. */
export interface Control {
  /** As the chat has it; notes and lazy parts of a tab appear in the shell. */
  ui: Ui;
  /** The gateway can be asked now; else a tab is read-only. */
  online: boolean;
  address: TabAddress;
  /** Write the part after `?` of the tab's address; empty values are left out. No new entry in the history. */
  setQuery(query: Record<string, string>): void;
  href(tab: string, query?: Record<string, string>): string;
  /** Show a session in the chat. */
  openSession(key: string): void;
  confirm(question: Question): Promise<boolean>;
}

/** Events of one kind that come together are one reason to read again, in milliseconds. */
const COALESCE_MS = 250;
const AGE_TICK_MS = 10_000;

export abstract class ControlTab extends LightElement {
  static override sheet: readonly CSSResult[] = [unsafeCSS(segmentsText + tabText)];
  static override properties: PropertyDeclarations = {
    control: { attribute: false },
    active: { type: Boolean },
    problem: { state: true },
    readAt: { state: true },
  };

  declare control: Control;
  /** The tab is on show, though the page may be in the background. */
  declare active: boolean;
  /** Why the last reading failed. */
  declare private problem: string | null;
  /** When what is shown was read; 0: not yet. */
  declare protected readAt: number;

  /** Events after which `load` is due again. */
  protected readonly events: readonly string[] = [];
  /** Milliseconds between readings where no event tells; 0: none. */
  protected readonly pollMs: number = 0;

  private due = true;
  private reading: Promise<void> | null = null;
  private again: ReturnType<typeof setTimeout> | undefined;
  private polling: ReturnType<typeof setInterval> | undefined;
  private aging: ReturnType<typeof setInterval> | undefined;
  private watched: Ui["controller"] | null = null;
  private query = "";

  constructor() {
    super();
    this.active = false;
    this.problem = null;
    this.readAt = 0;
  }

  /** Ask the gateway for all that is shown. A failure is drawn by the base. */
  protected abstract load(): Promise<void>;
  /** The tab's content, once `load` has succeeded. */
  protected abstract content(): TemplateResult;
  /** Is what is shown another after this event? By default after those that `events` names. */
  protected matters(name: string, _payload: unknown): boolean {
    return this.events.includes(name);
  }
  /** Told each event of the gateway while the tab is visible; an empty name: some may be lost. */
  protected onEvent(_name: string, _payload: unknown): void {
    // Most tabs read again, which `events` says.
  }
  /** The part after `?` of the tab's address is another one. */
  protected addressChanged(_query: URLSearchParams): void {
    // Most tabs have no such part.
  }
  /** The tab appears (again) or goes. */
  protected shown(_visible: boolean): void {
    // For tabs that keep something running.
  }

  // -- for the tabs -------------------------------------------------------------------------------------------------
  protected get t(): Translate {
    return this.control.ui.t;
  }

  protected get locale(): Locale {
    return this.control.ui.locale;
  }

  protected get online(): boolean {
    return this.control.online;
  }

  protected can(method: MethodName): boolean {
    return this.control.ui.controller.can(method);
  }

  protected request<M extends MethodName>(method: M, params: ParamsOf<M>): Promise<ResultOf<M>> {
    return this.control.ui.controller.client.request(method, params);
  }

  /** Run something that asks the gateway; a failure becomes a note. */
  protected attempt(work: Promise<unknown>): Promise<boolean> {
    return this.control.ui.attempt(work);
  }

  /** Read again, at once if the tab is visible, else when it is. */
  protected reload(): Promise<void> {
    this.due = true;
    return this.readIfDue();
  }

  protected get visible(): boolean {
    return this.active && !document.hidden;
  }

  // -- life ---------------------------------------------------------------------------------------------------------
  override connectedCallback(): void {
    super.connectedCallback();
    document.addEventListener("visibilitychange", this.visibility);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    document.removeEventListener("visibilitychange", this.visibility);
    this.watched?.watchers.delete(this.watch);
    this.watched = null;
    this.pause();
  }

  private readonly visibility = (): void => this.appear();

  private appear(): void {
    this.shown(this.visible);
    if (!this.visible) {
      this.pause();
      return;
    }
    if (this.pollMs > 0) this.polling ??= setInterval(() => void this.reload(), this.pollMs);
    void this.readIfDue();
  }

  private pause(): void {
    clearTimeout(this.again);
    clearInterval(this.polling);
    clearInterval(this.aging);
    this.polling = this.aging = this.again = undefined;
  }

  private readonly watch = (name: string, payload?: unknown): void => {
    if (this.visible) this.onEvent(name, payload);
    if (name !== "" && !this.matters(name, payload)) return;
    this.due = true;
    if (this.visible)
      this.again ??= setTimeout(() => {
        this.again = undefined;
        void this.readIfDue();
      }, COALESCE_MS);
  };

  private async readIfDue(): Promise<void> {
    while (this.due && this.visible && this.control.online) {
      if (this.reading) {
        await this.reading;
        continue;
      }
      this.due = false;
      this.reading = this.read();
      await this.reading;
      this.reading = null;
    }
  }

  private async read(): Promise<void> {
    try {
      await this.load();
      this.problem = null;
      this.readAt = Date.now();
    } catch (error) {
      if (error instanceof RequestRefused) this.problem = error.message;
      else if (this.control.online) this.problem = this.t("control.lost");
      else this.due = true; // read again with the next connection
    }
    this.requestUpdate();
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    const { controller } = this.control.ui;
    if (this.watched !== controller) {
      this.watched?.watchers.delete(this.watch);
      controller.watchers.add(this.watch);
      this.watched = controller;
    }
    const query = this.active ? this.control.address.query.toString() : this.query;
    if (query !== this.query || !this.hasUpdated) {
      this.query = query;
      this.addressChanged(this.control.address.query);
    }
    if (changed.has("active") || (changed.has("control") && this.control.online)) queueMicrotask(() => this.appear());
    if (this.control.online) {
      clearInterval(this.aging);
      this.aging = undefined;
    } else this.aging ??= setInterval(() => this.requestUpdate(), AGE_TICK_MS);
  }

  // -- drawing ------------------------------------------------------------------------------------------------------
  protected override render(): TemplateResult {
    const { t } = this;
    return html`${this.online ? nothing : this.away()}
    ${
      this.problem === null
        ? nothing
        : html`<div class="control-problem" role="alert">
            <p>${icon("warn")} ${t("control.failed", { reason: this.problem })}</p>
            <button type="button" class="button" @click=${() => void this.reload()}>
              ${icon("retry")} ${t("control.retry")}
            </button>
          </div>`
    }
    ${
      this.readAt > 0
        ? this.content()
        : this.problem === null
          ? html`<p class="none" role="status">${t(this.online ? "control.loading" : "control.waiting")}</p>`
          : nothing
    }`;
  }

  private away(): TemplateResult {
    const { t } = this;
    const { readAt, locale } = this;
    const time = clock(readAt, locale);
    return html`<div class="control-away" role="status">
      <p>
        ${icon("warn")}
        ${readAt > 0 ? t("control.away", { time, age: ago(readAt, Date.now(), locale) }) : t("control.awayEmpty")}
      </p>
      <button type="button" class="button" @click=${() => this.control.ui.controller.client.wake()}>
        ${t("control.retry")}
      </button>
    </div>`;
  }
}
