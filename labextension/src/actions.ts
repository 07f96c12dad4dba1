/** The buttons on the code of an answer: they name the cell that was asked about and work there, wherever the focus is. */
import { Dialog, Notification, showDialog } from "@jupyterlab/apputils";
import type { Cell } from "@jupyterlab/cells";
import type { INotebookTracker, NotebookPanel } from "@jupyterlab/notebook";
import { Widget } from "@lumino/widgets";
import { difference, fits, hasHidden, hiddenShown, isKernels, isProse, withoutHidden } from "./code.js";
import { inSight, insertCell, mustBeWritable, Places, replaceText, runCell } from "./edits.js";
import type { Place } from "./edits.js";
import type { CellSource, CodeAction, CodeActions, CodeBlock } from "./embed.js";
import { NoCell, nameOf, placeOf, revisionOf } from "./notebook.js";
import type { Text } from "./texts.js";
import { WARNING_MS } from "./texts.js";

/** In a question about many cells it is unknown which one a block is meant for; so many are offered, the first. */
const MOST_REPLACED = 3;

export class NotebookCode {
  private readonly places: Places;
  private pending = 0;

  /**
   * @param open brings a notebook into view
   * @param changed other things can be done now
   */
  constructor(
    private readonly notebooks: INotebookTracker,
    private readonly text: Text,
    private readonly open: (path: string) => Promise<unknown>,
    private readonly changed: () => void,
  ) {
    this.places = new Places(notebooks);
    notebooks.currentChanged.connect(this.tell);
    notebooks.widgetAdded.connect((_, panel) => void this.watch(panel));
  }

  /** What can be done now, as a new function, by which the chat sees that it may be something else. */
  get actions(): CodeActions {
    return (block) => this.of(block);
  }

  private async watch(panel: NotebookPanel): Promise<void> {
    panel.context.pathChanged.connect(this.tell);
    panel.disposed.connect(this.tell);
    await panel.context.ready;
    if (panel.isDisposed) return;
    panel.context.model.cells.changed.connect(this.tell);
    panel.context.model.metadataChanged.connect(this.tell); // the kernel's language stands there
    this.tell();
  }

  /** Once for any number of cells. */
  private readonly tell = (): void => {
    cancelAnimationFrame(this.pending);
    this.pending = requestAnimationFrame(() => this.changed());
  };

  private of(block: CodeBlock): CodeAction[] {
    const { text } = this;
    const asked = unlike(block.asked);
    const last = asked.at(-1);
    if (!last) return this.unbound(block);
    const found = asked.map((source) => ({ source, place: this.places.find(source) }));
    const closed = found.find(({ place }) => place === null)?.source;
    if (closed) {
      const run = (): Promise<void> => this.told(() => this.open(closed.path));
      return [{ id: "open", label: text("Open %1", closed.path.split("/").pop() ?? ""), run }];
    }
    const known = found as { source: CellSource; place: Place }[];
    const cells = known.filter(({ place: { cell, panel } }) => cell && fitsCell(block, panel, cell));
    const many = asked.length > 1;
    const replacing = cells.slice(0, MOST_REPLACED).map(({ source, place }, at): CodeAction => {
      const label = this.named("Replace cell %1", place);
      const run = (code: string): Promise<void> => this.told(() => this.replace(source, code, many));
      return { id: at === 0 ? "replace" : `replace-${at + 1}`, label, run };
    });
    const place = this.found(last);
    const cell = place.cell ?? (last.id === undefined ? place.panel.content.activeCell : null);
    const below = cell ? this.named("Insert below cell %1", { ...place, cell }) : text("Insert at the end");
    return [...this.inserting(block, below, place.panel, () => this.after(last)), ...replacing];
  }

  /** An answer to a question without a cell: its code goes below the active cell of the notebook in front. */
  private unbound(block: CodeBlock): CodeAction[] {
    const panel = this.notebooks.currentWidget;
    if (!panel) return [];
    return this.inserting(block, this.text("Insert below"), panel, () => {
      const current = this.notebooks.currentWidget;
      if (!current) throw new NoCell("Open a notebook first: there is no cell to work with.");
      return { panel: current, cell: current.content.activeCell };
    });
  }

  private inserting(
    block: CodeBlock,
    below: string,
    panel: NotebookPanel,
    where: () => { panel: NotebookPanel; cell: Cell | null },
  ): CodeAction[] {
    const type = isProse(block.language) ? "markdown" : "code";
    const put = async (code: string, run: boolean): Promise<void> => {
      mustBeWritable(where().panel, null);
      const clean = await this.seen(code);
      if (clean === null) return;
      const { panel: at, cell } = where();
      const made = insertCell(at, cell, type, clean);
      this.show(at, made, this.text("Cell %1 was inserted.", placeOf(at, made)));
      if (run) await runCell(at, made);
    };
    const insert: CodeAction = {
      id: "insert",
      label: below,
      run: (code) => this.told(() => put(code, false)),
    };
    if (!isKernels(block.language, languageOf(panel))) return [insert];
    const run = (code: string): Promise<void> => this.told(() => put(code, true));
    return [insert, { id: "run", label: this.text("Insert and run"), run }];
  }

