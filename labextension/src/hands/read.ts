/** `notebook.list`, `notebook.read`, `cell.output`: the open notebooks as they are, saved or not. */
import type { Cell, ICodeCellModel } from "@jupyterlab/cells";
import type { INotebookTracker, NotebookPanel } from "@jupyterlab/notebook";
import type { CellState, History } from "./history.js";
import type { Parameters } from "./node.js";
import { cellOf, isCode, isReadOnly, openNotebook, pathOf, texts } from "./notebooks.js";
import type { Output, Room } from "./outputs.js";
import { BRIEF, FULL, newRoom, NO_OUTPUTS, pageOf, rawOutputs, withinBudget } from "./outputs.js";
import { revisionOf } from "./revision.js";

const BUDGETS = { none: NO_OUTPUTS, brief: BRIEF, full: FULL };

interface CellRow {
  id: string;
  index: number;
  type: string;
  source: string;
  rev: string;
  editable: boolean;
  executionCount: number | null;
  state: CellState;
  outputs?: Output[];
}

export class Reader {
  constructor(
    private readonly notebooks: INotebookTracker,
    private readonly history: History,
    private readonly connections: (kernelId: string) => number | undefined,
  ) {}

  list(): unknown {
    const seen = new Map<string, unknown>();
    this.notebooks.forEach((panel) => {
      if (!panel.context.isReady || panel.isDisposed) return;
      const path = pathOf(panel);
      const current = panel === this.notebooks.currentWidget;
      if (!seen.has(path) || current) seen.set(path, this.entry(panel, path, current));
    });
    return { notebooks: [...seen.values()] };
  }

  private entry(panel: NotebookPanel, path: string, current: boolean): unknown {
    const { model } = panel.context;
    const code = panel.content.widgets.filter(isCode);
    return {
      path,
      current,
      visible: panel.isVisible,
      dirty: model.dirty,
      readOnly: isReadOnly(panel),
      trusted: code.every((cell) => cell.model.trusted),
      cells: panel.content.widgets.length,
      collaborative: model.collaborative ?? false,
      elsewhere: this.elsewhere(panel),
      language: model.defaultKernelLanguage,
      kernel: this.history.kernelOf(panel),
    };
  }

  /** Does another page seem to have the document, which without collaboration is another copy of it? */
  private elsewhere(panel: NotebookPanel): boolean | null {
    const id = panel.sessionContext.session?.kernel?.id;
    const all = id === undefined ? undefined : this.connections(id);
    if (all === undefined) return null;
    let ours = 0;
    this.notebooks.forEach((each) => (ours += each.sessionContext.session?.kernel?.id === id ? 1 : 0));
    return all > ours;
  }

  async read({ path, cells, from, to, outputs }: Parameters): Promise<unknown> {
    const panel = await openNotebook(this.notebooks, path);
    const budget = outputs === "none" || outputs === "full" ? outputs : "brief";
    const states = this.history.statesOf(panel);
    const ids = texts(cells);
    const known = ids && new Set(ids.map((id) => cellOf(panel, id).model.id));
    const [first, last] = [typeof from === "number" ? from : 0, typeof to === "number" ? to : Infinity];
    const room = newRoom();
    const rows = panel.content.widgets.flatMap((cell, index) => {
      const wanted = known ? known.has(cell.model.id) : first <= index && index < last;
      return wanted ? [row(cell, index, states[index] ?? "never", budget, room)] : [];
    });
    const shared = panel.context.model.sharedModel;
    return {
      path: pathOf(panel),
      nbformat: [shared.nbformat, shared.nbformat_minor],
      readOnly: isReadOnly(panel),
      dirty: panel.context.model.dirty,
      language: panel.context.model.defaultKernelLanguage,
      kernel: this.history.kernelOf(panel),
      active: panel.content.activeCell?.model.id,
      total: panel.content.widgets.length,
      cells: rows,
    };
  }

  async output({ path, cell, page }: Parameters): Promise<unknown> {
    const panel = await openNotebook(this.notebooks, path);
    return pageOf(rawOutputs(cellOf(panel, cell)), typeof page === "number" ? page : 0, FULL);
  }
}

function row(cell: Cell, index: number, state: CellState, outputs: keyof typeof BUDGETS, room: Room): CellRow {
  const { model } = cell;
  const source = model.sharedModel.getSource();
  const count = model.type === "code" ? (model as ICodeCellModel).executionCount : null;
  return {
    id: model.id,
    index,
    type: model.type,
    source,
    rev: revisionOf(source),
    editable: model.getMetadata("editable") !== false,
    executionCount: count ?? null,
    state,
    ...(outputs === "none" || model.type !== "code"
      ? {}
      : { outputs: withinBudget(rawOutputs(cell), BUDGETS[outputs], room) }),
  };
}
