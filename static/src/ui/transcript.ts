/** `<clawdbot-transcript>`: the turns of one session, older pages on demand, at the end for as long as the reader is. */
import { html, nothing } from "lit";
import type { PropertyValues, TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";

import { rowKey, textOf } from "../core/messages.js";
import type { Message } from "../core/protocol.js";
import type { View } from "../core/state.js";

import type { Ui } from "./context.js";
import { Follow } from "./follow.js";
import { dayName, dayOf } from "./format.js";
import { icon } from "./icons.js";
import { LightElement } from "./light.js";
import type { Row } from "./message.js";

/** How long a message that was looked for is marked, in milliseconds. */
const FOUND_MS = 2_500;

/** The rows of a view: stored turns, then what is on its way. Sends that wait behind a running reply are not rows. */
export function rowsOf(view: View): Row[] {
  const rows: Row[] = [];
  let asked: string | undefined;
  const turns = view.messages.filter((message) => message.role !== "toolResult");
  turns.forEach((message, index) => {
    if (message.role === "user") asked = textOf(message);
    const last = index === turns.length - 1 && view.live === null;
    const thought = message.runId === undefined ? undefined : view.thoughts[message.runId];
    rows.push({
      key: rowKey(message.role, message.runId, message.id),
      message,
      ...(thought && message.role === "assistant" ? { thought } : {}),
      ...(last && asked !== undefined && message.role === "assistant" ? { retryText: asked } : {}),
    });
  });
  const { live } = view;
  for (const pending of view.pending) {
    if (live === null || live.runId === pending.runId) rows.push({ key: rowKey("user", pending.runId, ""), pending });
  }
  if (live) rows.push({ key: rowKey("assistant", live.runId, ""), live });
  return unique(rows);
}

/** A run with several replies would give two rows one key: later ones go by their id. */
function unique(rows: Row[]): Row[] {
  const seen = new Set<string>();
  return rows.map((row) => {
    const key = seen.has(row.key) ? `${row.key}:${row.message?.id ?? "live"}` : row.key;
    seen.add(key);
    return key === row.key ? row : { ...row, key };
  });
}

function timeOf(row: Row): number {
  return row.message?.timestamp ?? row.pending?.createdAt ?? row.live?.startedAt ?? 0;
}

export class ClawdbotTranscript extends LightElement {
  static override properties = {
    view: { attribute: false },
    ui: { attribute: false },
    empty: { attribute: false },
    missed: { state: true },
    following: { state: true },
  };

  declare view: View;
  declare ui: Ui;
  /** What to show where there is nothing yet. */
  declare empty: TemplateResult;
  declare private missed: number;
  declare private following: boolean;

  private follow: Follow | null = null;
  private older: IntersectionObserver | null = null;
  private anchor: { height: number; top: number } | null = null;
  private rows: Row[] = [];
  /** The message to show as soon as it is there. */
  private wanted: { key: string; id: string } | null = null;

  constructor() {
    super();
    this.missed = 0;
    this.following = true;
  }

  /** Go to the end: the reader has just said something. */
  toEnd(): void {
    this.follow?.resume();
  }

  /** Show a message of a session in the middle and mark it for a moment, once it is loaded. */
  reveal(wanted: { key: string; id: string } | null): void {
    this.wanted = wanted;
    this.requestUpdate();
  }

  private async showWanted(): Promise<void> {
    const { wanted, view } = this;
    if (wanted?.key !== view.key) return;
    const at = this.rows.findIndex((row) => row.message?.id === wanted.id);
    const message = [...this.querySelectorAll("clawdbot-message")][at];
    await message?.updateComplete;
    const article = message?.querySelector<HTMLElement>("article");
    if (!article || this.wanted !== wanted) return;
    this.wanted = null;
    this.follow?.release();
    article.tabIndex = -1;
    article.focus({ preventScroll: true });
    article.scrollIntoView({ block: "center" });
    article.dataset.found = "";
    // What is above may get its height only when it comes near.
    requestAnimationFrame(() => article.scrollIntoView({ block: "center" }));
    setTimeout(() => delete article.dataset.found, FOUND_MS);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.follow?.stop();
    this.older?.disconnect();
    this.follow = this.older = null;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    if (this.hasUpdated) this.watch();
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has("view")) return;
    const before = changed.get("view");
    const rows = rowsOf(this.view);
    const switched = before?.key !== this.view.key || before.epoch !== this.view.epoch;
    if (switched) this.missed = 0;
    else if (!this.following && rows.at(-1)?.key !== this.rows.at(-1)?.key) this.missed += 1;
    const scroller = this.scroller();
    const prepended = !switched && scroller && this.rows[0] && rows[0]?.key !== this.rows[0].key;
    this.anchor = prepended ? { height: scroller.scrollHeight, top: scroller.scrollTop } : null;
    this.rows = rows;
  }

  protected override render(): TemplateResult {
    const { t } = this.ui;
    const { view } = this;
    const blank = this.rows.length === 0 && view.status === "ready";
    return html`
      <div
        class="scroller"
        tabindex="0"
        role="log"
        aria-live="off"
        aria-label=${t("transcript.label")}
        ?data-follow=${this.following}
      >
        <div class="column">
          ${
            view.hasMore
              ? html`<button
                  type="button"
                  class="older button"
                  ?disabled=${view.loadingOlder}
                  @click=${() => void this.ui.controller.loadOlder()}
                >
                  ${view.loadingOlder ? t("transcript.loading") : t("transcript.older")}
                </button>`
              : nothing
          }
          ${view.status === "loading" && this.rows.length === 0 ? html`<div class="skeleton" aria-hidden="true"><i></i><i></i><i></i></div>` : nothing}
          ${view.status === "failed" ? this.failed() : nothing} ${blank ? this.empty : nothing}
          ${repeat(
            this.rows,
            (row) => row.key,
            (row, index) => this.row(row, index),
          )}
        </div>
      </div>
      ${
        this.following
          ? nothing
          : html`<button type="button" class="to-end" @click=${() => this.toEnd()}>
              ${icon("down")} ${this.missed > 0 ? t("transcript.new", { count: this.missed }) : t("transcript.latest")}
            </button>`
      }
    `;
  }

  private row(row: Row, index: number): TemplateResult {
    const at = timeOf(row);
    const before = this.rows[index - 1];
    const newDay = !before || dayOf(timeOf(before)) !== dayOf(at);
    return html`${newDay ? html`<div class="day"><span>${dayName(at, Date.now(), this.ui.locale)}</span></div>` : nothing}
      <clawdbot-message .row=${row} .ui=${this.ui}></clawdbot-message>`;
  }

  private failed(): TemplateResult {
    const { t, controller } = this.ui;
    return html`<div class="card" role="alert">
      <p>${t("transcript.failed")}</p>
      <button type="button" class="button" @click=${() => void controller.loadHistory(this.view.key)}>
        ${t("action.retry")}
      </button>
    </div>`;
  }

  protected override firstUpdated(): void {
    this.watch();
  }

  protected override updated(changed: PropertyValues<this>): void {
    const scroller = this.scroller();
    if (!scroller) return;
    const before = changed.get("view");
    if (changed.has("view") && before?.key !== this.view.key) this.follow?.resume();
    else if (this.anchor) scroller.scrollTop = this.anchor.top + scroller.scrollHeight - this.anchor.height;
    this.anchor = null;
    const button = this.querySelector(".older");
    if (button && !this.view.loadingOlder) this.older?.observe(button);
    else this.older?.disconnect();
    if (this.wanted) void this.showWanted();
  }

  private watch(): void {
    const scroller = this.scroller();
    const column = this.querySelector<HTMLElement>(".column");
    if (!scroller || !column || this.follow) return;
    this.follow = new Follow(scroller, column, () => {
      this.following = this.follow?.following ?? true;
      if (this.following) this.missed = 0;
    });
    this.older = new IntersectionObserver(
      (entries) => {
        const near = entries.some((entry) => entry.isIntersecting);
        if (near && !this.following) void this.ui.controller.loadOlder();
      },
      { root: scroller, rootMargin: "200px 0px 0px 0px" },
    );
  }

  private scroller(): HTMLElement | null {
    return this.querySelector<HTMLElement>(".scroller");
  }
}

/** The newest message a person wrote in this session. */
export function lastOwnText(messages: readonly Message[]): string | undefined {
  const own = messages.findLast((message) => message.role === "user");
  return own && textOf(own);
}
