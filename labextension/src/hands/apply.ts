/**
 * `notebook.apply`: a batch of changes on the live document, all or none. Each cell's own history has one step for it,
 * and so has the notebook's, so that Ctrl+Z in a cell takes back what was done there and Z all of it.
 */
import type { Cell, ICodeCellModel } from "@jupyterlab/cells";
import type { NotebookPanel } from "@jupyterlab/notebook";
import { UUID } from "@lumino/coreutils";
import type { UndoManager } from "../edits.js";
import { sameEnds } from "../edits.js";
import { HandsError } from "./errors.js";
import { isReadOnly } from "./notebooks.js";
import { rawOutputs } from "./outputs.js";
import type { CellNow, Operation, PlannedCell } from "./plan.js";
import { planned, staying } from "./plan.js";
import { revisionOf, sumOf } from "./revision.js";
import { keepingPlace } from "./view.js";

export interface Meta {
  runId?: string;
  by?: string;
  approvalId?: string;
}

interface Before {
  source: string;
  type: string;
  index: number;
  metadata: unknown;
  /** `null`: too large to be sent; then they are still in the document. */
  outputs: unknown[] | null;
  executionCount: number | null;
}

export interface Change {
  op: Operation["op"];
  cell: string;
  newId?: string;
  index: number;
  before: Before | null;
  after: { source: string; type: string; index: number; rev: string } | null;
}

type Shared = Cell["model"]["sharedModel"];
type SharedNotebook = NotebookPanel["context"]["model"]["sharedModel"];
type NewCell = Parameters<SharedNotebook["insertCell"]>[1];

/** Outputs that an operation leaves alone are sent along up to this size, in characters. */
const MOST_BESIDE = 100_000;
/** Outputs that it takes away are the only copy: they go along up to this size, and a larger cell stays. */
const MOST_TAKEN = 4_000_000;

/** Outputs that were taken away here by cell, as a sum: what comes back unchanged may show itself as it did. */
const taken = new Map<string, number>();

/** @throws HandsError READ_ONLY and those of `planned` */
export function apply(panel: NotebookPanel, operations: readonly Operation[], meta: Meta): Change[] {
  if (isReadOnly(panel)) throw new HandsError("READ_ONLY", "the notebook is read-only");
  const before = panel.content.widgets.slice();
  const now = before.map(cellNow);
  const after = planned(now, operations, () => UUID.uuid4());
  const facts = new Map(
    operations.flatMap((each) => (each.op === "insert" ? [] : [[each.cell, factsOf(before, each)]])),
  );
  keepingPlace(panel, () => carryOut(panel, before, now, after, meta));
  return changesOf(operations, now, after, facts);
}

function cellNow({ model }: Cell): CellNow {
  return {
    id: model.id,
    type: model.type,
    source: model.sharedModel.getSource(),
    editable: model.getMetadata("editable") !== false,
    deletable: model.getMetadata("deletable") !== false,
  };
}

function factsOf(cells: readonly Cell[], operation: Exclude<Operation, { op: "insert" }>): Before {
  const index = cells.findIndex(({ model }) => model.id === operation.cell);
  const cell = cells[index];
  if (!cell) throw new HandsError("NO_SUCH_CELL", `no cell ${operation.cell}`, { cell: operation.cell });
  const { model } = cell;
  const outputs = rawOutputs(cell);
  const size = outputs.length === 0 ? 0 : JSON.stringify(outputs).length;
  const takes = operation.op === "delete" || operation.op === "clear" || operation.op === "type";
  if (takes && size > MOST_TAKEN)
    throw new HandsError("OUTPUTS_TOO_LARGE", "the cell's outputs are too large to be kept for an undo", {
      cell: operation.cell,
      characters: size,
    });
  if (takes && size > 0) taken.set(model.id, sumOf(JSON.stringify(outputs)));
  return {
    source: model.sharedModel.getSource(),
    type: model.type,
    index,
    metadata: model.sharedModel.getMetadata(),
    outputs: takes || size <= MOST_BESIDE ? outputs : null,
    executionCount: model.type === "code" ? (model as ICodeCellModel).executionCount : null,
  };
}

// -- the document -------------------------------------------------------------------------------------------------------
function carryOut(
  panel: NotebookPanel,
  before: readonly Cell[],
  now: readonly CellNow[],
  after: readonly PlannedCell[],
  meta: Meta,
): void {
  const notebook = panel.context.model.sharedModel;
  const stay = staying(now, after, panel.content.activeCellIndex);
  const changed = [...stay].filter((cell) => cell.changed || cell.cleared);
  const shared = (cell: PlannedCell): Shared | undefined => before[cell.from ?? -1]?.model.sharedModel;
  asOneStep(
    notebook,
    changed.flatMap((cell) => shared(cell) ?? []),
    () => {
      notebook.transact(() => {
        for (const cell of changed) {
          const model = before[cell.from ?? -1]?.model;
          if (!model) continue;
          if (cell.changed) replaceSource(model.sharedModel, cell.source);
          if (cell.changed) sign(model.sharedModel, meta);
          if (cell.cleared && model.type === "code") (model as ICodeCellModel).clearExecution();
        }
      });
      // One at a time: Lab finds the active cell again after each, but not after several at once.
      const moved = new Map(
        after.flatMap((cell) =>
          cell.from === null || stay.has(cell) ? [] : [[cell, movedCell(cell, now, before, meta)]],
        ),
      );
      const places = new Set([...stay].map(({ from }) => from));
      for (let at = before.length - 1; at >= 0; at--) if (!places.has(at)) notebook.deleteCell(at);
      after.forEach((cell, at) => {
        if (!stay.has(cell)) notebook.insertCell(at, moved.get(cell) ?? newCell(cell, meta));
      });
    },
  );
}

