/**
 * The difference of two texts as people review it: by lines, and inside a line that was changed by words. Long stretches
 * that stay the same are folded.
 *
 * The texts come from a model and from notebooks: whatever they are, the work is bounded. Where it would take longer, the
 * whole text counts as replaced.
 */
import { diffArrays } from "diff";

/** A piece of a line; `changed`: it is not in the other text. */
export interface Word {
  text: string;
  changed: boolean;
}

export interface Line {
  kind: "same" | "del" | "ins";
  words: readonly Word[];
}

/** Lines that stay the same and are not worth showing. */
export interface Fold {
  kind: "fold";
  lines: readonly Line[];
}

/** Lines of context around a change. */
const CONTEXT = 3;
/** The longest that a comparison may take, in milliseconds. */
const PATIENCE_MS = 150;
/** Two lines count as one that was changed if at least this share of them is the same. */
const ALIKE = 0.35;
/** Words of a line beyond which it is not compared by words. */
const WORDS = 2_000;
/** Edits inside a line beyond which it counts as another line. */
const EDITS = 400;

/** @param before `null`: there was no text */
export function lineDiff(before: string | null, after: string | null): Line[] {
  const old = before === null ? [] : before.split("\n");
  const now = after === null ? [] : after.split("\n");
  const parts = diffArrays(old, now, { timeout: PATIENCE_MS });
  if (!parts) return [...old.map((text) => whole("del", text)), ...now.map((text) => whole("ins", text))];
  const lines: Line[] = [];
  for (let at = 0; at < parts.length; at++) {
    const part = parts[at];
    const next = parts[at + 1];
    if (!part) break;
    if (next && ((part.removed && next.added) || (part.added && next.removed))) {
      lines.push(...(part.removed ? replaced(part.value, next.value) : replaced(next.value, part.value)));
      at++;
    } else {
      const kind = part.removed ? "del" : part.added ? "ins" : "same";
      lines.push(...part.value.map((text) => whole(kind, text)));
    }
  }
  return lines;
}

function whole(kind: Line["kind"], text: string): Line {
  return { kind, words: [{ text, changed: kind !== "same" }] };
}

/** Lines in the place of others: pairs of them that are alike are compared by words. */
function replaced(old: readonly string[], now: readonly string[]): Line[] {
  const pairs = old.length === now.length ? old.map((text, at) => byWords(text, now[at] ?? "")) : uneven(old, now);
  const removed = pairs.flatMap(([line]) => (line ? [line] : []));
  const added = pairs.flatMap(([, line]) => (line ? [line] : []));
  return [...removed, ...added];
}

/** Of stretches of different length: each old line goes with the next new one that is alike. */
function uneven(old: readonly string[], now: readonly string[]): (readonly [Line | null, Line | null])[] {
  const pairs: (readonly [Line | null, Line | null])[] = [];
  let at = 0;
  for (const text of old) {
    // A few lines are enough to look at: what is further away is not the same line to a reader.
    const reach = now.slice(at, at + 8);
    const found = reach.findIndex((other) => byWords(text, other)[0].words.some((word) => !word.changed));
    if (found < 0) {
      pairs.push([whole("del", text), null]);
      continue;
    }
    pairs.push(...reach.slice(0, found).map((other) => [null, whole("ins", other)] as const));
    pairs.push(byWords(text, reach[found] ?? ""));
    at += found + 1;
  }
  pairs.push(...now.slice(at).map((text) => [null, whole("ins", text)] as const));
  return pairs;
}

function byWords(old: string, now: string): readonly [Line, Line] {
  const different = [whole("del", old), whole("ins", now)] as const;
  const [was, is] = [wordsOf(old), wordsOf(now)];
  if (was.length > WORDS || is.length > WORDS) return different;
  const parts = diffArrays(was, is, { maxEditLength: EDITS, timeout: PATIENCE_MS });
  if (!parts) return different;
  const size = (value: readonly string[]): number => value.join("").trim().length;
  const same = parts.filter((part) => !part.added && !part.removed).reduce((sum, part) => sum + size(part.value), 0);
  if (same < ALIKE * Math.max(old.trim().length, now.trim().length)) return different;
  const side = (kind: "del" | "ins"): Line => ({
    kind,
    words: parts
      .filter((part) => (kind === "del" ? !part.added : !part.removed))
      .map((part) => ({ text: part.value.join(""), changed: part.added || part.removed })),
  });
  return [side("del"), side("ins")];
}

/** Words, stretches of space, and every other sign by itself. */
function wordsOf(line: string): string[] {
  return line.match(/[\p{L}\p{N}_]+|\s+|[^\p{L}\p{N}_\s]/gu) ?? [];
}

/** The lines with long stretches of sameness folded. A text without any change is shown whole. */
export function folded(lines: readonly Line[]): (Line | Fold)[] {
  if (lines.every((line) => line.kind === "same")) return [...lines];
  const near = new Uint8Array(lines.length);
  lines.forEach((line, at) => {
    if (line.kind !== "same") near.fill(1, Math.max(0, at - CONTEXT), at + CONTEXT + 1);
  });
  const rows: (Line | Fold)[] = [];
  for (let at = 0; at < lines.length;) {
    let end = at;
    while (end < lines.length && near[end] === 0) end++;
    if (end - at > 2) rows.push({ kind: "fold", lines: lines.slice(at, end) });
    else rows.push(...lines.slice(at, (end = at + 1)));
    at = end;
  }
  return rows;
}

/** How many lines a difference takes away and adds. */
export function sizeOf(lines: readonly Line[]): { removed: number; added: number } {
  const of = (kind: Line["kind"]): number => lines.filter((line) => line.kind === kind).length;
  return { removed: of("del"), added: of("ins") };
}
