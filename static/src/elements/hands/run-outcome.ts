/** `<clawdbot-run-outcome>`: under what a run with tools said: its plan, ticked off, and what it changed. */
import { html, nothing } from "lit";
import type { TemplateResult } from "lit";

import type { Change, PlanStep } from "../../protocol/hands.js";
import type { ToolStep } from "../../protocol/types.js";
import { changesOf, handsOf } from "../../state/hands.js";
import { loadElement } from "../base/lazy.js";

import type { Ui } from "../base/ui-context.js";
import { count, money } from "../base/amounts.js";
import { LightElement } from "../base/light-element.js";
import { sheet } from "../styles/hands.js";
import { ClawdbotChange } from "./change-view.js";
import { ClawdbotDiff } from "./diff-view.js";
import { planView } from "./plan-view.js";
import { runUsage } from "./run-usage.js";
import type { UsageOf } from "./run-usage.js";
import { defineParts } from "./texts.js";

defineParts({ "clawdbot-diff": ClawdbotDiff, "clawdbot-change": ClawdbotChange });

/** A turn, as far as it is looked at here. */
interface Turn {
  key: string;
  messages: readonly UsageOf[];
  live?: unknown;
}
interface Part {
  kind: string;
  steps?: readonly ToolStep[];
}

export class ClawdbotRunOutcome extends LightElement {
  static override sheet = sheet;
  static override properties = {
    ui: { attribute: false },
    row: { attribute: false },
    parts: { attribute: false },
  };

  declare ui: Ui;
  declare row: Turn;
  declare parts: readonly Part[];
  private unwatch: (() => void) | undefined;

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.unwatch?.();
    this.unwatch = undefined;
  }

  protected override willUpdate(): void {
    const { controller } = this.ui;
    this.unwatch ??= handsOf(controller).watch(() => this.requestUpdate());
    if (this.row.live) void loadElement("clawdbot-approvals"); // a question is likely, and then waited for
    if (this.steps.some((step) => step.details?.changeId !== undefined)) handsOf(controller).want(this.session);
  }

  private get steps(): readonly ToolStep[] {
    return this.parts.flatMap((part) => (part.kind === "tools" ? (part.steps ?? []) : []));
  }

  private get session(): string {
    return this.ui.controller.state.current;
  }

  /** What the run of this turn changed, oldest first. */
  private get changes(): readonly Change[] {
    const ids = new Set(this.steps.flatMap(({ details }) => details?.changeId ?? []));
    const run = /^assistant:([^:]+)/.exec(this.row.key)?.[1];
    const { state } = handsOf(this.ui.controller);
    const known = state.changes[this.session] ?? [];
    const calls = new Set(this.steps.map(({ toolCallId }) => toolCallId));
    const all = run === undefined ? [] : changesOf(state, this.session, run);
    const byRun = all.filter((each) => calls.has(each.toolCallId)); // a run may go on in another turn
    const others = known.filter((each) => ids.has(each.id) && !byRun.includes(each)).reverse();
    return [...byRun, ...others];
  }

  protected override render(): TemplateResult {
    const plan = latestPlan(this.steps);
    return html`${plan ? planView(this.ui, plan, this.row.live !== undefined) : nothing} ${this.changed()}
    ${this.row.live === undefined ? this.usage() : nothing}`;
  }

  private changed(): TemplateResult | typeof nothing {
    const { changes } = this;
    if (changes.length === 0) return nothing;
    const { t } = this.ui;
    const open = changes.filter((each) => each.state === "applied");
    return html`<section class="changes" aria-label=${t("hands.changes")}>
      ${changes.map((each) => html`<clawdbot-change .ui=${this.ui} .change=${each}></clawdbot-change>`)}
      ${
        open.length > 1
          ? html`<div class="card-actions">
              <button type="button" class="button small" @click=${() => void this.keepAll(open)}>
                ${t("hands.keepAll")}
              </button>
              <button type="button" class="button small" @click=${() => void this.undoAll()}>
                ${t("hands.undoAll")}
              </button>
            </div>`
          : nothing
      }
    </section>`;
  }

  private async keepAll(open: readonly Change[]): Promise<void> {
    const store = handsOf(this.ui.controller);
    await this.ui.attempt(Promise.all(open.map((each) => store.keep(each.id))));
  }

  /** The newest first, so that each finds the document as it left it. */
  private async undoAll(): Promise<void> {
    const views = [...this.querySelectorAll("clawdbot-change")].filter((view) => view.change.state === "applied");
    for (const view of views.reverse()) await view.undo();
  }

  /** Tokens and cost of all steps together; of a single one the message says it already. */
  private usage(): TemplateResult | typeof nothing {
    const { t, locale } = this.ui;
    const usage = runUsage(this.row.messages);
    if (!usage) return nothing;
    const facts = [
      t("hands.usage.steps", { count: usage.steps }),
      t("usage.tokens", { input: count(usage.input, locale), output: count(usage.output, locale) }),
      ...(usage.cost > 0 ? [money(usage.cost, locale)] : []),
    ];
    return html`<p class="fine run-usage">${t("hands.usage.run")} ${facts.join(" · ")}</p>`;
  }
}

/** The newest plan of a run. */
function latestPlan(steps: readonly ToolStep[]): readonly PlanStep[] | undefined {
  const plan = steps.findLast((step) => step.name === "plan" && planOf(step).length > 0);
  return plan && planOf(plan);
}

/** The steps of a call of `plan`: as the gateway has them, or as they were called while it has not answered yet. */
function planOf({ details, args }: ToolStep): readonly PlanStep[] {
  const asked = typeof args === "object" && args !== null ? (args as { steps?: unknown }).steps : undefined;
  const found: unknown = details?.steps ?? asked;
  if (!Array.isArray(found)) return [];
  return found.flatMap((each: unknown): PlanStep[] => {
    if (typeof each === "string") return [{ text: each }];
    const { text, state } = (each ?? {}) as { text?: unknown; state?: unknown };
    return typeof text === "string" ? [{ text, ...(typeof state === "string" ? { state } : {}) }] : [];
  });
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-run-outcome": ClawdbotRunOutcome;
  }
}