/** Have both histories of Lab, that of a cell and that of the notebook, take `change` as one step. */
function asOneStep(notebook: SharedNotebook, cells: readonly Shared[], change: () => void): void {
  const historyOf = (model: unknown): UndoManager | undefined =>
    (model as { undoManager?: UndoManager | null }).undoManager ?? undefined;
  const whole = historyOf(notebook);
  const own = cells.flatMap((cell) => historyOf(cell) ?? []).filter((each) => each !== whole);
  const lent = own.filter((each) => !each.trackedOrigins.has(notebook));
  const stop = (): void => [...own, ...(whole ? [whole] : [])].forEach((each) => each.stopCapturing());
  for (const each of lent) each.trackedOrigins.add(notebook);
  stop();
  try {
    change();
  } finally {
    stop();
    for (const each of lent) each.trackedOrigins.delete(notebook);
  }
}

/** Only what differs is changed, so that a cursor in the rest stays where it is. */
function replaceSource(shared: Shared, source: string): void {
  const old = shared.getSource();
  if (old === source) return;
  const [start, end] = sameEnds(old, source);
  shared.updateSource(start, old.length - end, source.slice(start, source.length - end));
}

function sign(shared: Shared, meta: Meta): void {
  const signature = signatureOf(meta);
  if (signature) shared.setMetadata("clawdbot", signature);
  else if (shared.getMetadata("clawdbot") !== undefined) shared.deleteMetadata("clawdbot");
}

/** `metadata.clawdbot`: which run changed the cell, and who allowed it; none for what no run did, as an undo. */
function signatureOf({ runId, by, approvalId }: Meta): Record<string, string> | null {
  if (runId === undefined) return null;
  return { run: runId, ...(by === undefined ? {} : { by }), ...(approvalId ? { approval: approvalId } : {}) };
}

/** The same cell for another place or of another type, as Lab's own commands make it: its id stays. */
function movedCell(cell: PlannedCell, now: readonly CellNow[], before: readonly Cell[], meta: Meta): NewCell {
  const from = cell.from ?? -1;
  const old = before[from]?.model.sharedModel.toJSON() as unknown as Record<string, unknown>;
  const isRetyped = now[from]?.type !== cell.type;
  const metadata = { ...(old.metadata as Record<string, unknown>) };
  const signature = signatureOf(meta);
  if (cell.changed) Reflect.deleteProperty(metadata, "clawdbot");
  if (cell.changed && signature) metadata.clawdbot = signature;
  if (!isRetyped) {
    const cleared = cell.cleared && cell.type === "code" ? { outputs: [], execution_count: null } : {};
    return { ...old, id: cell.id, source: cell.source, metadata, ...cleared } as unknown as NewCell;
  }
  Reflect.deleteProperty(metadata, "trusted");
  if (cell.type === "code") metadata.trusted = true; // it has no outputs
  const attachments = cell.type !== "code" && old.attachments ? { attachments: old.attachments } : {};
  return { id: cell.id, cell_type: cell.type, source: cell.source, metadata, ...attachments } as unknown as NewCell;
}

function newCell(cell: PlannedCell, meta: Meta): NewCell {
  const { metadata = {}, outputs = [], executionCount = null } = cell.given ?? {};
  const signature = signatureOf(meta);
  const said: Record<string, unknown> = { ...metadata, ...(signature ? { clawdbot: signature } : {}) };
  Reflect.deleteProperty(said, "trusted");
  const base = { id: cell.id, cell_type: cell.type, source: cell.source, metadata: said };
  if (cell.type !== "code") return base as unknown as NewCell;
  const ours = outputs.length === 0 || taken.get(cell.id) === sumOf(JSON.stringify(outputs));
  if (ours) said.trusted = true;
  return { ...base, outputs, execution_count: executionCount } as unknown as NewCell;
}

// -- what is told -------------------------------------------------------------------------------------------------------
function changesOf(
  operations: readonly Operation[],
  now: readonly CellNow[],
  after: readonly PlannedCell[],
  facts: ReadonlyMap<string, Before>,
): Change[] {
  const given = new Map(after.flatMap((cell) => (cell.given ? [[cell.given, cell]] : [])));
  return operations.map((operation): Change => {
    const cell = operation.op === "insert" ? given.get(operation.cell) : after.find(({ id }) => id === operation.cell);
    const id = operation.op === "insert" ? (cell?.id ?? "") : operation.cell;
    const index = cell ? after.indexOf(cell) : now.findIndex((each) => each.id === id);
    const { type = "", source = "" } = cell ?? {};
    return {
      op: operation.op,
      cell: id,
      ...(operation.op === "insert" ? { newId: id } : {}),
      index,
      before: operation.op === "insert" ? null : (facts.get(id) ?? null),
      after: cell ? { source, type, index, rev: revisionOf(source) } : null,
    };
  });
}
