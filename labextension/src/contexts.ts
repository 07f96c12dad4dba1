/** The chips above the composer: what of the notebook can go along with a message. Each is bound to what it names. */
import type { Cell } from "@jupyterlab/cells";
import type { NotebookPanel } from "@jupyterlab/notebook";
import type { Attachment, ContextSource } from "./embed.js";
import { textFile } from "./embed.js";
import type { LeftOut } from "./notebook.js";
import { cellFiles, failedCell, nameOf, NoCell, notebookFile, placeOf, selectedCells } from "./notebook.js";
import { selectedText } from "./selection.js";
import type { Text } from "./texts.js";
import type { Described } from "./variables.js";
import { describe } from "./variables.js";

/** Variables that are offered, the newest first. */
const MOST_VARIABLES = 12;

/** What goes along unless the person says otherwise: a setting. */
export type ByDefault = "cell" | "notebook" | "nothing";

/** All that can go along now. */
export function contextSources(
  panel: NotebookPanel | null,
  variables: readonly string[],
  text: Text,
  byDefault: ByDefault,
): ContextSource[] {
  if (!panel?.content.activeCell) return [];
  const sources = [
    cellsSource(panel, selectedCells(panel), text, byDefault === "cell"),
    notebookSource(panel, text, byDefault === "notebook"),
  ];
  const failed = failedCell(panel);
  if (selectedText(panel).trim() !== "") sources.push(selectionSource(panel, text));
  if (failed) sources.push(errorSource(panel, failed, text));
  const newest = variables.slice(-MOST_VARIABLES).reverse();
  return [...sources, ...newest.map((name) => variableSource(panel, name, text))];
}

/** The one thing that a command is about. It goes along whatever the chips say. */
export function sourceOf(
  kind: "ask" | "explain" | "fix" | "selection",
  panel: NotebookPanel,
  text: Text,
): ContextSource {
  if (kind === "selection") return selectionSource(panel, text);
  const failed = kind === "fix" ? failedCell(panel) : null;
  return cellsSource(panel, failed ? [failed] : selectedCells(panel), text, true);
}

/** Cells that were dropped on the chat: as they are when the message goes, or were when the notebook was closed. */
export function droppedCells(panel: NotebookPanel, cells: readonly Cell[], text: Text): ContextSource {
  const source = cellsSource(panel, cells, text, true);
  const then = cellFiles(panel, cells);
  const id = `drop-${panel.id}-${cells.map((cell) => cell.model.id).join("-")}`;
  const { label, title } = source;
  return { id, label, title, on: true, once: true, read: () => source.read().catch(() => then) };
}

function cellsSource(panel: NotebookPanel, cells: readonly Cell[], text: Text, on: boolean): ContextSource {
  const [first] = cells;
  let place = 0;
  const label = (): string => {
    if (cells.length !== 1) return text("%1 cells", cells.length);
    const now = first ? placeOf(panel, first) : 0;
    if (now > 0) place = now; // one that is gone is called as it was
    return text("Cell %1", place);
  };
  return {
    id: "cells",
    get label() {
      return label();
    },
    get title() {
      return `${label()} · ${nameOf(panel)}`;
    },
    on,
    read: () => Promise.resolve().then(() => readCells(panel, cells, text)),
  };
}

function readCells(panel: NotebookPanel, cells: readonly Cell[], text: Text): Attachment[] {
  if (panel.isDisposed) throw new NoCell(text("The notebook was closed."));
  if (cells.some((cell) => placeOf(panel, cell) === 0)) throw new NoCell(text("The cell was deleted."));
  const left: LeftOut = { cells: 0, characters: 0, pictures: 0 };
  return noted(cellFiles(panel, cells, left), left, text);
}

function notebookSource(panel: NotebookPanel, text: Text, on: boolean): ContextSource {
  const read = (): Promise<Attachment[]> => {
    if (panel.isDisposed) return Promise.reject(new NoCell(text("The notebook was closed.")));
    const left: LeftOut = { cells: 0, characters: 0, pictures: 0 };
    return Promise.resolve(noted([notebookFile(panel, left)], left, text));
  };
  return { id: "notebook", label: text("Notebook"), title: nameOf(panel), on, read };
}

function selectionSource(panel: NotebookPanel, text: Text): ContextSource {
  const chosen = selectedText(panel); // the selection may be gone when the message is sent
  const read = () => Promise.resolve([textFile("selection.txt", chosen, "text/plain")]);
  const label = text("Selected text");
  return { id: "selection", label, title: `${label}: ${chosen.slice(0, 200)}`, on: false, read };
}

function errorSource(panel: NotebookPanel, failed: Cell, text: Text): ContextSource {
  const source = cellsSource(panel, [failed], text, false);
  const label = text("Last error");
  return { id: "error", label, title: `${label} · ${source.title}`, on: false, read: () => source.read() };
}

function variableSource(panel: NotebookPanel, name: string, text: Text): ContextSource {
  const read = async () => {
    const told = await describe(panel.sessionContext.session?.kernel, name, text);
    const note = noteOf(name, told, text);
    if (told.picture !== undefined)
      return [{ fileName: `variable-${name}.png`, mimeType: "image/png", content: told.picture }];
    return [{ ...textFile(`variable-${name}.md`, told.text), ...(note === "" ? {} : { note }) }];
  };
  return { id: `variable-${name}`, label: name, title: `${name} · ${nameOf(panel)}`, on: false, read };
}

/** What of a value is not in its description. */
function noteOf(name: string, { leftOut: { rows, columns, items, characters } }: Described, text: Text): string {
  const parts = [
    ...(columns ? [text("%1 columns are left out", columns)] : []),
    ...(rows ? [text("its figures are those of every %1th row", rows)] : []),
    ...(items ? [text("%1 items are left out", items.toLocaleString())] : []),
    ...(characters ? [text("%1 characters are left out", characters.toLocaleString())] : []),
  ];
  return parts.length === 0 ? "" : `${name}: ${parts.join(", ")}.`;
}

/** The first of the files tells what is in none of them. */
function noted(files: Attachment[], left: LeftOut, text: Text): Attachment[] {
  const parts = [
    ...(left.cells ? [text("the first %1 cells are left out", left.cells)] : []),
    ...(left.characters ? [text("%1 characters are left out", left.characters.toLocaleString())] : []),
    ...(left.pictures ? [text("%1 pictures are left out", left.pictures)] : []),
  ];
  const [first, ...others] = files;
  if (!first || parts.length === 0) return files;
  return [{ ...first, note: `${first.fileName}: ${parts.join(", ")}.` }, ...others];
}
