/**
 * What to show of a text that is still being written: never a marker whose meaning is not yet known.
 *
 * `mend` drops a last line that may become anything (`-`, `1.`, `|`, ```` `` ````), holds back a table head until its
 * second row, closes open emphasis and code, and hides links, images and formulas until they are whole. It changes only
 * what is drawn for a moment; the text itself is untouched.
 */

import { tooDense } from "./bounds.js";

/** A last line of which one cannot tell what it will be: markers of lists, headings, rules, quotes, fences, setext. */
const UNDECIDED = /^(?:[-*+=_>#~`|\s]+|[ \t]*(?:\d{1,9}[.)]?[ \t]*|[-*+][ \t]+\[[ xX]?\]?[ \t]*|\[\^[^\]\s]*\]?))$/;

/** Longer lines are what they are: an undecided one is short. */
const LINE_MAX_CHARS = 1_000;

export function mend(source: string): string {
  const text = withoutTableHead(withoutUndecidedLine(source));
  const paragraph = Math.max(text.lastIndexOf("\n\n") < 0 ? 0 : text.lastIndexOf("\n\n") + 2, itemStart(text));
  const stretch = text.slice(paragraph);
  return tooDense(stretch) ? text : text.slice(0, paragraph) + mendInline(stretch);
}

function withoutUndecidedLine(source: string): string {
  const start = source.lastIndexOf("\n") + 1;
  const line = source.slice(start);
  if (line.length > LINE_MAX_CHARS) return source;
  const undecided = line.startsWith("|") ? /^\|\s*$/.test(line) && start > 0 : UNDECIDED.test(line);
  return undecided ? source.slice(0, start) : source;
}

/** In an open fence: a last line that may become the closing fence is not shown as code. */
export function mendFence(code: string): string {
  return code.replace(/(^|\n) {0,3}(?:`{1,}|~{1,})$/, "");
}

function itemStart(text: string): number {
  const items = [...text.matchAll(/(?:^|\n)[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+/g)];
  const last = items.at(-1);
  return last ? last.index + last[0].length : 0;
}

/** `| a | b |` is a paragraph until `|---|---|` follows; wait for it. */
function withoutTableHead(text: string): string {
  const lines = lastLines(text, 3);
  let from = lines.at(-1) === "" ? lines.length - 1 : lines.length;
  while (from > 0 && lines[from - 1]?.startsWith("|")) from--;
  const rows = lines.slice(from);
  const [head = "", second = "", third] = rows;
  const whole = /^\|(?:[ \t]*:?-+:?[ \t]*\|)+[ \t]*$/.test(second) && columns(second) >= columns(head);
  const possible = /^\|?[ \t:|-]*$/.test(second);
  if (whole || third !== undefined || !possible) return text;
  return text.slice(0, text.length - rows.join("\n").length);
}

/** The last `count` lines, without looking at what is before them. */
function lastLines(text: string, count: number): string[] {
  let start = text.length;
  for (let n = 0; n < count && start >= 0; n++) start = text.lastIndexOf("\n", start - 1);
  return text.slice(start + 1).split("\n");
}

function columns(row: string): number {
  return row.trim().split(/(?<!\\)\|/).length;
}

interface Open {
  mark: string;
  at: number;
}

function mendInline(text: string): string {
  const open: Open[] = [];
  let bracket = -1;
  let at = 0;
  while (at < text.length) {
    const rest = text.slice(at);
    if (rest.startsWith("\\(") || rest.startsWith("\\[")) {
      const end = text.indexOf(rest.startsWith("\\(") ? "\\)" : "\\]", at + 2);
      if (end < 0) return closeAll(text.slice(0, at), open);
      at = end + 2;
    } else if (text[at] === "\\") {
      at += 2;
    } else if (text[at] === "`") {
      const run = /^`+/.exec(rest)?.[0] ?? "`";
      const end = closingRun(text, at + run.length, run.length);
      if (end < 0) return closeCode(text, at, run, open);
      at = end + run.length;
    } else if (text[at] === "$") {
      const step = dollarStep(text, at);
      if (step < 0) return closeAll(text.slice(0, at), open);
      at += step;
    } else if (text[at] === "[") {
      bracket = bracket < 0 ? at : bracket;
      at += 1;
    } else if (text[at] === "]" && bracket >= 0) {
      const address = /^\]\([^()\n]*(?:\([^()\s]*\)[^()\n]*)*\)/.exec(rest);
      if (!address && text[at + 1] === "(") return closeAll(unlinked(text, bracket, at), open);
      if (!address && at === text.length - 1) return closeAll(unlinked(text, bracket, at), open);
      bracket = -1;
      at += address ? address[0].length : 1;
    } else if (text[at] === "*" || text[at] === "~") {
      at += toggle(text, at, open);
    } else at += 1;
  }
  if (bracket >= 0 && text.length - bracket < 200) return closeAll(unlinked(text, bracket, text.length), open);
  return closeAll(text, open);
}

/** How far to go on from a `$`; -1 when a formula has begun there and not ended. */
function dollarStep(text: string, at: number): number {
  if (text.startsWith("$$", at)) {
    const end = text.indexOf("$$", at + 2);
    return end < 0 ? -1 : end + 2 - at;
  }
  const rest = text.slice(at + 1);
  const end = rest.search(/[$\n]/);
  if (end >= 0) return end + 2;
  const mathLike = /^[\\A-Za-z({|]/.test(rest) && rest.length < 80 && !/\p{L}{3} \p{L}{3}/u.test(rest);
  return (mathLike || rest === "") && !/\w/.test(text.charAt(at - 1)) ? -1 : 1;
}

function closingRun(text: string, from: number, length: number): number {
  const runs = /`+/g;
  runs.lastIndex = from;
  for (let run = runs.exec(text); run; run = runs.exec(text)) if (run[0].length === length) return run.index;
  return -1;
}

function closeCode(text: string, at: number, run: string, open: Open[]): string {
  let end = text.length;
  while (text[end - 1] === "`") end -= 1;
  const content = text.slice(at + run.length, end);
  if (content.trim() === "") return closeAll(text.slice(0, at), open);
  return closeAll(text.slice(0, at) + run + content + run, open);
}

/** Enter or leave an emphasis at a run of `*` or `~`; how long the run is. */
function toggle(text: string, at: number, open: Open[]): number {
  const run = (text[at] === "*" ? /^\*+/ : /^~+/).exec(text.slice(at))?.[0] ?? "";
  const before = text[at - 1] ?? " ";
  const after = text[at + run.length] ?? "";
  let left = run;
  while (left !== "" && open.length > 0 && !/\s/.test(before)) {
    const last = open.at(-1);
    if (!last || !left.startsWith(last.mark)) break;
    open.pop();
    left = left.slice(last.mark.length);
  }
  if (left === "" || /\s/.test(after) || (run.startsWith("~") && left.length !== 2)) return run.length;
  if (left.length <= 2) open.push({ mark: left, at });
  else if (left.length === 3) open.push({ mark: "**", at }, { mark: "*", at: at + 2 });
  return run.length;
}

function closeAll(text: string, open: readonly Open[]): string {
  // A marker with nothing behind it is not shown; one at the very end may be half of a longer one.
  let shown = text.replace(/(?<=\s|^)(?:\*{1,3}|~{1,2}|!)$/, "");
  const begun = open.filter((each) => each.at + each.mark.length < shown.length);
  if (begun.length === 0) return shown;
  shown = shown.replace(/(?<![*~])[*~]$/, "").trimEnd();
  return (
    shown +
    begun
      .map((each) => each.mark)
      .reverse()
      .join("")
  );
}

/** `[text](addr` becomes `text`, `![alt` and `[^1` nothing, for as long as the end is missing. */
function unlinked(text: string, bracket: number, end: number): string {
  if (text[bracket - 1] === "!") return text.slice(0, bracket - 1);
  if (text[bracket + 1] === "^") return text.slice(0, bracket);
  return text.slice(0, bracket) + text.slice(bracket + 1, end);
}
