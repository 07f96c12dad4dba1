/**
 * What a batch of operations makes of a list of cells, found out before anything is changed: the whole batch fits, or
 * nothing of it is done. No Lab and no document here.
 */
import { HandsError } from "./errors.js";
import { revisionOf } from "./revision.js";

export type CellType = "code" | "markdown" | "raw";

export interface GivenCell {
  id?: string;
  type?: CellType;
  source?: string;
  metadata?: Record<string, unknown>;
  outputs?: unknown[];
  executionCount?: number | null;
}

export type Operation =
  | { op: "insert"; after: string | null; cell: GivenCell }
  | { op: "replace"; cell: string; rev: string; source: string }
  | { op: "move"; cell: string; rev: string; after: string | null }
  | { op: "delete" | "clear"; cell: string; rev: string }
  | { op: "type"; cell: string; rev: string; to: CellType };

/** A cell as it is. */
export interface CellNow {
  id: string;
  type: string;
  source: string;
  editable: boolean;
  deletable: boolean;
}

/** A cell as it is to be. */
export interface PlannedCell {
  id: string;
  type: string;
  source: string;
  /** Its place before, `null` of a new one. */
  from: number | null;
  cleared: boolean;
  /** It says or is something else than before, not only somewhere else. */
  changed: boolean;
  given?: GivenCell;
}

interface Conflict {
  cell: string;
  rev: string | null;
  source: string | null;
}

const TYPES: ReadonlySet<unknown> = new Set(["code", "markdown", "raw"]);

/**
 * The cells after all operations, in order.
 * @param newId makes an id for a cell that is given none
 * @throws HandsError CONFLICT (with the present texts), NOT_EDITABLE, NO_SUCH_CELL, INVALID_REQUEST
 */
export function planned(now: readonly CellNow[], operations: readonly Operation[], newId: () => string): PlannedCell[] {
  const known = new Map(now.map((cell) => [cell.id, cell]));
  const made = new Set(operations.map((each) => (each.op === "insert" ? each.cell.id : undefined)));
  const conflicts = operations.flatMap((each) =>
    each.op !== "insert" && made.has(each.cell) && !known.has(each.cell) ? [] : conflictOf(each, known),
  );
  if (conflicts.length > 0) throw new HandsError("CONFLICT", "a cell was changed since it was read", { conflicts });
  for (const each of operations) mustBeAllowed(each, known);
  const cells = now.map(({ id, type, source }, from): PlannedCell => ({
    id,
    type,
    source,
    from,
    cleared: false,
    changed: false,
  }));
  for (const each of operations) carryOut(cells, each, newId);
  return cells;
}

function conflictOf(operation: Operation, known: ReadonlyMap<string, CellNow>): Conflict[] {
  if (operation.op === "insert") {
    const there = operation.cell.id === undefined ? undefined : known.get(operation.cell.id);
    return there ? [{ cell: there.id, rev: revisionOf(there.source), source: there.source }] : [];
  }
  const { cell, rev } = operation;
  const there = known.get(cell);
  if (!there) return [{ cell, rev: null, source: null }];
  const present = revisionOf(there.source);
  return present === rev ? [] : [{ cell, rev: present, source: there.source }];
}

function mustBeAllowed(operation: Operation, known: ReadonlyMap<string, CellNow>): void {
  if (operation.op === "insert" || operation.op === "move") return;
  const cell = known.get(operation.cell);
  const allowed = operation.op === "delete" ? cell?.deletable : cell?.editable;
  if (allowed === false)
    throw new HandsError("NOT_EDITABLE", `the cell may not be changed: ${operation.op}`, { cell: operation.cell });
}

function carryOut(cells: PlannedCell[], operation: Operation, newId: () => string): void {
  if (operation.op === "insert") {
    const { id, type = "code", source = "" } = operation.cell;
    if (!TYPES.has(type) || typeof source !== "string") throw invalid("a cell has a type and a text");
    const made = { id: id ?? newId(), type, source, from: null, cleared: false, changed: true, given: operation.cell };
    cells.splice(placeAfter(cells, operation.after), 0, made);
    return;
  }
  const at = cells.findIndex(({ id }) => id === operation.cell);
  const cell = cells[at];
  if (!cell) throw new HandsError("NO_SUCH_CELL", `no cell ${operation.cell}`, { cell: operation.cell });
  switch (operation.op) {
    case "replace":
      if (typeof operation.source !== "string") throw invalid("a text is missing");
      cell.source = operation.source;
      cell.changed = true;
      break;
    case "type":
      if (!TYPES.has(operation.to)) throw invalid("no such type of cell");
      cell.type = operation.to;
      cell.changed = true;
      break;
    case "clear":
      cell.cleared = true;
      break;
    case "delete":
      cells.splice(at, 1);
      break;
    case "move":
      if (operation.after === operation.cell) throw invalid("a cell does not come after itself");
      cells.splice(at, 1);
      cells.splice(placeAfter(cells, operation.after), 0, cell);
      break;
    default:
      throw invalid("no such operation");
  }
}

function placeAfter(cells: readonly PlannedCell[], after: string | null): number {
  if (after === null) return 0;
  if (after === "end") return cells.length;
  const at = cells.findIndex(({ id }) => id === after);
  if (at < 0) throw new HandsError("NO_SUCH_CELL", `no cell ${after}`, { cell: after });
  return at + 1;
}

function invalid(message: string): HandsError {
  return new HandsError("INVALID_REQUEST", message);
}

/**
 * The cells that stay where they are while the others are taken out and put in around them: as many as can, and the one
 * with the person's cursor in any case.
 * @param active the place before of the cell with the cursor, -1 for none
 */
export function staying(now: readonly CellNow[], after: readonly PlannedCell[], active: number): Set<PlannedCell> {
  const kept = after.filter((cell) => cell.from !== null && now[cell.from]?.type === cell.type);
  const pivot = kept.find(({ from }) => from === active);
  const at = pivot ? kept.indexOf(pivot) : -1;
  const fits = kept.filter((cell, place) =>
    pivot ? cell === pivot || place < at === (cell.from ?? 0) < (pivot.from ?? 0) : true,
  );
  return new Set(longestRising(fits));
}

/** The longest row of cells that are in their old order: each is put below the lowest end that it fits on. */
function longestRising(cells: readonly PlannedCell[]): PlannedCell[] {
  const place = (cell: PlannedCell): number => cell.from ?? 0;
  const ends: PlannedCell[] = []; // of the rows of each length, the lowest last cell
  const before = new Map<PlannedCell, PlannedCell | undefined>();
  for (const cell of cells) {
    let length = ends.findIndex((end) => place(end) >= place(cell));
    if (length < 0) length = ends.length;
    before.set(cell, ends[length - 1]);
    ends[length] = cell;
  }
  const row: PlannedCell[] = [];
  for (let cell = ends.at(-1); cell; cell = before.get(cell)) row.unshift(cell);
  return row;
}
