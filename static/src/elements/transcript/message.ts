/** `<clawdbot-message>`: one turn of the transcript, from unsent to stored, from first token to final reply. */
import { html, nothing } from "lit";
import type { PropertyValues, TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";

import { blockOf } from "../../state/attachments.js";
import { textOf } from "../../state/messages.js";
import type { ContentBlock, Message } from "../../protocol/types.js";
import type { Live } from "../../state/state.js";
import { loadElement } from "../base/lazy.js";

import type { Ui } from "../base/ui-context.js";
import { clock, fullTime } from "../base/format.js";
import { icon } from "../base/icons.js";
import type { IconName } from "../base/icons.js";
import { LightElement } from "../base/light-element.js";
import { MarkdownView } from "../content/markdown-view.js";
import { sameRow } from "./rows.js";
import type { Row } from "./rows.js";
import { isMedia, mediaOf, partsOf } from "./turn-parts.js";
import type { Part } from "./turn-parts.js";

/** What a button on a turn asks for; `more` opens the menu with the rest. */
export type TurnAction = "copy" | "edit" | "regenerate" | "continue" | "choose" | "more";

/** Told to the transcript, which has the actions (a lazy part). */
export interface TurnWish {
  action: TurnAction;
  row: Row;
  button: HTMLElement;
  /** The version to show. */
  to?: string;
}

const LABELS = {
  copy: "action.copy",
  edit: "action.edit",
  regenerate: "action.regenerate",
  more: "action.more",
} as const;
/** Replies that ended before they were done can be gone on with. */
const CUT = new Set(["aborted", "interrupted", "length"]);
/** Own messages that are shown as they were written, by the keys of their rows: an element goes with its place on screen. */
const asWritten = new Set<string>();

/** What a reply cites as footnotes of its text; fetched with the first reply that cites something. */
let notes: ((blocks: readonly ContentBlock[]) => string) | undefined;

export class ClawdbotMessage extends LightElement {
  static override properties = {
    row: { attribute: false },
    ui: { attribute: false },
    place: { attribute: false },
  };

  declare row: Row;
  declare ui: Ui;
  /** `position/size` among all turns; the size is -1 while there are older ones to load. */
  declare place: string;
  private ticker: ReturnType<typeof setInterval> | undefined;
  private parts: Part[] = [];

  constructor() {
    super();
    this.place = "";
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
    const { row } = this;
    const [message] = row.messages;
    this.parts = [];
    if (row.role === "user") return this.user(row, message);
    if (message?.command) return this.command(message);
    this.parts = partsOf(row);
    return this.assistant(row);
  }

  protected override updated(): void {
    const { live } = this.row;
    for (const part of this.parts) {
      if (part.kind !== "text" && part.kind !== "thinking") continue;
      const view = this.querySelector<MarkdownView>(`[data-part="${part.key}"]`);
      if (this.row.role !== "user") view?.offer(this.row.asked ?? []);
      const text = part.kind === "text" && part.cites ? this.withNotes(part.cites, part.text) : part.text;
      view?.show(text, part.kind === "text" ? part.streaming : live !== undefined);
    }
    const article = this.querySelector("article");
    const [position = "", size = ""] = this.place.split("/");
    article?.setAttribute("aria-posinset", position);
    article?.setAttribute("aria-setsize", size);
    const thinking = this.parts.some((part) => part.kind === "thinking" && part.running);
    if (live && (live.retry !== undefined || thinking)) {
      this.ticker ??= setInterval(() => this.requestUpdate("place", null), 1_000);
    } else {
      clearInterval(this.ticker);
      this.ticker = undefined;
    }
  }

  /** With what it cites as footnotes, once their part of the page is here. */
  private withNotes(blocks: readonly ContentBlock[], text: string): string {
    if (notes) return notes(blocks);
    void import("../content/citations.js").then(({ cited }) => {
      notes = cited;
      this.requestUpdate();
    });
    return text;
  }

  // -- what a person said -------------------------------------------------------------------------------------------
  /** Is an own message shown as it was written? */
  get source(): boolean {
    return asWritten.has(this.row.key);
  }

  /** Show an own message as it was written, or what its Markdown means. */
  set source(on: boolean) {
    if (on) asWritten.add(this.row.key);
    else asWritten.delete(this.row.key);
    this.requestUpdate();
  }

  private user(row: Row, message: Message | undefined): TemplateResult {
    const { t, locale } = this.ui;
    const text = message ? textOf(message) : (row.pending?.text ?? "");
    const media = message ? mediaOf(message) : (row.pending?.attachments ?? []).map(blockOf).filter(isMedia);
    return html`<article class="turn user" ?data-unsent=${!message}>
      <h2 class="sr">${t("turn.you", { time: clock(row.at, locale) })}</h2>
      ${media.length === 0 ? nothing : this.media(media)}
      ${text === "" && media.length > 0 ? nothing : this.bubble(text)}
      <div class="meta">
        ${
          message
            ? html`${this.versions()}${this.time(row.at)}${this.button("copy", "copy")}${this.button("pencil", "edit")}${this.button("more", "more")}`
            : html`<span>${t("turn.sending")}</span>`
        }
      </div>
    </article>`;
  }

  private bubble(text: string): TemplateResult {
    if (this.source) return html`<div class="bubble source" dir="auto">${text}</div>`;
    this.parts = [{ kind: "text", key: "u", text, streaming: false }];
    return html`<div class="bubble">${this.markdown("u")}</div>`;
  }

  private media(blocks: readonly ContentBlock[]): TemplateResult {
    void loadElement("clawdbot-media");
    return html`<div class="attached">
      ${repeat(
        blocks,
        (block) => block.mediaId,
        (block) =>
          html`<clawdbot-media .block=${block} .ui=${this.ui} .messageId=${this.row.messages[0]?.id}></clawdbot-media>`,
      )}
    </div>`;
  }

  // -- what was answered --------------------------------------------------------------------------------------------
  private command(message: Message): TemplateResult {
    const { t, locale } = this.ui;
    this.parts = [{ kind: "text", key: "t0.0", text: textOf(message), streaming: false }];
    return html`<article class="turn command">
      <h2 class="sr">${t("turn.assistant", { time: clock(message.timestamp, locale) })}</h2>
      <div class="card">
        <div class="card-title"><code>${message.command}</code></div>
        <div class="reply">${this.markdown("t0.0")}</div>
      </div>
    </article>`;
  }

  private assistant(row: Row): TemplateResult {
    const { t, locale } = this.ui;
    const { live } = row;
    const message = row.messages.findLast((each) => each.role === "assistant");
    const name = live ? t("turn.assistantNow") : t("turn.assistant", { time: clock(row.at, locale) });
    return html`<article class="turn assistant" aria-busy=${live ? "true" : nothing}>
      <h2 class="sr">${name}</h2>
      ${message?.label ? html`<p class="label">${message.label}</p>` : nothing}
      ${repeat(
        this.parts,
        (part) => part.key,
        (part) => this.draw(part),
      )}
      ${live ? this.underWay(live) : nothing} ${this.outcome(row)}
      ${message && !live ? this.finished(message) : nothing}
    </article>`;
  }

  private draw(part: Part): TemplateResult {
    const { ui } = this;
    switch (part.kind) {
      case "thinking":
        return this.thinking(part);
      case "text":
        return html`<div class="reply" ?data-streaming=${part.streaming}>${this.markdown(part.key)}</div>`;
      case "tools":
        void loadElement("clawdbot-tools");
        return html`<clawdbot-tools .steps=${part.steps} .ui=${ui}></clawdbot-tools>`;
      case "media":
        void loadElement("clawdbot-media");
        return html`<clawdbot-media .block=${part.block} .ui=${ui}></clawdbot-media>`;
    }
  }

  /** What a run with tools came to: its plan, what it changed. */
  private outcome(row: Row): TemplateResult | typeof nothing {
    if (!this.parts.some((part) => part.kind === "tools")) return nothing;
    void loadElement("clawdbot-run-outcome");
    return html`<clawdbot-run-outcome .ui=${this.ui} .row=${row} .parts=${this.parts}></clawdbot-run-outcome>`;
  }

  private thinking({ key, running, ms }: Part & { kind: "thinking" }): TemplateResult {
    const { t } = this.ui;
    const seconds = Math.max(1, Math.round((ms ?? 0) / 1_000));
    const done = ms === undefined ? t("thinking.was") : t("thinking.done", { seconds });
    return html`<details class="thinking" ?data-running=${running}>
      <summary>${icon("chevron")}<span>${running ? t("thinking.now", { seconds }) : done}</span></summary>
      ${this.markdown(key)}
    </details>`;
  }

  private underWay(live: Live): TemplateResult {
    const { t } = this.ui;
    const { retry, reading } = live;
    if (retry) void loadElement("clawdbot-error");
    const silent = live.text === "" && live.thinking === "" && !live.tools?.some((tool) => tool.phase !== "result");
    return html`${silent && !retry ? html`<div class="dots" role="img" aria-label=${t("status.answering")}><i></i><i></i><i></i></div>` : nothing}
    ${reading ? html`<p class="notice">${t("media.reading", { name: reading.name })} ${reading.detail}</p>` : nothing}
    ${retry ? html`<clawdbot-error .ui=${this.ui} .retry=${retry} .now=${Date.now()}></clawdbot-error>` : nothing}`;
  }

  private finished(message: Message): TemplateResult {
    return html`${this.ending(message)}
      <div class="meta">
        ${this.button("copy", "copy")}${this.button("retry", "regenerate")}${this.button("more", "more")}
        ${this.versions()}${this.time(message.timestamp)}${this.usage(message)}
      </div>`;
  }

  /** How it ended, if not well. */
  private ending(message: Message): TemplateResult | typeof nothing {
    const { t } = this.ui;
    const mark = (name: IconName, text: string, warn: boolean): TemplateResult =>
      html`<p class="mark ${warn ? "warn" : ""}">${icon(name)} ${text} ${this.goOn(message)}</p>`;
    switch (message.stopReason) {
      case "error":
        void loadElement("clawdbot-error");
        return html`<clawdbot-error
          .ui=${this.ui}
          .message=${message}
          .retryText=${this.row.retryText}
        ></clawdbot-error>`;
      case "aborted":
        return mark("stop", t("end.stopped"), false);
      case "interrupted":
        return mark("warn", t("end.interrupted"), true);
      case "length":
        return mark("warn", t("end.length"), true);
      default:
        return nothing;
    }
  }

  private goOn(message: Message): TemplateResult | typeof nothing {
    if (!CUT.has(message.stopReason ?? "") || textOf(message) === "") return nothing;
    return html`<button type="button" class="link" @click=${this.wish("continue")}>
      ${this.ui.t("action.continue")}
    </button>`;
  }

  // -- under a turn -------------------------------------------------------------------------------------------------
  private button(name: IconName, action: "copy" | "edit" | "regenerate" | "more"): TemplateResult {
    const label = this.ui.t(LABELS[action]);
    return html`<button
      type="button"
      class="icon-button small"
      aria-label=${label}
      title=${label}
      aria-haspopup=${action === "more" ? "menu" : nothing}
      data-action=${action}
      @click=${this.wish(action)}
    >
      ${icon(name)}
    </button>`;
  }

  private wish(action: TurnAction, to?: string) {
    return (event: Event): void => {
      const button = event.currentTarget as HTMLElement;
      const detail: TurnWish = { action, row: this.row, button, ...(to === undefined ? {} : { to }) };
      this.dispatchEvent(new CustomEvent<TurnWish>("clawdbot-turn", { detail, bubbles: true }));
    };
  }

  /** `‹ 2/3 ›`: which version of this turn is on show. */
  private versions(): TemplateResult | typeof nothing {
    const { siblings } = this.row;
    if (!siblings) return nothing;
    const { t } = this.ui;
    const { ids, at } = siblings;
    const step = (to: number, name: "version.before" | "version.next", turned: boolean): TemplateResult =>
      html`<button
        type="button"
        class="icon-button small ${turned ? "turned" : ""}"
        aria-label=${t(name)}
        title=${t(name)}
        ?disabled=${ids[to] === undefined}
        @click=${this.wish("choose", ids[to])}
      >
        ${icon("chevron")}
      </button>`;
    return html`<span class="versions" role="group" aria-label=${t("version.label")}>
      ${step(at - 1, "version.before", true)}
      <span>${t("version.at", { at: at + 1, of: ids.length })}</span>
      ${step(at + 1, "version.next", false)}
    </span>`;
  }

  private time(at: number): TemplateResult {
    const { locale } = this.ui;
    return html`<time datetime=${new Date(at).toISOString()} data-full=${fullTime(at, locale)}
      >${clock(at, locale)}</time
    >`;
  }

  /** Model, tokens and cost, behind one small word. */
  private usage(message: Message): TemplateResult | typeof nothing {
    if (!message.model || message.stopReason === "injected") return nothing;
    void loadElement("clawdbot-usage");
    return html`<clawdbot-usage .ui=${this.ui} .message=${message}></clawdbot-usage>`;
  }

  private markdown(key: string): TemplateResult {
    const { t } = this.ui;
    const labels: MarkdownView["labels"] = {
      copy: t("action.copy"),
      copied: t("action.copied"),
      code: t("code.label"),
      show: t("code.show"),
      hide: t("code.hide"),
      table: t("table.copy"),
    };
    return html`<clawdbot-markdown data-part=${key} .labels=${labels} .ui=${this.ui}></clawdbot-markdown>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-message": ClawdbotMessage;
  }
}
