/**
 * `<clawdbot-find>`: find in this conversation. The browser's own search sees only rows that are in the document; this one
 * searches the messages themselves and fetches the older ones meanwhile. Hits are painted by the CSS Custom Highlight
 * API, which leaves the DOM as it is.
 */
import { html, nothing } from "lit";
import type { PropertyValues, TemplateResult } from "lit";

import { isComposingKey } from "../../input/ime.js";
import type { View } from "../../state/state.js";
import { addTexts } from "../../i18n/index.js";
import en from "../../i18n/find.en.json";
import ko from "../../i18n/find.ko.json";

import type { Ui } from "../base/ui-context.js";
import { hitsIn, searchable } from "./find-text.js";
import type { Hit } from "./find-text.js";
import { icon } from "../base/icons.js";
import { LightElement } from "../base/light-element.js";
import type { Row } from "./rows.js";
import { sheet } from "../styles/find.js";
import type { ClawdbotTranscript } from "./transcript.js";

addTexts({ en, ko });

/** A search waits until nothing was typed for so long, in milliseconds. */
const PAUSE_MS = 120;
/** The largest page of older messages the gateway gives. */
const PAGE = 1_000;
const NAMES = { all: "clawdbot-find", one: "clawdbot-found" };

export class ClawdbotFind extends LightElement {
  static override sheet = sheet;
  static override properties = {
    ui: { attribute: false },
    rows: { attribute: false },
    view: { attribute: false },
    transcript: { attribute: false },
    onClose: { attribute: false },
    query: { state: true },
    hits: { state: true },
    at: { state: true },
  };

  declare ui: Ui;
  declare rows: readonly Row[];
  declare view: View;
  declare transcript: ClawdbotTranscript;
  declare onClose: () => void;
  declare private query: string;
  declare private hits: readonly Hit[];
  /** The hit on show, among `hits`; -1 for none. */
  declare private at: number;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private frame = 0;
  private readonly drawn = new MutationObserver(() => this.paintSoon());

  constructor() {
    super();
    this.query = "";
    this.hits = [];
    this.at = -1;
    this.onClose = () => undefined;
  }

  open(): void {
    const field = this.querySelector("input");
    field?.focus();
    field?.select();
  }

