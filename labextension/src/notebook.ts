/** What the chat can know of the notebook in front of the person. */
import type { Cell, ICodeCellModel } from "@jupyterlab/cells";
import type { NotebookPanel } from "@jupyterlab/notebook";
import type { Attachment, CellSource } from "./embed.js";
import { textFile } from "./embed.js";
import { sumOf } from "./hands/revision.js";

/** Text of one output that goes along; the rest of it is said to be left out. */
const MOST_OUTPUT = 8_000;
/** Images of one cell that go along. */
const MOST_IMAGES = 4;
/** Cells that an answer can find again. */
const MOST_CELLS = 100;
/** Text of the whole notebook that goes along; cells are left out from its beginning. */
const MOST_NOTEBOOK = 60_000;

// eslint-disable-next-line no-control-regex
const ANSI = /\u001b\[[0-9;]*[A-Za-z]/g;

/** One output as nbformat has it, as far as it is used here. */
interface Output {
  output_type: string;
  text?: string | string[];
  data?: Record<string, unknown>;
  ename?: string;
  evalue?: string;
  traceback?: string[];
}

interface CellJson {
  cell_type: string;
  source: string | string[];
  execution_count?: number | null;
  outputs?: Output[];
}

const joined = (text: unknown): string => (Array.isArray(text) ? text.join("") : typeof text === "string" ? text : "");

/** The notebook's file name. */
export function nameOf(panel: NotebookPanel): string {
  return panel.context.path.split("/").pop() ?? "notebook.ipynb";
}

/** The place of a cell as people count, from 1. */
export function placeOf(panel: NotebookPanel, cell: Cell): number {
  return panel.content.widgets.indexOf(cell) + 1;
}

/** The cells that are selected, the active one at least; in the order of the notebook. */
export function selectedCells(panel: NotebookPanel): Cell[] {
  const selected = panel.content.widgets.filter((cell) => panel.content.isSelectedOrActive(cell));
  return selected;
}

/** The newest cell with an error among its outputs: the active one if it has one, else the one that ran last. */
export function failedCell(panel: NotebookPanel): Cell | null {
  const failed = panel.content.widgets.filter((cell) => hasError(cell));
  const active = panel.content.activeCell;
  if (active && failed.includes(active)) return active;
  const ranAt = (cell: Cell): number => json(cell).execution_count ?? 0;
  return failed.sort((a, b) => ranAt(b) - ranAt(a))[0] ?? null;
}

export function hasError(cell: Cell): boolean {
  if (cell.model.type !== "code") return false;
  const { outputs } = cell.model as ICodeCellModel; // not as JSON: this is asked of every cell, at every step
  for (let at = 0; at < outputs.length; at++) if (outputs.get(at).type === "error") return true;
  return false;
}

/** How much is in none of the files. */
export interface LeftOut {
  cells: number;
  characters: number;
  pictures: number;
}

/** Cells as Markdown, with their outputs as text; images as files of their own. `left` is counted up. */
export function cellFiles(panel: NotebookPanel, cells: readonly Cell[], left?: LeftOut): Attachment[] {
  const first = cells[0];
  if (!first) return [];
  const place = placeOf(panel, first);
  const name =
    cells.length === 1 ? `cell-${place}` : `cells-${place}-to-${placeOf(panel, cells[cells.length - 1] ?? first)}`;
  const text = cells.map((cell) => cellText(panel, cell, left)).join("\n\n");
  const pictures = cells.flatMap((cell) => images(panel, cell));
  const more = Math.max(0, pictures.length - MOST_IMAGES);
  if (left) left.pictures += more;
  const rest = more > 0 ? `\n\n(${more} more pictures are left out)` : "";
  const head = `From the notebook ${panel.context.path}:\n\n`;
  const told = {
    ...textFile(`${name}.md`, head + text + rest),
    cells: cells.slice(0, MOST_CELLS).map(sourceIn(panel)),
  };
  return [told, ...pictures.slice(0, MOST_IMAGES)];
}

/** The whole notebook as Markdown; of a long one the end, which says how much is missing. */
export function notebookFile(panel: NotebookPanel, out?: LeftOut): Attachment {
  const parts: string[] = [];
  let length = 0;
  const cells = panel.content.widgets;
  let index = cells.length;
  while (index > 0) {
    const cell = cells[index - 1];
    const within: LeftOut = { cells: 0, characters: 0, pictures: 0 };
    const part = cell ? cellText(panel, cell, within) : "";
    if (length + part.length > MOST_NOTEBOOK && parts.length > 0) break;
    parts.unshift(part);
    if (out) out.characters += within.characters;
    length += part.length;
    index -= 1;
  }
  if (out) out.cells += index;
  const left = index > 0 ? `(the first ${index} cells are left out)\n\n` : "";
  const kernel = panel.sessionContext.kernelDisplayName;
  const told = textFile(
    `${nameOf(panel)}.md`,
    `Notebook ${panel.context.path}, kernel ${kernel}\n\n${left}${parts.join("\n\n")}`,
  );
  return { ...told, cells: [{ path: panel.context.path }] };
}

/** Where a cell is, and a sum of what it says now. */
function sourceIn(panel: NotebookPanel): (cell: Cell) => CellSource {
  return ({ model }) => ({
    path: panel.context.path,
    id: model.id,
    revision: revisionOf(model.sharedModel.getSource()),
  });
}

/** A revision as messages have kept it since the first version, in base 36. */
export function revisionOf(text: string): string {
  return sumOf(text).toString(36);
}

function cellText(panel: NotebookPanel, cell: Cell, left?: LeftOut): string {
  const { cell_type: type, source, execution_count: count, outputs } = json(cell);
  const place = `Cell ${placeOf(panel, cell)}`;
  if (type !== "code") return `${place} (${type}):\n\n${joined(source)}`;
  const language = panel.context.model.defaultKernelLanguage || "python";
  const ran = typeof count === "number" ? `, In [${count}]` : ", not run";
  const shown = (outputs ?? []).map((output) => outputText(output, left)).filter((text) => text !== "");
  const results = shown.length > 0 ? `\n\nOutput:\n\n${fenced("", shown.join("\n"))}` : "";
  return `${place} (code${ran}):\n\n${fenced(language, joined(source))}${results}`;
}

/** A fence that the text itself cannot close. */
function fenced(language: string, text: string): string {
  const longest = Math.max(2, ...Array.from(text.matchAll(/`{3,}/g), (run) => run[0].length));
  const fence = "`".repeat(longest + 1);
  return `${fence}${language}\n${text}\n${fence}`;
}

function outputText(output: Output, left?: LeftOut): string {
  let text = joined(output.text);
  if (output.output_type === "error")
    text = joined(output.traceback?.join("\n")) || `${output.ename}: ${output.evalue}`;
  else if (output.data) text = joined(output.data["text/markdown"]) || joined(output.data["text/plain"]);
  text = text.replace(ANSI, "").trimEnd();
  if (text.length <= MOST_OUTPUT) return text;
  if (left) left.characters += text.length - MOST_OUTPUT;
  const half = MOST_OUTPUT / 2;
  return `${text.slice(0, half)}\n[… ${text.length - MOST_OUTPUT} characters left out …]\n${text.slice(-half)}`;
}

function images(panel: NotebookPanel, cell: Cell): Attachment[] {
  return (json(cell).outputs ?? []).flatMap((output) =>
    ["image/png", "image/jpeg"].flatMap((mimeType) => {
      const content = joined(output.data?.[mimeType]).replace(/\s/g, "");
      if (content === "") return [];
      return [
        {
          fileName: `cell-${placeOf(panel, cell)}-output.${mimeType.slice(6)}`,
          mimeType,
          content,
        },
      ];
    }),
  );
}

function json(cell: Cell): CellJson {
  return cell.model.toJSON();
}

/** Why there is nothing to work with. */
export class NoCell extends Error {}
