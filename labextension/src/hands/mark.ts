/**
 * A line at the foot of a cell that the assistant has changed, with the way to take that back. It takes no focus and is
 * gone with the next edit of the cell, or when the person closes it.
 */
import type { Cell } from "@jupyterlab/cells";
import type { NotebookPanel } from "@jupyterlab/notebook";
import { Notification } from "@jupyterlab/apputils";
import { loadElement, root } from "../embed.js";
import type { Text } from "../texts.js";
import { WARNING_MS } from "../texts.js";
import type { Change } from "./apply.js";
import { pathOf } from "./notebooks.js";
import { revisionOf } from "./revision.js";

const CLASS = "clawdbot-Mark";

/** The person's language. */
export interface Words {
  text: Text;
  locale: string;
}

/** As `hands.changes.list` has them, as far as they are needed. */
interface ChangeSet {
  id: string;
  runId: string;
  state: string;
  cells: { cell: string }[];
}

/** Put marks on the cells that a run has changed. */
export function markChanged(panel: NotebookPanel, changes: readonly Change[], runId: string, words: Words): void {
  for (const { op, cell: id, after } of changes) {
    const cell = panel.content.widgets.find(({ model }) => model.id === id);
    if (cell && after && op !== "move") new Mark(panel, cell, runId, words);
  }
}

class Mark {
  private readonly node = document.createElement("div");
  private readonly revision: string;

  constructor(
    private readonly panel: NotebookPanel,
    private readonly cell: Cell,
    private readonly runId: string,
    private readonly words: Words,
  ) {
    this.revision = revisionOf(cell.model.sharedModel.getSource());
    cell.node.querySelector(`:scope > .${CLASS}`)?.remove();
    this.node.className = CLASS;
    this.node.setAttribute("role", "note");
    const said = document.createElement("span");
    said.textContent = words.text("The assistant changed this cell.");
    this.node.append(
      said,
      this.button("Undo", () => this.undo()),
      this.button("Close", () => this.remove()),
    );
    this.node.dataset.lmSuppressShortcuts = "true"; // Enter presses the button, instead of opening the cell
    this.node.addEventListener("mousedown", (event) => event.stopPropagation()); // the active cell stays
    cell.node.append(this.node);
    cell.model.contentChanged.connect(this.changed);
  }

  private button(label: string, act: () => unknown): HTMLButtonElement {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = this.words.text(label);
    button.addEventListener("click", () => void act());
    return button;
  }

  private readonly changed = (): void => {
    if (this.cell.isDisposed || revisionOf(this.cell.model.sharedModel.getSource()) !== this.revision) this.remove();
  };

  private remove(): void {
    const inside = this.node.contains(document.activeElement);
    this.node.remove();
    this.cell.model.contentChanged.disconnect(this.changed);
    if (inside && !this.panel.isDisposed) this.panel.content.activate();
  }

  private async undo(): Promise<void> {
    const { id } = this.cell.model;
    try {
      const embed = await loadElement();
      const ask = (method: string, params: object): Promise<unknown> =>
        embed.request(root(), `hands.changes.${method}`, params, this.words.locale);
      const listed = await ask("list", { path: pathOf(this.panel), limit: 100 });
      const { changes } = listed as { changes: ChangeSet[] };
      const made = changes.find(
        ({ runId, state, cells }) =>
          runId === this.runId && state !== "undone" && cells.some(({ cell }) => cell === id),
      );
      if (!made) throw new Error(this.words.text("The change is not known any more."));
      const { problems } = (await ask("undo", { id: made.id, cells: [id] })) as { problems?: unknown[] };
      if (problems?.length) throw new Error(this.words.text("The cell was changed since; nothing was taken back."));
      this.remove();
    } catch (error) {
      Notification.warning(error instanceof Error ? error.message : String(error), { autoClose: WARNING_MS });
    }
  }
}
