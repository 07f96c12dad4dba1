/**
 * `<clawdbot-control-debug>`: calls of any method with its schema beside them, the events as they come, and how quickly
 * the gateway answers.
 */
import { html, nothing, unsafeCSS } from "lit";
import type { TemplateResult } from "lit";

import { RequestRefused } from "../../client/gateway-client.js";
import { addTexts } from "../../i18n/index.js";
import en from "../../i18n/control-debug.en.json";
import ko from "../../i18n/control-debug.ko.json";
import type { MethodName, ResultOf } from "../../protocol/types.js";
import debugText from "../styles/control-debug.css?inline";
import { copyButton, empty, stat, visible } from "./base/parts.js";
import { ControlTab } from "./base/tab.js";
import { EventBuffer } from "./event-buffer.js";
import type { KeptEvent } from "./event-buffer.js";

addTexts({ en, ko });

/** Longest text of an answer that is drawn; a copy has all of it. */
const SHOWN = 100_000;
/** Round trips of which the median is told. */
const TRIPS = 20;

interface Answer {
  method: string;
  ok: boolean;
  ms: number;
  text: string;
}

export class ControlDebug extends ControlTab {
  static override sheet = [...ControlTab.sheet, unsafeCSS(debugText)];
  static override properties = {
    method: { state: true },
    described: { state: true },
    answer: { state: true },
    wrong: { state: true },
    sought: { state: true },
    paused: { state: true },
    chosen: { state: true },
  };

  declare private method: string;
  declare private described: ResultOf<"protocol.describe"> | null;
  declare private answer: Answer | null;
  /** Why the parameters are none. */
  declare private wrong: string;
  declare private sought: string;
  declare private paused: boolean;
  declare private chosen: KeptEvent | null;

  // There is no event for how long something takes.
  protected override readonly pollMs = 2_000;

  private readonly stream = new EventBuffer();
  private trips: number[] = [];
  private lag = 0;
  private lagP99 = 0;
  private params = "{}";
  private calling = false;
  private frame = 0;

  constructor() {
    super();
    this.method = "health";
    this.described = null;
    this.answer = null;
    this.wrong = "";
    this.sought = "";
    this.paused = false;
    this.chosen = null;
  }

  protected override async load(): Promise<void> {
    const began = performance.now();
    const info = await this.request("gateway.info", {});
    this.trips = [...this.trips, performance.now() - began].slice(-TRIPS);
    this.lag = info.loopLagMs ?? 0;
    this.lagP99 = info.loopLagP99Ms ?? 0;
    if (this.described === null) await this.describe();
  }

  protected override addressChanged(query: URLSearchParams): void {
    const method = query.get("method");
    if (method === null || method === this.method) return;
    this.method = method;
    this.described = null;
    if (this.readAt > 0) void this.describe();
  }

