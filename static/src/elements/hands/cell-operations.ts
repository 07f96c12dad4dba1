/** Operations on cells as people read them: a heading each, and the difference of the text. */
import { html, nothing } from "lit";
import type { TemplateResult } from "lit";

import type { CellOperation } from "../../protocol/hands.js";
import { indexOf, sourceOf, typeOf } from "../../protocol/hands.js";
import type { TextKey } from "../../i18n/index.js";

import type { Ui } from "../base/ui-context.js";
import { plain } from "./plain.js";
import { lineDiff, sizeOf } from "./text-diff.js";

const OPERATIONS: Record<string, TextKey> = {
  insert: "hands.op.insert",
  replace: "hands.op.replace",
  move: "hands.op.move",
  delete: "hands.op.delete",
  type: "hands.op.type",
  clear: "hands.op.clear",
};
const TYPES: Record<string, TextKey> = {
  code: "hands.type.code",
  markdown: "hands.type.markdown",
  raw: "hands.type.raw",
};

/** `Cell 3`, as people count; a cell of which only its id is known is named by that. */
export function cellName({ t }: Ui, { index, cell }: { index?: number; cell?: string }): string {
  return index === undefined ? t("hands.cellNamed", { id: cell ?? "?" }) : t("hands.cell", { at: index + 1 });
}

function operationName({ t }: Ui, op: string): string {
  const key = OPERATIONS[op];
  return key ? t(key) : op;
}

function typeName({ t }: Ui, type: string): string {
  const key = TYPES[type];
  return key ? t(key) : type;
}

/** What is done to which cell, and how much of it changes. */
export function heading(ui: Ui, operation: CellOperation, after: string | null): TemplateResult {
  const { op } = operation;
  const name = cellName(ui, operation);
  const before = sourceOf(operation.before);
  const { removed, added } = sizeOf(hasText(op) ? lineDiff(before, after) : []);
  return html`<span class="op-name">${name}</span>
    <span class="op op-${op in OPERATIONS ? op : "other"}">${operationName(ui, op)}</span>
    ${facts(ui, operation).map((fact) => html`<span class="fine">${fact}</span>`)}
    ${added > 0 ? html`<span class="added">+${added}</span>` : nothing}
    ${removed > 0 ? html`<span class="removed">−${removed}</span>` : nothing}`;
}

function facts(ui: Ui, { op, type, to: becomes, place, before, after }: CellOperation): string[] {
  const { t } = ui;
  const [was, is] = [typeOf(before) ?? (becomes === undefined ? undefined : type), typeOf(after) ?? becomes ?? type];
  if (op === "type" && is !== undefined)
    return [was !== undefined && was !== is ? `${typeName(ui, was)} → ${typeName(ui, is)}` : `→ ${typeName(ui, is)}`];
  const [from, to] = [indexOf(before), indexOf(after)];
  if (op === "move" && from !== undefined && to !== undefined && from !== to)
    return [t("hands.moved", { from: from + 1, to: to + 1 })];
  if (op === "move" && place !== undefined)
    return [
      place === null ? t("hands.toStart") : place === "end" ? t("hands.toEnd") : t("hands.behind", { id: place }),
    ];
  return op === "insert" && type !== undefined ? [typeName(ui, type)] : [];
}

/** Does an operation change a text? */
function hasText(op: string): boolean {
  return op !== "move" && op !== "type" && op !== "clear";
}

/** The text of an operation: the difference, or the cell as it is where only its place or type changes. */
export function body(ui: Ui, operation: CellOperation, after: string | null): TemplateResult {
  const before = sourceOf(operation.before);
  if (!hasText(operation.op)) {
    const text = before ?? after ?? "";
    return text === "" ? html`` : html`<pre class="source" tabindex="0">${plain(text)}</pre>`;
  }
  return html`<clawdbot-diff
    .ui=${ui}
    .was=${before}
    .now=${operation.op === "delete" ? null : after}
    .label=${ui.t("hands.diff.of", { name: cellName(ui, operation) })}
  ></clawdbot-diff>`;
}

/** Cells whose outputs will no longer belong to what stands above them. */
export function staleAfter(cells: readonly CellOperation[]): number {
  return new Set(cells.flatMap((each) => each.staleAfter ?? [])).size;
}
