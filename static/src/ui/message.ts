/** `<clawdbot-message>`: one turn of the transcript, from unsent to stored, from first token to final reply. */
import { html, nothing } from "lit";
import type { PropertyValues, TemplateResult } from "lit";

import { textOf, thinkingOf } from "../core/messages.js";
import type { Message } from "../core/protocol.js";
import type { Live, Pending, Thought } from "../core/state.js";
import { need } from "../parts.js";

import { copyText } from "./copy.js";
import type { Ui } from "./context.js";
import { clock, count, fullTime, money, secondsUntil } from "./format.js";
import { icon } from "./icons.js";
import { LightElement } from "./light.js";
import { MarkdownView } from "./markdown-view.js";

/** One row of the transcript. */
export interface Row {
  /** Stable for as long as the turn lives. */
  key: string;
  message?: Message;
  live?: Live;
  pending?: Pending;
  /** The thinking before the reply, if this page saw it. */
  thought?: Thought;
  /** The text to send again when this (last) reply failed. */
  retryText?: string;
}

export class ClawdbotMessage extends LightElement {
  static override properties = { row: { attribute: false }, ui: { attribute: false }, copied: { state: true } };

  declare row: Row;
  declare ui: Ui;
  declare private copied: boolean;
  private ticker: ReturnType<typeof setInterval> | undefined;

  constructor() {
    super();
    this.copied = false;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearInterval(this.ticker);
    this.ticker = undefined;
  }

  protected override shouldUpdate(changed: PropertyValues<this>): boolean {
    const before = changed.get("row");
    return changed.size > 1 || !before || !sameRow(before, this.row);
  }

  protected override render(): TemplateResult {
    const { message, pending, live } = this.row;
    if (pending) return this.user(pending.text, pending.createdAt, true);
    if (live) return this.assistantLive(live);
    if (message?.role === "user") return this.user(textOf(message), message.timestamp, false);
    return message ? this.assistant(message) : html``;
  }

  protected override updated(): void {
    const { live, message } = this.row;
    const text = live ? live.text : message && message.role !== "user" ? textOf(message) : "";
    const view = this.querySelector<MarkdownView>(".reply > clawdbot-markdown");
    view?.show(text, live !== undefined);
    const thinking = live ? live.thinking : this.thinkingText();
    this.querySelector<MarkdownView>(".thinking clawdbot-markdown")?.show(thinking, live !== undefined);
    const ticks = live !== undefined && (live.retry !== undefined || (live.thinking !== "" && live.text === ""));
    if (ticks) {
      this.ticker ??= setInterval(() => this.requestUpdate("copied", null), 1_000);
    } else {
      clearInterval(this.ticker);
      this.ticker = undefined;
    }
  }

  private user(text: string, at: number, unsent: boolean): TemplateResult {
    const { t, locale } = this.ui;
    return html`<article class="turn user" ?data-unsent=${unsent}>
      <h2 class="sr">${t("turn.you", { time: clock(at, locale) })}</h2>
      <div class="bubble" dir="auto">${text}</div>
      <div class="meta">
        ${unsent ? html`<span>${t("turn.sending")}</span>` : html`${this.time(at)}${this.copyButton(text)}`}
      </div>
    </article>`;
  }

  private assistantLive(live: Live): TemplateResult {
    const { t } = this.ui;
    const silent = live.text === "" && live.thinking === "";
    const seconds = Math.max(1, Math.round(((live.textAt ?? Date.now()) - live.startedAt) / 1_000));
    const summary = live.text === "" ? t("thinking.now", { seconds }) : t("thinking.done", { seconds });
    return html`<article class="turn assistant" aria-busy="true">
      <h2 class="sr">${t("turn.assistantNow")}</h2>
      ${live.thinking === "" ? nothing : this.thinking(summary, live.text === "")}
      <div class="reply streaming"><clawdbot-markdown .labels=${this.labels()}></clawdbot-markdown></div>
      ${silent && !live.retry ? html`<div class="dots" role="img" aria-label=${t("status.answering")}><i></i><i></i><i></i></div>` : nothing}
      ${
        live.retry
          ? html`<p class="notice">
              ${icon("retry")}
              ${t("retry.notice", {
                attempt: live.retry.attempt,
                max: live.retry.maxAttempts,
                seconds: secondsUntil(live.retry.at, Date.now()),
              })}
            </p>`
          : nothing
      }
    </article>`;
  }

