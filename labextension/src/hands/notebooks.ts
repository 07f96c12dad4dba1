/** The notebooks that are open in this page, by path, and their cells, by id. */
import type { Cell, CodeCell, ICodeCellModel } from "@jupyterlab/cells";
import type { INotebookTracker, NotebookPanel } from "@jupyterlab/notebook";
import { HandsError } from "./errors.js";

/** The drive of shared documents: the same files under another name. */
const SHARED_DRIVE = /^RTC:/;
/** How long a document that is being loaded is waited for, and then the kernel that it is being connected to. */
const LOADING_MS = 15_000;
const CONNECTING_MS = 10_000;

/** The path as the gateway and other clients spell it. */
export function pathOf(panel: NotebookPanel): string {
  return panel.context.path.replace(SHARED_DRIVE, "");
}

export function isReadOnly(panel: NotebookPanel): boolean {
  return panel.context.model.readOnly || panel.context.contentsModel?.writable === false;
}

/**
 * The notebook of a path, loaded. Of several views of one document that in front.
 * @throws HandsError NOT_OPEN
 */
export async function openNotebook(notebooks: INotebookTracker, path: unknown): Promise<NotebookPanel> {
  const wanted = String(path).replace(SHARED_DRIVE, "");
  const is = (panel: NotebookPanel): boolean => pathOf(panel) === wanted;
  const current = notebooks.currentWidget;
  const panel = current && is(current) ? current : notebooks.find(is);
  if (!panel) throw notOpen(wanted);
  if (!panel.context.isReady) await within(panel.context.ready, LOADING_MS);
  if (panel.isDisposed || !panel.context.isReady) throw notOpen(wanted);
  return panel;
}

/** The same for what needs its kernel: after a reload the page is still about to find the one that runs. */
export async function openConnected(notebooks: INotebookTracker, path: unknown): Promise<NotebookPanel> {
  const panel = await openNotebook(notebooks, path);
  const { sessionContext } = panel;
  if (!sessionContext.session && !sessionContext.isReady) await within(sessionContext.ready, CONNECTING_MS);
  return panel;
}

function notOpen(path: string): HandsError {
  return new HandsError("NOT_OPEN", `${path} is not open in this page`, { path });
}

/** What `promise` gives, or `undefined` after `ms`. */
export async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** @throws HandsError NO_SUCH_CELL */
export function cellOf(panel: NotebookPanel, id: unknown): Cell {
  const cell = panel.content.widgets.find(({ model }) => model.id === id);
  if (!cell) throw noSuchCell(id);
  return cell;
}

function noSuchCell(id: unknown): HandsError {
  return new HandsError("NO_SUCH_CELL", `no cell ${String(id)}`, { cell: id });
}

export function isCode(cell: Cell): cell is CodeCell {
  return cell.model.type === "code";
}

export function isRunning(cell: Cell): boolean {
  return cell.model.type === "code" && (cell.model as ICodeCellModel).executionState === "running";
}

/** A parameter that is a list of texts, or `undefined` where it is not there. */
export function texts(given: unknown): string[] | undefined {
  return Array.isArray(given) ? given.map(String) : undefined;
}
