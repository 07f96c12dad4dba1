/** `<clawdbot-diff>`: the difference of two texts, for reading: changed words inside changed lines, sameness folded. */
import { html, nothing } from "lit";
import type { PropertyValues, TemplateResult } from "lit";

import type { Ui } from "../base/ui-context.js";
import { LightElement } from "../base/light-element.js";
import { sheet } from "../styles/hands.js";
import { plain } from "./plain.js";
import { folded, lineDiff } from "./text-diff.js";
import type { Fold, Line, Word } from "./text-diff.js";

/** Rows that are drawn unasked. */
const SHOWN = 300;
const SIGNS = { same: " ", del: "−", ins: "+" } as const;

export class ClawdbotDiff extends LightElement {
  static override sheet = sheet;
  static override properties = {
    ui: { attribute: false },
    was: { attribute: false },
    now: { attribute: false },
    label: { attribute: false },
    opened: { state: true },
    whole: { state: true },
  };

  declare ui: Ui;
  /** `null`: there was nothing. */
  declare was: string | null;
  /** `null`: there will be nothing. */
  declare now: string | null;
  /** Of what it is, for a screen reader. */
  declare label: string;
  declare private opened: ReadonlySet<Fold>;
  declare private whole: boolean;
  private rows: (Line | Fold)[] = [];

  constructor() {
    super();
    this.was = null;
    this.now = null;
    this.label = "";
    this.opened = new Set();
    this.whole = false;
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has("was") && !changed.has("now")) return;
    this.rows = folded(lineDiff(this.was, this.now));
    this.opened = new Set();
    this.whole = false;
  }

  protected override render(): TemplateResult {
    const { t } = this.ui;
    const rows = this.rows.flatMap((row): readonly (Line | Fold)[] =>
      row.kind === "fold" && this.opened.has(row) ? row.lines : [row],
    );
    const shown = this.whole ? rows : rows.slice(0, SHOWN);
    return html`<div class="diff" role="group" tabindex="0" aria-label=${this.label}>
        ${shown.map((row, at) => (row.kind === "fold" ? this.fold(row) : this.line(row, shown[at - 1])))}
      </div>
      ${
        shown.length < rows.length
          ? html`<button type="button" class="link" @click=${() => (this.whole = true)}>
              ${t("hands.diff.all", { count: rows.length.toLocaleString(this.ui.locale) })}
            </button>`
          : nothing
      }`;
  }

  private fold(fold: Fold): TemplateResult {
    return html`<button type="button" class="line fold" @click=${() => (this.opened = new Set([...this.opened, fold]))}>
      ${this.ui.t("hands.diff.same", { count: fold.lines.length })}
    </button>`;
  }

  private line({ kind, words }: Line, before: Line | Fold | undefined): TemplateResult {
    const { t } = this.ui;
    const says =
      kind === before?.kind || kind === "same" ? "" : t(kind === "del" ? "hands.diff.del" : "hands.diff.ins");
    const partly = words.some((word) => !word.changed);
    // One text node a line: spaces between templates would be shown.
    return html`<div class="line ${kind}">
      <span class="sign" aria-hidden="true">${SIGNS[kind]}</span
      >${says === "" ? nothing : html`<span class="sr">${says}</span>`}<code
        >${words.map((word) => drawn(word, kind, partly))}</code
      >
    </div>`;
  }
}

function drawn({ text, changed }: Word, kind: Line["kind"], partly: boolean): unknown {
  if (!changed || !partly) return plain(text);
  return kind === "del" ? html`<del>${plain(text)}</del>` : html`<ins>${plain(text)}</ins>`;
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-diff": ClawdbotDiff;
  }
}