  private assistant(message: Message): TemplateResult {
    const { t, locale } = this.ui;
    const text = textOf(message);
    const name = t("turn.assistant", { time: clock(message.timestamp, locale) });
    if (message.command) {
      return html`<article class="turn command">
        <h2 class="sr">${name}</h2>
        <div class="card">
          <div class="card-title"><code>${message.command}</code></div>
          <div class="reply"><clawdbot-markdown .labels=${this.labels()}></clawdbot-markdown></div>
        </div>
      </article>`;
    }
    const { thought } = this.row;
    const summary = thought
      ? t("thinking.done", { seconds: Math.max(1, Math.round(thought.ms / 1_000)) })
      : t("thinking.was");
    return html`<article class="turn assistant">
      <h2 class="sr">${name}</h2>
      ${message.label ? html`<p class="label">${message.label}</p>` : nothing}
      ${this.thinkingText() === "" ? nothing : this.thinking(summary, false)}
      <div class="reply"><clawdbot-markdown .labels=${this.labels()}></clawdbot-markdown></div>
      ${this.ending(message)}
      <div class="meta">
        ${text ? this.copyButton(text) : nothing}${this.time(message.timestamp)}${this.usage(message)}
      </div>
    </article>`;
  }

  private thinkingText(): string {
    const { message, thought } = this.row;
    return (message ? thinkingOf(message) : "") || (thought?.text ?? "");
  }

  /** How it ended, if not well. */
  private ending(message: Message): TemplateResult | typeof nothing {
    const { t } = this.ui;
    switch (message.stopReason) {
      case "error":
        void need("clawdbot-error");
        return html`<clawdbot-error
          .ui=${this.ui}
          .message=${message}
          .retryText=${this.row.retryText}
        ></clawdbot-error>`;
      case "aborted":
        return html`<p class="mark">${icon("stop")} ${t("end.stopped")}</p>`;
      case "interrupted":
        return html`<p class="mark warn">${icon("warn")} ${t("end.interrupted")} ${this.again()}</p>`;
      case "length":
        return html`<p class="mark warn">${icon("warn")} ${t("end.length")}</p>`;
      default:
        return nothing;
    }
  }

  private again(): TemplateResult | typeof nothing {
    const { retryText } = this.row;
    if (retryText === undefined) return nothing;
    return html`<button type="button" class="link" @click=${() => this.ui.controller.send(retryText)}>
      ${this.ui.t("action.retry")}
    </button>`;
  }

  private thinking(summary: string, running: boolean): TemplateResult {
    return html`<details class="thinking" ?data-running=${running}>
      <summary>${icon("chevron")}<span>${summary}</span></summary>
      <clawdbot-markdown .labels=${this.labels()}></clawdbot-markdown>
    </details>`;
  }

  private time(at: number): TemplateResult {
    const { locale } = this.ui;
    return html`<time datetime=${new Date(at).toISOString()} title=${fullTime(at, locale)}>${clock(at, locale)}</time>`;
  }

  private copyButton(text: string): TemplateResult {
    const { t } = this.ui;
    const label = this.copied ? t("action.copied") : t("action.copy");
    const copy = async (): Promise<void> => {
      if (!(await copyText(text))) return;
      this.copied = true;
      this.ui.announce(t("action.copied"));
      setTimeout(() => (this.copied = false), 1_500);
    };
    return html`<button type="button" class="icon-button small" aria-label=${label} title=${label} @click=${copy}>
      ${icon(this.copied ? "check" : "copy")}
    </button>`;
  }

  /** Model, tokens and cost, behind one small word. */
  private usage(message: Message): TemplateResult | typeof nothing {
    const { t, locale } = this.ui;
    const { usage, model } = message;
    if (!model || message.stopReason === "injected") return nothing;
    const input = (usage?.input ?? 0) + (usage?.cacheRead ?? 0) + (usage?.cacheWrite ?? 0);
    const cost = usage?.cost?.total ?? 0;
    const facts = [
      t("usage.tokens", { input: count(input, locale), output: count(usage?.output ?? 0, locale) }),
      ...(cost > 0 ? [money(cost, locale)] : []),
    ];
    return html`<details class="usage">
      <summary>${message.demo ? t("usage.demo") : model}</summary>
      <span>${facts.join(" · ")}</span>
    </details>`;
  }

  private labels(): MarkdownView["labels"] {
    const { t } = this.ui;
    return { copy: t("action.copy"), copied: t("action.copied"), code: t("code.label") };
  }
}

function sameRow(a: Row, b: Row): boolean {
  return (
    a.key === b.key &&
    a.message === b.message &&
    a.live === b.live &&
    a.pending === b.pending &&
    a.thought === b.thought &&
    a.retryText === b.retryText
  );
}