  private after(source: CellSource): { panel: NotebookPanel; cell: Cell | null } {
    const { panel, cell } = this.found(source);
    return { panel, cell: cell ?? (source.id === undefined ? panel.content.activeCell : null) };
  }

  private found(source: CellSource): Place {
    const place = this.places.find(source);
    if (!place) throw new NoCell("The notebook is not open.");
    return place;
  }

  private async replace(source: CellSource, code: string, doubtful: boolean): Promise<void> {
    const { panel, cell, sure } = this.found(source);
    if (!cell) throw new NoCell("The cell is no longer there.");
    mustBeWritable(panel, cell);
    const clean = await this.seen(code);
    if (clean === null) return;
    const before = cell.model.sharedModel.getSource();
    const since = source.revision !== undefined && revisionOf(before) !== source.revision;
    if (before === clean) {
      Notification.info(this.text("The cell says that already."), { autoClose: 3_000 });
      return;
    }
    if ((since || doubtful || !sure) && !(await this.agreed(panel, cell, clean, since))) return;
    if (cell.isDisposed || cell.model.sharedModel.getSource() !== before)
      throw new NoCell("The cell was changed meanwhile; nothing was replaced.");
    replaceText(panel, cell, clean);
    this.show(panel, cell, this.text("Cell %1 was replaced.", placeOf(panel, cell)));
  }

  /** Code as the person has seen it: what is hidden in it is shown, and it goes without that or not at all. */
  private async seen(code: string): Promise<string | null> {
    if (!hasHidden(code)) return code;
    const body = new Widget();
    const said = paragraph(
      this.text("The code has characters that cannot be seen, or that turn the order of what is:"),
    );
    const lines = document.createElement("pre");
    lines.className = "clawdbot-Difference";
    lines.tabIndex = 0;
    lines.textContent = hiddenShown(code);
    body.node.append(said, lines);
    const { button } = await showDialog({
      title: this.text("Hidden characters"),
      body,
      buttons: [
        Dialog.cancelButton({ label: this.text("Cancel") }),
        Dialog.warnButton({ label: this.text("Go on without them") }),
      ],
      defaultButton: 0,
    });
    return button.accept ? withoutHidden(code) : null;
  }

  private async agreed(panel: NotebookPanel, cell: Cell, code: string, since: boolean): Promise<boolean> {
    const body = new Widget();
    const lines = document.createElement("pre");
    lines.className = "clawdbot-Difference";
    lines.tabIndex = 0;
    for (const { mark, text } of difference(cell.model.sharedModel.getSource(), code)) {
      const line = document.createElement(mark === "-" ? "del" : mark === "+" ? "ins" : "span");
      line.textContent = `${mark} ${text}\n`;
      lines.append(line);
    }
    const why = since ? "The cell has changed since the question." : "This is what would change.";
    body.node.append(paragraph(`${nameOf(panel)} · ${this.text(why)}`), lines);
    const { button } = await showDialog({
      title: this.text("Replace cell %1?", placeOf(panel, cell)),
      body,
      buttons: [
        Dialog.cancelButton({ label: this.text("Cancel") }),
        Dialog.warnButton({ label: this.text("Replace") }),
      ],
      defaultButton: 0,
    });
    return button.accept;
  }

  /** Where the cell is out of sight, say what was done, with a way there. */
  private show(panel: NotebookPanel, cell: Cell, said: string): void {
    if (inSight(panel, cell)) return;
    const there = (): void => {
      void this.open(panel.context.path).then(() => panel.content.scrollToCell(cell));
    };
    Notification.success(`${nameOf(panel)}: ${said}`, {
      autoClose: 6_000,
      actions: [{ label: this.text("Show"), callback: there }],
    });
  }

  private named(message: string, { panel, cell }: Place): string {
    const name = this.text(message, cell ? placeOf(panel, cell) : 0);
    return panel === this.notebooks.currentWidget ? name : `${name} · ${nameOf(panel)}`;
  }

  private async told(work: () => unknown): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof NoCell)) throw error;
      Notification.warning(this.text(error.message), { autoClose: WARNING_MS });
    }
  }
}

function paragraph(said: string): HTMLElement {
  const made = document.createElement("p");
  made.textContent = said;
  return made;
}

function fitsCell({ language }: CodeBlock, panel: NotebookPanel, cell: Cell): boolean {
  return fits(language, cell.model.type, cell.model.sharedModel.getSource(), languageOf(panel));
}

function languageOf(panel: NotebookPanel): string {
  return panel.context.model.defaultKernelLanguage;
}

/** Each cell once; a notebook alone only where none of its cells is named. */
function unlike(asked: readonly CellSource[]): CellSource[] {
  const kept = new Map(asked.map((source) => [`${source.path}\n${source.id ?? ""}`, source]));
  const all = [...kept.values()];
  return all.filter(({ path, id }) => id !== undefined || !all.some((each) => each.path === path && each.id));
}
