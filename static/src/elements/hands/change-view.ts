/**
 * `<clawdbot-change>`: one batch of edits that was applied. Kept or taken back in one press; where the person has
 * changed a cell since, both are shown and the person decides.
 */
import { html, nothing } from "lit";
import type { TemplateResult } from "lit";

import type { Change, UndoProblem } from "../../protocol/hands.js";
import { sourceOf } from "../../protocol/hands.js";
import { handsOf } from "../../state/hands.js";

import type { Ui } from "../base/ui-context.js";
import { icon } from "../base/more-icons.js";
import { LightElement } from "../base/light-element.js";
import { sheet } from "../styles/hands.js";
import { body, cellName, heading } from "./cell-operations.js";
import { nameOf, plain } from "./plain.js";
import { showCell } from "./show-cell.js";

export class ClawdbotChange extends LightElement {
  static override sheet = sheet;
  static override properties = {
    ui: { attribute: false },
    change: { attribute: false },
    open: { state: true },
    busy: { state: true },
    problems: { state: true },
  };

  declare ui: Ui;
  declare change: Change;
  /** The differences are shown. */
  declare private open: boolean;
  declare private busy: boolean;
  /** Cells that the undo left alone. */
  declare private problems: readonly UndoProblem[];

  constructor() {
    super();
    this.open = false;
    this.busy = false;
    this.problems = [];
  }

  protected override render(): TemplateResult {
    const { change, ui } = this;
    const { t } = ui;
    return html`<div class="change" data-state=${change.state}>
      <div class="change-head">
        <button
          type="button"
          class="change-what"
          aria-expanded=${String(this.open)}
          @click=${() => (this.open = !this.open)}
        >
          ${icon("chevron")} <span>${plain(whatChanged(ui, change))}</span>
        </button>
        ${change.state === "applied" ? nothing : html`<span class="op op-${change.state}">${t(change.state === "kept" ? "hands.kept" : "hands.undone")}</span>`}
        ${this.buttons()}
      </div>
      ${this.problems.length > 0 ? this.conflict() : nothing} ${this.open ? this.details() : nothing}
    </div>`;
  }

  private buttons(): TemplateResult | typeof nothing {
    const { change, ui, busy } = this;
    if (change.state === "undone" || this.problems.length > 0) return nothing;
    const { t, controller } = ui;
    const what = whatChanged(ui, change);
    const button = (text: string, act: () => Promise<unknown>): TemplateResult =>
      html`<button type="button" class="button small" aria-label=${`${text}: ${what}`} ?disabled=${busy} @click=${act}>
        ${text}
      </button>`;
    return html`${
      change.state === "applied" && controller.can("hands.changes.keep")
        ? button(t("hands.keep"), () => this.act(handsOf(controller).keep(change.id)))
        : nothing
    }
    ${controller.can("hands.changes.undo") ? button(t("action.undo"), () => this.undo()) : nothing}`;
  }

  private async act(work: Promise<unknown>): Promise<boolean> {
    this.busy = true;
    const done = await this.ui.attempt(work);
    this.busy = false;
    return done;
  }

  /** Take the whole change back. */
  async undo(): Promise<void> {
    const undoing = handsOf(this.ui.controller).undo(this.change.id);
    if (!(await this.act(undoing))) return;
    this.problems = await undoing;
    if (this.problems.length > 0) this.open = false; // the three texts say it all
    const { t } = this.ui;
    this.ui.announce(t(this.problems.length > 0 ? "hands.conflict" : "hands.undone"));
    await this.updateComplete;
    const conflict = this.querySelector<HTMLElement>(".conflict");
    conflict?.focus({ preventScroll: true });
    conflict?.scrollIntoView({ block: "nearest" });
  }

  // -- cells that were changed since --------------------------------------------------------------------------------
  private conflict(): TemplateResult {
    const { t } = this.ui;
    return html`<section class="conflict" tabindex="-1" aria-label=${t("hands.conflict")}>
      <p>${icon("warn")} ${t("hands.conflict")}</p>
      ${this.problems.map((problem) => this.problem(problem))}
    </section>`;
  }

  private problem(problem: UndoProblem): TemplateResult {
    const { ui } = this;
    const { t } = ui;
    const operation = this.change.cells.find((each) => each.cell === problem.cell);
    const name = operation ? cellName(ui, operation) : this.change.file ? nameOf(this.change.path) : problem.cell;
    const diff = (label: string, was: string | null, now: string | null): TemplateResult =>
      html`<p class="fine">${label}</p>
        <clawdbot-diff .ui=${ui} .was=${was} .now=${now} .label=${label}></clawdbot-diff>`;
    return html`<div class="problem-cell" role="group" aria-label=${name}>
      <p class="op-name">${plain(name)}</p>
      ${problem.now === null ? html`<p class="fine">${t("hands.noCell")}</p>` : nothing}
      ${diff(t("hands.since"), problem.after, problem.now)} ${diff(t("hands.undoDoes"), problem.now, problem.before)}
      <div class="card-actions">
        <button
          type="button"
          class="button"
          aria-label=${`${t("hands.leave")}: ${name}`}
          ?disabled=${this.busy}
          @click=${() => this.settled(problem)}
        >
          ${t("hands.leave")}
        </button>
        <button
          type="button"
          class="button danger"
          aria-label=${`${t("hands.undoAnyway")}: ${name}`}
          ?disabled=${this.busy}
          @click=${() => this.force(problem)}
        >
          ${t("hands.undoAnyway")}
        </button>
      </div>
    </div>`;
  }

  private async force(problem: UndoProblem): Promise<void> {
    const { change, ui } = this;
    const undoing = handsOf(ui.controller).undo(change.id, { cells: [problem.cell] });
    if (await this.act(undoing)) this.settled(problem);
  }

  private settled(problem: UndoProblem): void {
    this.problems = this.problems.filter((each) => each !== problem);
    void this.updateComplete.then(() =>
      this.querySelector<HTMLElement>(this.problems.length > 0 ? ".conflict" : ".change-what")?.focus(),
    );
  }

  // -- what was changed ---------------------------------------------------------------------------------------------
  private details(): TemplateResult {
    const { ui, change } = this;
    const { t } = ui;
    const { file } = change;
    return html`<p class="fine">
        ${plain(change.path)}${change.by ? html` · ${t("hands.by", { name: change.by })}` : nothing}
      </p>
      <ol class="operations">
        ${change.cells.map((each) => {
          const after = sourceOf(each.after);
          return html`<li class="operation">
            <div class="operation-head">
              <span>${heading(ui, each, after)}</span>
              <span class="operation-acts">${showCell(ui, change.path, each, change.state !== "undone")}</span>
            </div>
            ${body(ui, each, after)}
          </li>`;
        })}
      </ol>
      ${
        file
          ? html`<clawdbot-diff
              .ui=${ui}
              .was=${file.before}
              .now=${file.after}
              .label=${t("hands.diff.of", { name: change.path })}
            ></clawdbot-diff>`
          : nothing
      }`;
  }
}

/** `3 cells changed · analysis.ipynb`. */
function whatChanged({ t }: Ui, { cells, path }: Change): string {
  const name = nameOf(path);
  return cells.length === 0 ? t("hands.changedFile", { name }) : t("hands.changed", { count: cells.length, name });
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-change": ClawdbotChange;
  }
}
