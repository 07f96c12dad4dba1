/** The person's place in a notebook: the cursor, the active cell, what is in view. It does not move by what is done here. */
import type { Cell } from "@jupyterlab/cells";
import type { NotebookPanel } from "@jupyterlab/notebook";

/** Change a notebook; afterwards the same cell is active, and stands at the same height. */
export function keepingPlace<T>(panel: NotebookPanel, change: () => T): T {
  const notebook = panel.content;
  const [activeId, activeIndex] = [notebook.activeCell?.model.id, notebook.activeCellIndex];
  const focused = notebook.widgets.find(({ node }) => node.contains(document.activeElement));
  const anchor = inView(panel);
  const top = anchor?.node.getBoundingClientRect().top ?? 0;
  const result = change();
  const index = notebook.widgets.findIndex(({ model }) => model.id === activeId);
  if (focused?.isDisposed) leave(panel);
  const wanted = index >= 0 ? index : Math.min(activeIndex, notebook.widgets.length - 1);
  if (wanted !== notebook.activeCellIndex) notebook.activeCellIndex = wanted;
  if (anchor) keepHeight(panel, anchor, top);
  return result;
}

/** The cell with the cursor is gone: what is typed on must not go to another cell, nor be taken for Lab's keys. */
function leave(panel: NotebookPanel): void {
  if (panel.content.mode === "edit") panel.content.mode = "command";
  if (panel.content.node.contains(document.activeElement)) (document.activeElement as HTMLElement).blur();
}

/** The active cell if it is in view, else the first that is. */
function inView(panel: NotebookPanel): Cell | undefined {
  if (!panel.isVisible || document.hidden) return undefined;
  const frame = panel.content.outerNode.getBoundingClientRect();
  const isSeen = ({ node }: Cell): boolean => {
    const box = node.getBoundingClientRect();
    return node.isConnected && box.height > 0 && box.bottom > frame.top && box.top < frame.bottom;
  };
  const { activeCell, widgets } = panel.content;
  return activeCell && isSeen(activeCell) ? activeCell : widgets.find(isSeen);
}

/** Twice: cells are laid out in the next frame, and of those that came into view the true height is known after it. */
function keepHeight(panel: NotebookPanel, anchor: Cell, top: number, times = 2): void {
  requestAnimationFrame(() => {
    if (anchor.isDisposed || !anchor.node.isConnected) return;
    const moved = anchor.node.getBoundingClientRect().top - top;
    if (Math.abs(moved) >= 1) panel.content.outerNode.scrollTop += moved;
    if (times > 1) keepHeight(panel, anchor, top, times - 1);
  });
}
