/** `<clawdbot-transcript>`: the turns of one session. Far from the view there are none; see `strip.ts`, `viewport.ts`. */
import { html, nothing } from "lit";
import type { PropertyValues, TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";

import { isBlank } from "../../state/state.js";
import type { View } from "../../state/state.js";
import { loadElement } from "../base/lazy.js";

import type { Ui } from "../base/ui-context.js";
import { dayName, dayOf } from "../base/format.js";
import { icon } from "../base/icons.js";
import { LightElement } from "../base/light-element.js";
import type { TurnWish } from "./message.js";
import { rowsOf, rowText } from "./rows.js";
import type { Row } from "./rows.js";
import { rowsSelected } from "../base/selection.js";
import type { Segment } from "./virtual-rows.js";
import { Viewport } from "./viewport.js";

/** How long a message that was looked for is marked, in milliseconds. */
const FOUND_MS = 2_500;
/** The newest rows are always there: an answer may be about to begin behind them. */
const NEWEST = 2;

export class ClawdbotTranscript extends LightElement {
  static override properties = {
    view: { attribute: false },
    ui: { attribute: false },
    empty: { attribute: false },
    missed: { state: true },
    following: { state: true },
    finding: { state: true },
    pinned: { state: true },
    printing: { state: true },
  };

  declare view: View;
  declare ui: Ui;
  /** What to show where there is nothing yet. */
  declare empty: TemplateResult;
  declare private missed: number;
  declare private following: boolean;
  declare private finding: boolean;
  /** Keys of rows that stay although they are far from the view: they hold the focus, the selection, a place to go to. */
  declare private pinned: ReadonlySet<string>;
  /** All rows are there, as paper has no view to scroll. */
  declare printing: boolean;

  private viewport: Viewport | null = null;
  private rows: Row[] = [];
  /** The message to show as soon as it is there. */
  private wanted: { key: string; id: string } | null = null;
  private focused: string | null = null;
  private going: string | null = null;
  private copying: ((event: ClipboardEvent) => void) | undefined;

  constructor() {
    super();
    this.missed = 0;
    this.following = true;
    this.finding = false;
    this.pinned = new Set();
    this.printing = false;
  }

  /** Go to the end: the reader has just said something, which then stands at the top of the view. */
  toEnd(): void {
    this.viewport?.toEnd();
  }

  /** Open the find bar, or go back to it. */
  find(): void {
    void loadElement("clawdbot-find").then(async (here) => {
      this.finding = here;
      await this.updateComplete;
      this.querySelector("clawdbot-find")?.open();
    });
  }

  /** The rows now; for the find bar. */
  get all(): readonly Row[] {
    return this.rows;
  }

  /** Show a message of a session in the middle and mark it for a moment, once it is loaded. */
  reveal(wanted: { key: string; id: string } | null): void {
    this.wanted = wanted;
    this.requestUpdate();
  }

  /** Bring a row into view; its element once it is drawn, or nothing if it is no more. */
  async goTo(key: string): Promise<HTMLElement | null> {
    this.going = key;
    this.repin();
    this.viewport?.show(key, Math.round(this.viewport.viewHeight * 0.25));
    await this.updateComplete;
    const message = this.rowElement(key)?.querySelector("clawdbot-message");
    await message?.updateComplete;
    // New rows are measured, and the view put right, at the end of the next frame.
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    return message ?? null;
  }

  private async showWanted(): Promise<void> {
    const { wanted, view } = this;
    if (wanted?.key !== view.key) return;
    const row = this.rows.find(({ messages }) => messages.some((message) => message.id === wanted.id));
    if (!row) return;
    this.wanted = null;
    const article = (await this.goTo(row.key))?.querySelector<HTMLElement>("article");
    if (!article) return;
    article.tabIndex = -1;
    article.focus({ preventScroll: true });
    article.dataset.found = "";
    setTimeout(() => delete article.dataset.found, FOUND_MS);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    document.addEventListener("selectionchange", this.repin);
    window.addEventListener("beforeprint", this.forPaper);
    window.addEventListener("afterprint", this.forPaper);
    if (this.hasUpdated) this.watch();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    document.removeEventListener("selectionchange", this.repin);
    window.removeEventListener("beforeprint", this.forPaper);
    window.removeEventListener("afterprint", this.forPaper);
    this.viewport?.stop();
    this.viewport = null;
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has("view")) return;
    const before = changed.get("view");
    const rows = rowsOf(this.view);
    const switched = before?.key !== this.view.key;
    if (switched) this.missed = 0;
    else if (!this.following && rows.at(-1)?.key !== this.rows.at(-1)?.key) this.missed += 1;
    const said = switched ? null : this.newlySaid(rows);
    const same = rows.length === this.rows.length && rows.every((row, at) => row.key === this.rows[at]?.key);
    this.rows = rows;
    if (same && !switched) return;
    this.viewport?.setRows(
      rows.map((row) => row.key),
      (at) => lengthOf(rows[at]),
    );
    if (switched) this.viewport?.begin();
    else if (said !== null && this.following) this.viewport?.toEnd(said);
  }

  /** The key of what a person has said since, at the end of the rows. */
  private newlySaid(rows: readonly Row[]): string | null {
    const last = rows.findLast((row) => row.role === "user");
    const known = !last || this.rows.some((row) => row.key === last.key);
    return known || this.rows.length === 0 || last.at < (this.rows.at(-1)?.at ?? 0) ? null : last.key;
  }

  protected override render(): TemplateResult {
    const { t } = this.ui;
    const { view, rows } = this;
    return html`
      ${this.finding ? html`<clawdbot-find .ui=${this.ui} .transcript=${this} .rows=${rows} .view=${view} .onClose=${this.closeFind}></clawdbot-find>` : nothing}
      <div
        class="scroller"
        tabindex="0"
        role="log"
        aria-live="off"
        aria-label=${t("transcript.label")}
        aria-busy=${view.live ? "true" : nothing}
        @click=${this.clicked}
        @copy=${(event: ClipboardEvent) => this.copying?.(event)}
        @clawdbot-turn=${this.turn}
      >
        <div class="column" @focusin=${this.focusIn} @focusout=${this.focusOut}>
          <div class="lead">
            ${view.hasMore ? this.older() : nothing}
            ${view.status === "loading" && rows.length === 0 ? html`<div class="skeleton" aria-hidden="true"><i></i><i></i><i></i></div>` : nothing}
            ${view.status === "failed" ? this.failed() : nothing} ${isBlank(view) ? this.empty : nothing}
          </div>
          ${repeat(
            this.segments(),
            (segment) => ("gap" in segment ? segment.key : (rows[segment.row]?.key ?? "")),
            (segment) =>
              "gap" in segment ? html`<div class="gap" style="height:${segment.gap}px"></div>` : this.row(segment.row),
          )}
          <div class="room" aria-hidden="true"></div>
        </div>
      </div>
      <clawdbot-turn-menu .ui=${this.ui}></clawdbot-turn-menu>
      ${
        this.following
          ? nothing
          : html`<button type="button" class="to-end" @click=${() => this.toEnd()}>
              ${icon("down")} ${this.missed > 0 ? t("transcript.new", { count: this.missed }) : t("transcript.latest")}
            </button>`
      }
    `;
  }

  private segments(): Segment[] {
    const { viewport, rows } = this;
    if (this.printing) return rows.map((_, row) => ({ row }));
    // Before the first measure: the end, which is what a session opens with.
    const [first, end] = viewport?.range ?? [Math.max(0, rows.length - 8), rows.length];
    if (!viewport) return rows.slice(first, end).map((_, at) => ({ row: first + at }));
    const pinned = [...this.pinned].map((key) => viewport.strip.indexOf(key) ?? -1);
    for (let newest = 1; newest <= NEWEST; newest++) pinned.push(rows.length - newest);
    return viewport.strip.segments(first, end, pinned);
  }

  private row(index: number): TemplateResult | typeof nothing {
    const row = this.rows[index];
    if (!row) return nothing;
    const before = this.rows[index - 1];
    const newDay = !before || dayOf(before.at) !== dayOf(row.at);
    const size = this.view.hasMore ? -1 : this.rows.length;
    return html`<div class="row" data-key=${row.key} ?data-last=${index === this.rows.length - 1}>
      ${newDay ? html`<div class="day"><span>${dayName(row.at, Date.now(), this.ui.locale)}</span></div>` : nothing}
      <clawdbot-message .row=${row} .ui=${this.ui} .place=${`${index + 1}/${size}`}></clawdbot-message>
    </div>`;
  }

  private older(): TemplateResult {
    const { t, controller } = this.ui;
    const { loadingOlder } = this.view;
    return html`<button
      type="button"
      class="older button"
      ?disabled=${loadingOlder}
      @click=${() => void controller.loadOlder()}
    >
      ${loadingOlder ? t("transcript.loading") : t("transcript.older")}
    </button>`;
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

  protected override updated(): void {
    this.viewport?.watch(this.querySelectorAll(".row"));
    if (this.wanted) void this.showWanted();
  }

  private watch(): void {
    const part = (name: string): HTMLElement | null => this.querySelector<HTMLElement>(name);
    const [scroller, lead, room] = [part(".scroller"), part(".lead"), part(".room")];
    if (!scroller || !lead || !room || this.viewport) return;
    this.viewport = new Viewport(scroller, lead, room, {
      onRange: () => this.requestUpdate(),
      onFollow: () => {
        this.following = this.viewport?.follow.following ?? true;
        if (this.following) this.missed = 0;
      },
      onNearTop: () => {
        if (this.view.hasMore && !this.view.loadingOlder) void this.ui.controller.loadOlder();
      },
    });
    this.viewport.setRows(
      this.rows.map((row) => row.key),
      (at) => lengthOf(this.rows[at]),
    );
    this.viewport.watch(this.querySelectorAll(".row"));
  }

  /** A button under a turn was pressed: what it does is a part of its own. */
  private async turn(event: CustomEvent<TurnWish>): Promise<void> {
    const { ui } = this;
    if (await loadElement("clawdbot-turn-menu")) {
      await this.querySelector("clawdbot-turn-menu")?.updateComplete;
      await this.querySelector("clawdbot-turn-menu")?.act(event.detail);
    } else ui.toast({ text: ui.t("part.failed"), kind: "error" });
  }

  /** A link that says one place and leads to another is asked about. */
  private clicked(event: MouseEvent): void {
    const link = (event.target as Element).closest<HTMLAnchorElement>(".block a");
    if (!link) return;
    event.preventDefault();
    void import("../content/link-guard.js").then(({ openLink }) => openLink(this, this.ui, link));
  }

  private readonly closeFind = (): void => {
    this.finding = false;
    this.querySelector<HTMLElement>(".scroller")?.focus({ preventScroll: true });
  };

  // -- rows that stay -----------------------------------------------------------------------------------------------
  private focusIn(event: FocusEvent): void {
    this.focused = (event.target as Element).closest<HTMLElement>(".row")?.dataset.key ?? null;
    this.repin();
  }

  private focusOut(event: FocusEvent): void {
    if (event.relatedTarget === null) return; // the window lost it: it will come back to the same place
    this.focused = null;
    this.repin();
  }

  private readonly repin = (): void => {
    const pinned = new Set(rowsSelected(this));
    // Copying cannot wait for a chunk: it is fetched with the first selection.
    if (pinned.size > 0)
      void import("./quote.js").then(({ copySelection, offerQuote }) => {
        this.copying = copySelection;
        offerQuote(this, this.ui);
      });
    if (this.focused !== null) pinned.add(this.focused);
    if (this.going !== null) pinned.add(this.going);
    const same = pinned.size === this.pinned.size && [...pinned].every((key) => this.pinned.has(key));
    if (!same) this.pinned = pinned;
  };

  private readonly forPaper = (event: Event): void => void (this.printing = event.type === "beforeprint");

  private rowElement(key: string): HTMLElement | null {
    return this.querySelector<HTMLElement>(`.row[data-key="${CSS.escape(key)}"]`);
  }
}

function lengthOf(row: Row | undefined): number {
  return row ? rowText(row).length : 0;
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-transcript": ClawdbotTranscript;
  }
}
