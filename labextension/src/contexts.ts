/** The chips above the composer: what of the notebook can go along with a message. */
import type { NotebookPanel } from "@jupyterlab/notebook";
import type { ContextSource } from "./embed.js";
import { textFile } from "./embed.js";
import { cellFiles, failedCell, nameOf, notebookFile, placeOf, selectedCells, selectedText } from "./notebook.js";
import type { Text } from "./texts.js";
import { describe } from "./variables.js";

/** Variables that are offered, the newest first. */
const MOST_VARIABLES = 12;

/** All that can go along now. Nothing does by itself but the selected cells: what is in front of the person. */
export function contextSources(panel: NotebookPanel | null, variables: readonly string[], text: Text): ContextSource[] {
  if (!panel?.content.activeCell) return [];
  const sources = [cellsSource(panel, text), notebookSource(panel, text)];
  if (selectedText(panel).trim() !== "") sources.push(selectionSource(panel, text));
  if (failedCell(panel)) sources.push(errorSource(panel, text));
  const newest = variables.slice(-MOST_VARIABLES).reverse();
  return [...sources, ...newest.map((name) => variableSource(panel, name))];
}

/** The one thing that a command is about. It goes along whatever the chips say. */
export function sourceOf(
  kind: "ask" | "explain" | "fix" | "selection",
  panel: NotebookPanel,
  text: Text,
): ContextSource {
  const source =
    kind === "selection" && selectedText(panel).trim() !== ""
      ? selectionSource(panel, text)
      : kind === "fix"
        ? errorSource(panel, text)
        : cellsSource(panel, text);
  return { ...source, on: true };
}

function cellsSource(panel: NotebookPanel, text: Text): ContextSource {
  const cells = selectedCells(panel);
  const [first] = cells;
  const label = cells.length > 1 ? text("%1 cells", cells.length) : text("Cell %1", first ? placeOf(panel, first) : 0);
  return {
    id: "cells",
    label,
    title: `${label} · ${nameOf(panel)}`,
    on: true,
    read: () => Promise.resolve(cellFiles(panel, selectedCells(panel))),
  };
}

function notebookSource(panel: NotebookPanel, text: Text): ContextSource {
  const read = () => Promise.resolve([notebookFile(panel)]);
  return {
    id: "notebook",
    label: text("Notebook"),
    title: nameOf(panel),
    on: false,
    read,
  };
}

function selectionSource(panel: NotebookPanel, text: Text): ContextSource {
  const chosen = selectedText(panel); // the selection may be gone when the message is sent
  const read = () => Promise.resolve([textFile("selection.txt", chosen, "text/plain")]);
  return {
    id: "selection",
    label: text("Selected text"),
    title: chosen.slice(0, 200),
    on: false,
    read,
  };
}

function errorSource(panel: NotebookPanel, text: Text): ContextSource {
  const read = () => {
    const cell = failedCell(panel);
    return Promise.resolve(cell ? cellFiles(panel, [cell]) : []);
  };
  return {
    id: "error",
    label: text("Last error"),
    title: nameOf(panel),
    on: false,
    read,
  };
}

function variableSource(panel: NotebookPanel, name: string): ContextSource {
  const read = async () => {
    const said = await describe(panel.sessionContext.session?.kernel, name);
    return [textFile(`variable-${name}.md`, said)];
  };
  return {
    id: `variable-${name}`,
    label: name,
    title: `${name} · ${nameOf(panel)}`,
    on: false,
    read,
  };
}
