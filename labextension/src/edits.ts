/**
 * The place in a notebook that a question was about, and the changes that can be made there. A place is found by the
 * ids of notebook and cell, never by what has the focus. A change moves no selection and is one step of undo.
 */
import type { Cell } from "@jupyterlab/cells";
import type { INotebookTracker, NotebookPanel } from "@jupyterlab/notebook";
import { NotebookActions } from "@jupyterlab/notebook";
import type { CellSource } from "./embed.js";
import { NoCell } from "./notebook.js";

/** What both editors' undo managers have of Yjs, as far as it is used here. */
export interface UndoManager {
  stopCapturing(): void;
  trackedOrigins: Set<unknown>;
}

export interface Place {
  panel: NotebookPanel;
  /** `null` where the question was about the notebook, or the cell is deleted. */
  cell: Cell | null;
  /** The notebook is the one that was asked about; else it is one that has a cell of this id, a copy perhaps. */
  sure: boolean;
}

export class Places {
  /** The paths that an open notebook had before it was renamed. */
  private readonly former = new WeakMap<NotebookPanel, Set<string>>();

  constructor(private readonly notebooks: INotebookTracker) {
    notebooks.widgetAdded.connect((_, panel) => {
      const paths = new Set([panel.context.path]);
      this.former.set(panel, paths);
      panel.context.pathChanged.connect((_context, path) => void paths.add(path));
    });
  }

  /** Where the notebook is open, or `null`. */
  find({ path, id }: CellSource): Place | null {
    const panel =
      this.notebooks.find((each) => each.context.path === path) ??
      this.notebooks.find((each) => this.former.get(each)?.has(path) === true);
    if (panel) return { panel, cell: id === undefined ? null : cellOf(panel, id), sure: true };
    if (id === undefined) return null;
    const others = this.notebooks.filter((each) => cellOf(each, id) !== null);
    const only = others.length === 1 ? others[0] : undefined;
    return only ? { panel: only, cell: cellOf(only, id), sure: false } : null;
  }
}

function cellOf(panel: NotebookPanel, id: string): Cell | null {
  return panel.content.widgets.find((cell) => cell.model.id === id) ?? null;
}

/** Throws `NoCell` where the notebook, or the cell, may not be changed. */
export function mustBeWritable(panel: NotebookPanel, cell: Cell | null): void {
  if (panel.context.model.readOnly || !panel.context.contentsModel?.writable)
    throw new NoCell("The notebook is read-only.");
  if (!cell) return;
  if (cell.isDisposed) throw new NoCell("The cell is no longer there.");
  if (cell.model.getMetadata("editable") === false) throw new NoCell("The cell is read-only.");
}

/** Give a cell another text, in one step that both Ctrl+Z in the cell and Z on the notebook take back. */
export function replaceText(panel: NotebookPanel, cell: Cell, text: string): void {
  mustBeWritable(panel, cell);
  const notebook = panel.context.model.sharedModel;
  const shared = cell.model.sharedModel;
  // Lab keeps one history a cell and one for the notebook, and each follows changes of its own only.
  const [own, whole] = [shared, notebook].map(
    (model) => (model as unknown as { undoManager?: UndoManager | null }).undoManager ?? undefined,
  );
  const lent = own !== undefined && own !== whole && !own.trackedOrigins.has(notebook);
  if (lent) own.trackedOrigins.add(notebook);
  for (const history of [own, whole]) history?.stopCapturing();
  try {
    notebook.transact(() => {
      const old = shared.getSource();
      const [start, end] = sameEnds(old, text); // cut off, so that a cursor there stays where it is
      shared.updateSource(start, old.length - end, text.slice(start, text.length - end));
    });
  } finally {
    for (const history of [own, whole]) history?.stopCapturing();
    if (lent) own.trackedOrigins.delete(notebook);
  }
}

/** How many characters two texts have in common at the start and at the end. */
export function sameEnds(old: string, text: string): [number, number] {
  const most = Math.min(old.length, text.length);
  let start = 0;
  while (start < most && old[start] === text[start]) start++;
  let end = 0;
  while (end < most - start && old[old.length - 1 - end] === text[text.length - 1 - end]) end++;
  return [start, end];
}

/** Put a new cell into a notebook: below `cell`, else at the end. */
export function insertCell(panel: NotebookPanel, cell: Cell | null, type: "code" | "markdown", text: string): Cell {
  mustBeWritable(panel, null);
  const { widgets } = panel.content;
  const at = cell && !cell.isDisposed ? widgets.indexOf(cell) + 1 : widgets.length;
  const history = (panel.context.model.sharedModel as unknown as { undoManager?: UndoManager }).undoManager;
  history?.stopCapturing();
  const metadata = type === "code" ? { trusted: true } : {};
  panel.context.model.sharedModel.insertCell(at, { cell_type: type, source: text, metadata });
  history?.stopCapturing();
  const made = panel.content.widgets[at];
  if (!made) throw new NoCell("The cell is no longer there.");
  return made;
}

/** Run a cell in the notebook's kernel, where the person sees what it does. */
export async function runCell(panel: NotebookPanel, cell: Cell): Promise<void> {
  await NotebookActions.runCells(panel.content, [cell], panel.sessionContext);
}

/** Is the cell where the person looks? */
export function inSight(panel: NotebookPanel, cell: Cell): boolean {
  if (!panel.isVisible || !cell.isAttached) return false;
  const [frame, box] = [panel.content.node.getBoundingClientRect(), cell.node.getBoundingClientRect()];
  return box.bottom > frame.top && box.top < frame.bottom;
}