  protected override onEvent(name: string, payload: unknown): void {
    if (this.paused || name === "") return;
    this.stream.add(name, payload, Date.now());
    // Once a frame: while an answer streams, there are hundreds of events a second.
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.requestUpdate();
    });
  }

  // -- calls --------------------------------------------------------------------------------------------------------
  private async describe(): Promise<void> {
    const { method } = this;
    try {
      const described = await this.request("protocol.describe", { method });
      if (method === this.method) this.described = described;
    } catch (error) {
      if (!(error instanceof RequestRefused)) throw error;
      this.described = null; // there is no such method: calling it says so
    }
  }

  private choose(method: string): void {
    this.control.setQuery({ method });
  }

  private async call(event: Event): Promise<void> {
    event.preventDefault();
    if (this.calling || !this.online) return;
    let params: unknown;
    try {
      params = JSON.parse(this.params.trim() === "" ? "{}" : this.params);
    } catch (error) {
      this.wrong = this.t("debug.notJson", { reason: error instanceof Error ? error.message : String(error) });
      return;
    }
    this.wrong = "";
    this.calling = true;
    this.requestUpdate();
    const { method } = this;
    const began = performance.now();
    try {
      // Any name and any parameters: what they must be, the gateway says.
      const result = await this.request(method as MethodName, params as never);
      this.told(method, true, began, result);
    } catch (error) {
      const facts =
        error instanceof RequestRefused
          ? { code: error.code, reason: error.reason, message: error.message }
          : { message: this.t("control.lost") };
      this.told(method, false, began, facts);
    }
    this.calling = false;
  }

  private told(method: string, ok: boolean, began: number, facts: unknown): void {
    const text = JSON.stringify(facts, null, 2) as string | undefined;
    this.answer = { method, ok, ms: performance.now() - began, text: visible(text ?? "null") };
  }

  // -- drawing ------------------------------------------------------------------------------------------------------
  protected override content(): TemplateResult {
    const { t, trips, locale } = this;
    const ms = (value: number): string =>
      new Intl.NumberFormat(locale, { style: "unit", unit: "millisecond", maximumFractionDigits: 1 }).format(value);
    const sorted = [...trips].sort((a, b) => a - b);
    return html`<div class="control-stats">
        ${stat(t("debug.trip"), ms(trips.at(-1) ?? 0), t("debug.median", { time: ms(sorted[sorted.length >> 1] ?? 0) }))}
        ${stat(t("debug.lag"), ms(this.lag), t("debug.p99", { time: ms(this.lagP99) }))}
      </div>
      ${this.caller(ms)} ${this.received()}`;
  }

  private caller(ms: (value: number) => string): TemplateResult {
    const { t, control, described, answer } = this;
    const methods = control.ui.controller.state.hello?.features?.methods ?? [];
    return html`<section class="control-section">
      <h2>${t("debug.call")}</h2>
      <div class="debug-call">
        <form @submit=${this.call}>
          <label for="debug-method">${t("debug.method")}</label>
          <input
            id="debug-method"
            list="debug-methods"
            autocomplete="off"
            spellcheck="false"
            .value=${this.method}
            @change=${(event: Event) => this.choose((event.target as HTMLInputElement).value.trim())}
          />
          <datalist id="debug-methods">${methods.map((name) => html`<option value=${name}></option>`)}</datalist>
          <label for="debug-params">${t("debug.params")}</label>
          <textarea
            id="debug-params"
            rows="7"
            spellcheck="false"
            aria-invalid=${this.wrong === "" ? "false" : "true"}
            aria-describedby="debug-problem"
            .value=${this.params}
            @input=${(event: Event) => (this.params = (event.target as HTMLTextAreaElement).value)}
          ></textarea>
          <p id="debug-problem" role="alert">${this.wrong}</p>
          <button type="submit" class="button primary" ?disabled=${!this.online || this.calling}>
            ${t("debug.send")}
          </button>
        </form>
        <section class="debug-schema" aria-label=${t("debug.schema")}>
          ${
            described
              ? html`<p>${described.help}</p>
                  <p class="fine">${described.scope}${described.ours ? ` · ${t("debug.ours")}` : ""}</p>
                  <pre tabindex="0" aria-label=${t("debug.schema")}>${JSON.stringify(described.params, null, 2)}</pre>`
              : html`<p class="fine">${t("debug.noSchema")}</p>`
          }
        </section>
      </div>
      <div class="debug-answer" role="status">
        ${
          answer
            ? html`<h3>
                  ${t(answer.ok ? "debug.answered" : "debug.refused", { method: answer.method, time: ms(answer.ms) })}
                  ${copyButton(control.ui, answer.text, t("debug.copyAnswer"))}
                </h3>
                <pre tabindex="0">${answer.text.slice(0, SHOWN)}${answer.text.length > SHOWN ? "\n…" : ""}</pre>`
            : nothing
        }
      </div>
    </section>`;
  }

  private received(): TemplateResult {
    const { t, stream, chosen, locale } = this;
    const found = stream.find(this.sought);
    return html`<section class="control-section">
      <h2>${t("debug.events")}</h2>
      <div class="control-bar">
        <input
          type="search"
          placeholder=${t("debug.filter")}
          aria-label=${t("debug.filter")}
          .value=${this.sought}
          @input=${(event: Event) => (this.sought = (event.target as HTMLInputElement).value)}
        />
        <button
          type="button"
          class="button"
          aria-pressed=${this.paused ? "true" : "false"}
          @click=${() => (this.paused = !this.paused)}
        >
          ${t(this.paused ? "control.continue" : "control.pause")}
        </button>
        <button
          type="button"
          class="button"
          @click=${() => {
            stream.clear();
            this.chosen = null;
            this.requestUpdate();
          }}
        >
          ${t("debug.clear")}
        </button>
        <span class="fine">${t("debug.count", { count: found.length })}</span>
      </div>
      ${
        found.length === 0
          ? empty(t("debug.noEvents"))
          : html`<ul class="debug-events">
              ${found
                .slice(-100)
                .reverse()
                .map(
                  (each) =>
                    html`<li>
                      <button
                        type="button"
                        aria-expanded=${each === chosen ? "true" : "false"}
                        @click=${() => (this.chosen = each === chosen ? null : each)}
                      >
                        <time>${new Date(each.at).toLocaleTimeString(locale)}</time> <b>${each.name}</b>
                        <span>${each.text.slice(0, 200)}</span>
                      </button>
                      ${each === chosen ? html`<pre tabindex="0">${each.pretty}</pre>` : nothing}
                    </li>`,
                )}
            </ul>`
      }
    </section>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-control-debug": ControlDebug;
  }
}