  override connectedCallback(): void {
    super.connectedCallback();
    if (this.hasUpdated) this.watch();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.timer);
    cancelAnimationFrame(this.frame);
    this.drawn.disconnect();
    for (const name of Object.values(NAMES)) CSS.highlights.delete(name);
  }

  protected override firstUpdated(): void {
    this.watch();
  }

  private watch(): void {
    const column = this.transcript.querySelector(".column");
    if (column) this.drawn.observe(column, { childList: true, subtree: true, characterData: true });
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has("rows") || this.query === "") return;
    const before = this.hits[this.at];
    this.hits = hitsIn(this.rows, this.query);
    this.at = before ? this.hits.findIndex((hit) => hit.key === before.key && hit.nth === before.nth) : this.at;
    if (this.at < 0 && this.hits.length > 0) void this.go(this.hits.length - 1);
  }

  protected override updated(): void {
    const { view } = this;
    if (this.query !== "" && view.hasMore && !view.loadingOlder) void this.ui.controller.loadOlder(PAGE);
    this.paintSoon();
  }

  protected override render(): TemplateResult {
    const { t } = this.ui;
    const { hits, at, query, view } = this;
    const searching = query !== "" && view.hasMore;
    const found =
      query === ""
        ? ""
        : hits.length === 0
          ? t(searching ? "find.searching" : "find.none")
          : t("find.at", { at: at + 1, of: `${hits.length}${searching ? "+" : ""}` });
    const button = (name: "find.older" | "find.newer" | "action.close", run: () => void): TemplateResult =>
      html`<button
        type="button"
        class="icon-button small"
        aria-label=${t(name)}
        title=${t(name)}
        ?disabled=${name !== "action.close" && hits.length === 0}
        @click=${run}
      >
        ${icon(name === "find.older" ? "up" : name === "find.newer" ? "down" : "close")}
      </button>`;
    return html`<div class="find" role="search" @keydown=${this.keydown}>
      ${icon("search")}
      <input
        type="text"
        enterkeyhint="search"
        autocomplete="off"
        spellcheck="false"
        aria-label=${t("find.label")}
        placeholder=${t("find.label")}
        maxlength="200"
        @input=${this.typed}
      />
      <span class="find-count" role="status">${found}</span>
      ${button("find.older", () => void this.go(at - 1))} ${button("find.newer", () => void this.go(at + 1))}
      ${button("action.close", () => this.close())}
      ${searching ? html`<span class="spinner" aria-hidden="true"></span>` : nothing}
    </div>`;
  }

  private typed(event: Event): void {
    const query = (event.target as HTMLInputElement).value.normalize("NFC");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.query = query;
      this.hits = query.trim() === "" ? [] : hitsIn(this.rows, query);
      this.at = -1;
      if (this.hits.length > 0) void this.go(this.hits.length - 1);
    }, PAUSE_MS);
  }

  private keydown(event: KeyboardEvent): void {
    if (isComposingKey(event)) return;
    if (event.key === "Enter" && event.target instanceof HTMLInputElement)
      void this.go(this.at + (event.shiftKey ? 1 : -1));
    else if (event.key === "Escape") this.close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  private close(): void {
    clearTimeout(this.timer);
    this.onClose();
  }

  /** Show a hit; past the ends it goes round. */
  private async go(at: number): Promise<void> {
    const { length } = this.hits;
    if (length === 0) return;
    this.at = (at + length) % length;
    const hit = this.hits[this.at];
    if (!hit) return;
    await this.transcript.goTo(hit.key);
    this.paint(true);
  }

  private paintSoon(): void {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.paint(false));
  }

  /** Paint the hits in the rows that are there. @param reveal also bring the current one into view */
  private paint(reveal: boolean): void {
    const current = this.hits[this.at];
    const all: Range[] = [];
    let one: Range | undefined;
    for (const row of this.query === "" ? [] : this.transcript.querySelectorAll<HTMLElement>(".row")) {
      const ranges = rangesIn(row, this.query);
      all.push(...ranges);
      if (row.dataset.key === current?.key) one = ranges[Math.min(current?.nth ?? 0, ranges.length - 1)];
    }
    CSS.highlights.set(NAMES.all, new Highlight(...all));
    CSS.highlights.set(NAMES.one, new Highlight(...(one ? [one] : [])));
    if (reveal && one) this.intoView(one);
  }

  /** A long message may have its hit far below its beginning. */
  private intoView(range: Range): void {
    const scroller = this.transcript.querySelector<HTMLElement>(".scroller");
    if (!scroller) return;
    const hit = range.getBoundingClientRect();
    const view = scroller.getBoundingClientRect();
    if (hit.top < view.top + 70 || hit.bottom > view.bottom - 20)
      scroller.scrollTop += hit.top - view.top - view.height * 0.3;
  }
}

/** The hits in what is drawn of a row. */
function rangesIn(row: Element, query: string): Range[] {
  const ranges: Range[] = [];
  for (const part of row.querySelectorAll(".source, .block")) {
    const nodes: { node: Text; from: number }[] = [];
    let text = "";
    const walker = document.createTreeWalker(part, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      if (node.parentElement?.closest(".code-bar")) continue;
      nodes.push({ node: node as Text, from: text.length });
      text += (node as Text).data;
    }
    for (const match of text.matchAll(searchable(query))) {
      const place = (offset: number): [Text, number] | null => {
        const found = nodes.findLast((each) => each.from <= offset);
        return found ? [found.node, offset - found.from] : null;
      };
      const [start, end] = [place(match.index), place(match.index + match[0].length - 1)];
      if (!start || !end) continue;
      const range = document.createRange();
      range.setStart(...start);
      range.setEnd(end[0], end[1] + 1);
      ranges.push(range);
    }
  }
  return ranges;
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-find": ClawdbotFind;
  }
}
