/**
 * The button that shows a cell in its notebook. The home around the chat does it (JupyterLab's extension listens to
 * the event and says so on the document); where there is none, there is no button.
 */
import { html, nothing } from "lit";
import type { TemplateResult } from "lit";

import type { CellOperation } from "../../protocol/hands.js";

import type { Ui } from "../base/ui-context.js";
import { cellName } from "./cell-operations.js";

const EVENT = "clawdbot-reveal";

/** A cell of a preview or of a change: as long as it stands in the notebook. */
type Place = Pick<CellOperation, "cell" | "index" | "place"> & { op?: string };

/** @param done whether the operation has been done */
export function showCell(ui: Ui, path: string, each: Place, done: boolean): TemplateResult | typeof nothing {
  if (!("clawdbotReveal" in document.documentElement.dataset)) return nothing;
  const fresh = each.op === "insert" && !done; // it comes behind this one
  const cell = fresh ? (each.place === "end" ? undefined : each.place) : each.cell;
  if (typeof cell !== "string" || (each.op === "delete" && done)) return nothing;
  const detail = { path, cell };
  return html`<button
    type="button"
    class="link"
    aria-label=${ui.t("hands.showNamed", { name: cellName(ui, each) })}
    @click=${() => document.dispatchEvent(new CustomEvent(EVENT, { detail }))}
  >
    ${ui.t("hands.show")}
  </button>`;
}
