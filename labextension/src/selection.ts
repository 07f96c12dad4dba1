/** What is selected in the active cell of a notebook: in its editor, or in what it has put out. */
import type { NotebookPanel } from "@jupyterlab/notebook";

/** Kept while the person writes in the chat, which takes the page's selection away. */
let inOutput: { cell: Element; text: string } | null = null;

export function selectedText(panel: NotebookPanel): string {
  const cell = panel.content.activeCell;
  if (!cell) return "";
  if (inOutput?.cell === cell.node) return inOutput.text;
  const { editor } = cell;
  if (!editor) return "";
  const { start, end } = editor.getSelection();
  return editor.model.sharedModel.getSource().slice(editor.getOffsetAt(start), editor.getOffsetAt(end));
}

/**
 * Tell when there is another selection in a notebook.
 * @param current what is selected now
 */
export function watchSelection(current: () => string, changed: () => void): void {
  let known = "";
  let waiting = 0;
  document.addEventListener("selectionchange", () => {
    const selection = document.getSelection();
    const place = selection?.anchorNode?.parentElement;
    const cell = place?.closest(".jp-Notebook .jp-Cell");
    if (cell) {
      const text = place?.closest(".jp-Cell-outputWrapper, .jp-MarkdownOutput") ? selection?.toString() : "";
      inOutput = text ? { cell, text } : null;
    }
    cancelAnimationFrame(waiting); // the editor takes over what is selected after this event
    waiting = requestAnimationFrame(() => {
      const text = current();
      if (text === known) return;
      known = text;
      changed();
    });
  });
}
