/** The plan of a run as a list that is ticked off. */
import { html } from "lit";
import type { TemplateResult } from "lit";

import type { PlanStep } from "../../protocol/hands.js";
import type { TextKey } from "../../i18n/index.js";

import type { Ui } from "../base/ui-context.js";
import { icon } from "../base/icons.js";
import { plain } from "./plain.js";

const DONE = new Set(["done", "completed", "complete"]);
const NOW = new Set(["running", "active", "in_progress", "doing", "now"]);
const LEFT = new Set(["skipped", "cancelled", "failed"]);
export type StepState = "done" | "now" | "left" | "open";
const STATES: Record<StepState, TextKey> = {
  done: "hands.step.done",
  now: "hands.step.now",
  left: "hands.step.left",
  open: "hands.step.open",
};

export function stateOf({ state = "" }: PlanStep): StepState {
  return DONE.has(state) ? "done" : NOW.has(state) ? "now" : LEFT.has(state) ? "left" : "open";
}

export function planView({ t }: Ui, steps: readonly PlanStep[], live: boolean): TemplateResult {
  const done = steps.filter((step) => stateOf(step) === "done").length;
  return html`<section class="plan" aria-label=${t("hands.plan")}>
    <p class="plan-title">
      ${t("hands.plan")}
      <span class="fine" aria-live=${live ? "polite" : "off"}>${t("hands.planDone", { done, all: steps.length })}</span>
    </p>
    <ol>
      ${steps.map((step) => {
        const state = stateOf(step);
        return html`<li data-state=${state}>
          <span class="tick" aria-hidden="true"
            >${state === "done" ? icon("check") : state === "left" ? icon("close") : ""}</span
          >
          <span>${plain(step.text)}</span><span class="sr"> (${t(STATES[state])})</span>
        </li>`;
      })}
    </ol>
  </section>`;
}
