/**
 * The rows of the transcript, made from what is known of a session. A row is a turn: what a person said, or everything
 * that one run answered (text, thinking, tool calls with their results). Its key stays the same from unsent to stored
 * and from first token to final reply, so its element is never made anew.
 */
import { rowKey, textOf } from "../../state/messages.js";
import type { CellSource, ContentBlock, Message } from "../../protocol/types.js";
import type { Live, Pending, Thought, View } from "../../state/state.js";

/** The versions of a message to choose from, oldest first. */
export interface Siblings {
  ids: readonly string[];
  /** Which of them is on show. */
  at: number;
  /** The message of this row that has them. */
  id: string;
}

export interface Row {
  /** Stable for as long as the turn lives. */
  key: string;
  role: "user" | "assistant";
  /** When it was said, in milliseconds. */
  at: number;
  /** What is stored of it, in order; tool results stand behind the calls. */
  messages: readonly Message[];
  live?: Live;
  pending?: Pending;
  /** The thinking before the reply, if this page saw it. */
  thought?: Thought;
  /** The text to send again when this (last) reply failed. */
  retryText?: string;
  siblings?: Siblings;
  /** Of an answer: the cells that the question was about. */
  asked?: readonly CellSource[];
}

/** Rows of stored turns, kept as long as what they are made of is the same. */
let stored: { of: readonly unknown[]; rows: Row[]; asked: string | undefined } = { of: [], rows: [], asked: undefined };
/** Of a question without any, one list for all. */
const NO_CELLS: readonly CellSource[] = [];

/** The rows of a view: stored turns, then what is on its way. Sends that wait behind a running reply are not rows. */
export function rowsOf(view: View): Row[] {
  const of = [view.messages, view.thoughts, view.branches];
  if (!of.every((each, at) => each === stored.of[at])) stored = { of, ...turns(view) };
  const rows = [...stored.rows];
  const { live } = view;
  const last = rows.at(-1);
  if (live && last?.role === "assistant" && last.messages[0]?.runId === live.runId) {
    rows[rows.length - 1] = { ...last, live };
    return rows;
  }
  if (!live && last?.role === "assistant" && stored.asked !== undefined) {
    rows[rows.length - 1] = { ...last, retryText: stored.asked };
  }
  for (const pending of view.pending) {
    if (live !== null && live.runId !== pending.runId) continue;
    rows.push({
      key: rowKey("user", pending.runId, ""),
      role: "user",
      at: pending.createdAt,
      messages: [],
      pending,
    });
  }
  if (live) {
    const own = rowKey("assistant", live.runId, "");
    const begun = rows.filter((row) => row.key.startsWith(own));
    const key = begun[0] ? keyAfter(own, last) : own;
    const question = rows.findLast((row) => row.key === rowKey("user", live.runId, "")) ?? rows.at(-1);
    const asked = question?.role === "user" ? cellsOf(question) : (question?.asked ?? NO_CELLS);
    rows.push({ key, role: "assistant", at: live.startedAt, messages: [], live: behind(begun, live), asked });
  }
  return rows;
}

function turns(view: View): { rows: Row[]; asked: string | undefined } {
  const rows: Row[] = [];
  const seen = new Set<string>();
  let asked: string | undefined;
  let cells = NO_CELLS;
  for (const message of view.messages) {
    const role = message.role === "user" ? "user" : "assistant";
    const before = rows.at(-1);
    const ids = view.branches[message.id];
    const siblings = ids && ids.length > 1 ? { ids, at: ids.indexOf(message.id), id: message.id } : undefined;
    if (before && joins(before, message)) {
      before.messages = [...before.messages, message];
      if (siblings) before.siblings ??= siblings;
      continue;
    }
    if (message.role === "toolResult") continue; // its call is on an older page
    if (role === "user") {
      asked = textOf(message);
      cells = cellsIn(typeof message.content === "string" ? [] : message.content);
    }
    const thought = message.runId === undefined ? undefined : view.thoughts[message.runId];
    const key = rowKey(role, message.runId, message.id);
    if (thought && seen.has(key)) delete rows.findLast((row) => row.thought === thought)?.thought; // of the last part
    rows.push({
      key: seen.has(key) ? keyAfter(key, before) : key,
      role,
      at: message.timestamp,
      messages: [message],
      ...(thought && role === "assistant" ? { thought } : {}),
      ...(siblings ? { siblings } : {}),
      ...(role === "assistant" ? { asked: cells } : {}),
    });
    seen.add(key);
  }
  return { rows, asked };
}

/** A reply that has read a message in the middle goes on in a row of its own, behind that message. */
function keyAfter(key: string, before: Row | undefined): string {
  return `${key}:${before?.messages.at(-1)?.id ?? ""}`;
}

/** Without the calls that stand in rows before it. */
function behind(begun: readonly Row[], live: Live): Live {
  const told = begun
    .flatMap(({ messages }) => messages)
    .flatMap(({ content }) => Array.from(content as ContentBlock[], ({ id }) => id)); // a text's letters have none
  return begun[0] && live.tools
    ? { ...live, tools: live.tools.filter((step) => !told.includes(step.toolCallId)) }
    : live;
}

function cellsIn(attached: readonly { cells?: readonly CellSource[] }[]): readonly CellSource[] {
  const found = attached.flatMap(({ cells }) => cells ?? []);
  return found.length > 0 ? found : NO_CELLS;
}

function cellsOf(question: Row): readonly CellSource[] {
  const content = question.messages[0]?.content ?? question.pending?.attachments ?? [];
  return typeof content === "string" ? NO_CELLS : cellsIn(content);
}

/** Does a message belong to the turn before it? A run's messages do; a tool's result does to its caller. */
function joins(row: Row, message: Message): boolean {
  if (row.role !== "assistant" || message.role === "user") return false;
  if (message.role === "toolResult") return true;
  return message.runId !== undefined && message.runId === row.messages[0]?.runId;
}

export function sameRow(a: Row, b: Row): boolean {
  return (
    a.key === b.key &&
    a.live === b.live &&
    a.pending === b.pending &&
    a.thought === b.thought &&
    a.retryText === b.retryText &&
    JSON.stringify(a.asked) === JSON.stringify(b.asked) &&
    a.siblings?.at === b.siblings?.at &&
    a.siblings?.ids.length === b.siblings?.ids.length &&
    a.messages.length === b.messages.length &&
    a.messages.every((message, at) => message === b.messages[at])
  );
}

/** The text of a row as one wrote or was answered it. */
export function rowText(row: Row): string {
  const texts = row.messages.filter((message) => message.role !== "toolResult").map(textOf);
  if (row.pending) texts.push(row.pending.text);
  if (row.live) texts.push(row.live.text);
  return texts.filter((text) => text !== "").join("\n\n");
}
