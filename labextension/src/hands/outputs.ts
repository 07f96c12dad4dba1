/** Outputs of a cell as a model can take them: text within a budget, pictures apart. */
import type { Cell, ICodeCellModel } from "@jupyterlab/cells";

/** One output as nbformat has it, as far as it is used here. */
export interface RawOutput {
  output_type: string;
  name?: string;
  text?: string | string[];
  data?: Record<string, unknown>;
  ename?: string;
  evalue?: string;
  traceback?: string[];
}

export interface Output {
  kind: "stream" | "display" | "result" | "error";
  /** Of a stream: `stdout`, `stderr`. */
  name?: string;
  text?: string;
  mimes: string[];
  image?: { mediaType: string; data: string };
  /** How much of the text is not here. */
  truncatedChars?: number;
}

export interface Budget {
  characters: number;
  images: number;
}

export const NO_OUTPUTS: Budget = { characters: 0, images: 0 };
/** Of a cell among others. */
export const BRIEF: Budget = { characters: 2_000, images: 0 };
/** Of a cell that was asked for by itself: one page. */
export const FULL: Budget = { characters: 100_000, images: 8 };
/** Of a cell that has just run. */
export const OF_A_RUN: Budget = { characters: 20_000, images: 4 };

/** The largest picture that is sent, in characters of base64. */
const MOST_IMAGE = 6_500_000;

/** The room that is left for the pictures of one answer, in characters. */
export interface Room {
  pictures: number;
}
export const newRoom = (): Room => ({ pictures: MOST_IMAGE });
const PICTURES = ["image/png", "image/jpeg", "image/gif", "image/webp"];
const KINDS: Record<string, Output["kind"]> = {
  stream: "stream",
  error: "error",
  execute_result: "result",
  pyout: "result",
  pyerr: "error",
};
// eslint-disable-next-line no-control-regex
const ANSI = /\u001b\[[0-9;]*[A-Za-z]/g;

/** The outputs that a cell has now. One at a time: a cell's JSON would copy all of them. */
export function rawOutputs(cell: Cell): RawOutput[] {
  if (cell.model.type !== "code") return [];
  const { outputs } = cell.model as ICodeCellModel;
  return Array.from({ length: outputs.length }, (_, at) => outputs.get(at).toJSON() as unknown as RawOutput);
}

/** All outputs; where they are more than the budget, the last ones have most of it, as errors come last. */
export function withinBudget(outputs: readonly RawOutput[], budget: Budget, room: Room): Output[] {
  let { characters, images } = budget;
  const made: Output[] = [];
  for (const raw of [...outputs].reverse()) {
    const text = textOf(raw);
    const output = outline(raw);
    if (text !== "") {
      output.text = shortened(text, characters);
      if (text.length > characters) output.truncatedChars = text.length - characters;
      characters = Math.max(0, characters - text.length);
    }
    const image = images > 0 ? imageOf(raw) : undefined;
    if (image && image.data.length <= room.pictures) {
      output.image = image;
      images -= 1;
      room.pictures -= image.data.length;
    }
    made.push(output);
  }
  return made.reverse();
}

/** One page of all outputs, from 0: a long text goes on over several. */
export function pageOf(
  outputs: readonly RawOutput[],
  page: number,
  budget: Budget,
): { outputs: Output[]; pages: number } {
  const pages: Output[][] = [[]];
  let [characters, images, room] = [budget.characters, budget.images, MOST_IMAGE];
  const turn = (): void => {
    pages.push([]);
    [characters, images, room] = [budget.characters, budget.images, MOST_IMAGE];
  };
  for (const raw of outputs) {
    const image = imageOf(raw);
    if (image && (images === 0 || image.data.length > room)) turn();
    let rest = textOf(raw);
    if (rest !== "" && characters === 0) turn();
    const first = outline(raw);
    if (image) {
      first.image = image;
      images -= 1;
      room -= image.data.length;
    }
    if (rest !== "") first.text = rest.slice(0, characters);
    pages.at(-1)?.push(first);
    for (;;) {
      const taken = Math.min(rest.length, characters);
      characters -= taken;
      rest = rest.slice(taken);
      if (rest === "") break;
      turn();
      pages.at(-1)?.push({ ...outline(raw), text: rest.slice(0, characters) });
    }
  }
  return { outputs: pages[page] ?? [], pages: pages.length };
}

function outline(raw: RawOutput): Output {
  const kind = KINDS[raw.output_type] ?? "display";
  return { kind, ...(raw.name ? { name: raw.name } : {}), mimes: Object.keys(raw.data ?? {}) };
}

/** @param last of a longer one only so many characters at the end are wanted */
export function textOf(raw: RawOutput, last = Infinity): string {
  const plain = (text: string): string => withoutAnsi(last === Infinity ? text : text.slice(-last));
  if (raw.output_type === "error" || raw.output_type === "pyerr")
    return plain((raw.traceback ?? []).join("\n")) || `${raw.ename ?? "Error"}: ${raw.evalue ?? ""}`;
  if (!raw.data) return plain(joined(raw.text));
  for (const mime of ["text/markdown", "text/plain", "text/latex"]) {
    const text = joined(raw.data[mime]);
    if (text !== "") return plain(text);
  }
  const html = joined(raw.data["text/html"]);
  if (html !== "") return plain(withoutTags(html));
  const json = raw.data["application/json"];
  return json === undefined ? "" : plain(JSON.stringify(json));
}

export function withoutAnsi(text: string): string {
  return text.replace(ANSI, "");
}

/** A table as its words, row by row. Nothing in it is loaded or run: the document is never shown. */
function withoutTags(html: string): string {
  const { body } = new DOMParser().parseFromString(
    html.replace(/<\/(tr|p|div|li|h\d)>|<br\s*\/?>/gi, "$&\n"),
    "text/html",
  );
  body.querySelectorAll("script, style").forEach((each) => each.remove());
  body.querySelectorAll("td, th").forEach((each) => each.append("\t"));
  const lines = body.textContent.split("\n").map((line) => line.trim());
  return lines.filter((line) => line !== "").join("\n");
}

function imageOf(raw: RawOutput): Output["image"] | undefined {
  for (const mediaType of PICTURES) {
    const data = joined(raw.data?.[mediaType]).replace(/\s/g, "");
    if (data !== "" && data.length <= MOST_IMAGE) return { mediaType, data };
  }
  return undefined;
}

function shortened(text: string, most: number): string {
  if (text.length <= most) return text;
  if (most === 0) return "";
  const half = Math.floor(most / 2);
  return `${text.slice(0, half)}\n[… ${text.length - most} characters left out …]\n${text.slice(text.length - half)}`;
}

export function joined(text: unknown): string {
  return Array.isArray(text) ? text.join("") : typeof text === "string" ? text : "";
}
