/** The assistant's hands on the page's side: what is kept of them, differences, answers, modes. No DOM. */
import { describe, expect, test, vi } from "vitest";

import { countOf, firstChoice, no, scopesOf, yes } from "../src/elements/hands/decision.js";
import { handsIn, isAllowed, minutesLeft, notebooksIn } from "../src/elements/hands/modes.js";
import { stateOf } from "../src/elements/hands/plan-view.js";
import { previewOf } from "../src/elements/hands/preview.js";
import { answersOf, questionsOf } from "../src/elements/hands/questions.js";
import { progressOf } from "../src/elements/hands/result-view.js";
import { runUsage } from "../src/elements/hands/run-usage.js";
import { folded, lineDiff, sizeOf } from "../src/elements/hands/text-diff.js";
import type { Line } from "../src/elements/hands/text-diff.js";
import type { Change, EditPreview, HandsRequest, Preview } from "../src/protocol/hands.js";
import type { Message, SessionEntry } from "../src/protocol/types.js";
import type { Controller } from "../src/state/controller.js";
import { changesOf, handsOf, NO_HANDS, reduceHands } from "../src/state/hands.js";
import { withTool } from "../src/state/reduce-tools.js";

import corpus from "./hostile.json";

const KEY = "agent:main:main";
const change = (id: string, createdAtMs: number, more: Partial<Change> = {}): Change => ({
  ...{ id, sessionKey: KEY, runId: "r", toolCallId: "c", path: "a.ipynb", createdAtMs, by: "me" },
  ...{ state: "applied", cells: [] },
  ...more,
});

describe("changes", () => {
  test("a piece of news replaces its change, and the newest stands first", () => {
    let state = reduceHands(NO_HANDS, { type: "changes", key: KEY, changes: [change("a", 1), change("b", 2)] });
    state = reduceHands(state, { type: "change", change: change("a", 1, { state: "undone" }) });
    expect(state.changes[KEY]?.map(({ id, state: is }) => [id, is])).toEqual([
      ["b", "applied"],
      ["a", "undone"],
    ]);
    state = reduceHands(state, { type: "change", change: change("c", 3, { runId: "other" }) });
    expect(changesOf(state, KEY, "r").map(({ id }) => id)).toEqual(["a", "b"]);
  });

  test("news that come before the list are not lost with it, and a new connection reads again", async () => {
    const request = vi.fn(() => Promise.resolve({ changes: [change("a", 1)] }));
    const watchers = new Set<(name: string, payload?: unknown) => void>();
    const store = handsOf({ client: { request }, watchers, can: () => true } as unknown as Controller);
    store.want(KEY);
    store.want(KEY);
    await vi.waitFor(() => expect(store.state.changes[KEY]).toHaveLength(1));
    expect(request).toHaveBeenCalledTimes(1);
    for (const watch of watchers) watch("hands.changes.changed", { change: change("b", 2) });
    expect(store.state.changes[KEY]?.map(({ id }) => id)).toEqual(["b", "a"]);
    for (const watch of watchers) watch("");
    expect(request).toHaveBeenCalledTimes(2);
  });
});

describe("a difference", () => {
  const marks = (lines: readonly Line[]): string[] =>
    lines.map(
      ({ kind, words }) =>
        ({ same: " ", del: "-", ins: "+" })[kind] +
        words.map(({ text, changed }) => (changed && kind !== "same" ? `[${text}]` : text)).join(""),
    );

  test("is by words inside a line that was changed", () => {
    expect(marks(lineDiff("a = 1\nprint(old)", "a = 1\nprint(new, a)"))).toEqual([
      " a = 1",
      "-print([old])",
      "+print([new, a])",
    ]);
    expect(marks(lineDiff("평균을 구해요", "합계를 구해요"))).toEqual(["-[평균을] 구해요", "+[합계를] 구해요"]);
  });

  test("tells lines that have nothing in common as wholes", () => {
    expect(marks(lineDiff("import os", "x = 1 + 2"))).toEqual(["-[import os]", "+[x = 1 + 2]"]);
  });

  test("pairs a line with the one that it became, not with what came before it", () => {
    expect(marks(lineDiff("result = mean(x)", "y = 0\nresult = median(x)"))).toEqual([
      "-result = [mean](x)",
      "+[y = 0]",
      "+result = [median](x)",
    ]);
  });

  test("of a new and of a deleted cell is all of it", () => {
    expect(sizeOf(lineDiff(null, "a\nb"))).toEqual({ removed: 0, added: 2 });
    expect(sizeOf(lineDiff("a\nb", null))).toEqual({ removed: 2, added: 0 });
    expect(lineDiff("a", "a").map(({ kind }) => kind)).toEqual(["same"]);
  });

  test("folds what stays the same, and only where there is a change", () => {
    const long = Array.from({ length: 40 }, (_, at) => `line ${at}`);
    const rows = folded(lineDiff(long.join("\n"), [...long.slice(0, 20), "new", ...long.slice(20)].join("\n")));
    expect(rows.map(({ kind }) => kind)).toEqual([
      "fold",
      "same",
      "same",
      "same",
      "ins",
      "same",
      "same",
      "same",
      "fold",
    ]);
    expect(rows.flatMap((row) => (row.kind === "fold" ? row.lines : [row]))).toHaveLength(41);
    expect(folded(lineDiff(long.join("\n"), long.join("\n")))).toHaveLength(40);
  });

  const sides = (lines: readonly Line[], without: "del" | "ins"): string =>
    lines
      .filter(({ kind }) => kind !== without)
      .map(({ words }) => words.map(({ text }) => text).join(""))
      .join("\n");
  const texts = (corpus as (string | [string, number][])[]).map((entry) =>
    typeof entry === "string" ? entry : entry.map(([piece, times]) => piece.repeat(times)).join(""),
  );

  test.each(texts.map((text, number) => [number, text]))(
    "of hostile text %i loses nothing and takes no time",
    (_, text) => {
      const other = text.split("\n").reverse().join("\n") + text.slice(0, 400);
      for (const [before, after] of [
        [text, other],
        [other, text],
        ["", text],
      ] as const) {
        const started = performance.now();
        const lines = lineDiff(before, after);
        expect(performance.now() - started).toBeLessThan(3_000);
        expect(sides(lines, "ins")).toBe(before);
        expect(sides(lines, "del")).toBe(after);
      }
    },
  );
});

describe("an answer", () => {
  const preview: EditPreview = {
    type: "edit",
    path: "a.ipynb",
    cells: [{ op: "insert" }, { op: "delete" }, { op: "move" }],
  };
  const request: HandsRequest = { kind: "tool", path: "a.ipynb", preview, choices: ["once", "notebook", "always"] };
  const choice = firstChoice(request);

  test("to the whole is a plain yes, as older gateways know it", () => {
    expect(yes(preview, choice)).toEqual({ decision: "allow-once" });
    expect(no(choice)).toEqual({ decision: "deny" });
  });

  test("names what is accepted, changed and why not the rest", () => {
    const part = {
      ...choice,
      refused: new Set([1]),
      edited: new Map([
        [0, "mine"],
        [1, "never"],
      ]),
      reason: " later ",
    };
    expect(countOf(preview, part)).toEqual({ accepted: 2, all: 3 });
    expect(yes(preview, part)).toEqual({
      decision: "allow-once",
      accepted: [0, 2],
      edited: { "0": "mine" },
      reason: "later",
    });
    expect(no(part)).toEqual({ decision: "deny", reason: "later" });
  });

  test("says how far it goes, and for which paths", () => {
    expect(yes(preview, { ...choice, scope: "notebook" })).toEqual({ decision: "allow-always", scope: "notebook" });
    expect(yes(preview, { ...choice, scope: "always", pattern: "work/*.ipynb" })).toEqual({
      decision: "allow-always",
      scope: "always",
      pattern: "work/*.ipynb",
    });
    expect(scopesOf(request)).toEqual(["once", "notebook", "always"]);
    expect(scopesOf({})).toEqual(["once"]);
  });

  test("previews that this page does not know are shown as a command", () => {
    expect(previewOf({ preview: { type: "hologram" } as unknown as Preview })).toBeNull();
    expect(previewOf({ preview: { type: "edit" } as unknown as Preview })).toBeNull();
    expect(previewOf({ preview: null })).toBeNull();
    expect(previewOf({})).toBeNull();
  });

  test("to questions waits for all of them; a cell's input may be empty", () => {
    const questions = [
      { id: "a", text: "?" },
      { id: "b", text: "?", choices: ["x"] },
    ];
    expect(answersOf(questions, new Map([["a", "1"]]), false)).toBeNull();
    expect(
      answersOf(
        questions,
        new Map([
          ["a", " "],
          ["b", "x"],
        ]),
        false,
      ),
    ).toBeNull();
    expect(
      answersOf(
        questions,
        new Map([
          ["a", "1"],
          ["b", "x"],
        ]),
        false,
      ),
    ).toEqual({ a: "1", b: "x" });
    const input = questionsOf({ kind: "input", prompt: "Name: " });
    expect(answersOf(input, new Map(), true)).toEqual({ value: "" });
  });
});

describe("modes", () => {
  const entry = (hands: SessionEntry["hands"], key = KEY): SessionEntry => ({
    key,
    updatedAt: 1,
    ...(hands ? { hands } : {}),
  });

  test("beyond the cap cannot be chosen", () => {
    expect(isAllowed("edits", "notebook")).toBe(true);
    expect(isAllowed("unattended", "notebook")).toBe(false);
  });

  test("a session that is not known yet asks, within the cap of the others", () => {
    expect(handsIn([entry({ mode: "edits", cap: "edits" })], "agent:main:new", 0)).toEqual({
      mode: "ask",
      cap: "edits",
    });
    expect(handsIn([entry({ mode: "read", cap: "read" })], "agent:main:new", 0)).toEqual({ mode: "read", cap: "read" });
    expect(handsIn([], KEY, 0).mode).toBe("ask");
  });

  test("with an end are over when it has come, whatever the gateway said last", () => {
    const timed = entry({ mode: "unattended", cap: "unattended", untilMs: 60_001 });
    expect(handsIn([timed], KEY, 60_000)).toMatchObject({ mode: "unattended" });
    expect(minutesLeft(handsIn([timed], KEY, 0), 0)).toBe(2);
    expect(handsIn([timed], KEY, 60_001)).toEqual({ mode: "ask", cap: "unattended" });
    expect(minutesLeft({ mode: "ask", cap: "ask" }, 0)).toBeNull();
  });

  test("offer the notebooks that the conversation is about, the newest first", () => {
    const message = (content: Message["content"]): Message => ({
      id: "m",
      seq: 1,
      role: "user",
      timestamp: 1,
      content,
    });
    const call = { type: "toolCall", id: "c", name: "notebook_read", arguments: { path: "b.ipynb" } };
    expect(
      notebooksIn([
        message([{ type: "notebook", cells: [{ path: "a.ipynb" }] }]),
        message([call, { ...call, arguments: { path: "data.csv" } }, { ...call, arguments: null }]),
      ]),
    ).toEqual(["b.ipynb", "a.ipynb"]);
  });
});

describe("a run", () => {
  test("keeps what a call shows, bounded, and tells where it is and the end of what is printed", () => {
    let live = { runId: "r", text: "", thinking: "", startedAt: 0 } as Parameters<typeof withTool>[0];
    const step = (progress: object): void => {
      live = withTool(live, { toolCallId: "x", phase: "update", progress }, 1);
    };
    step({ cell: "a", index: 0, phase: "start" });
    step({ cell: "a", phase: "output", text: "one\n" });
    step({ cell: "b", index: 1, phase: "start" });
    for (let n = 0; n < 1_000; n++) step({ cell: "b", index: 1, phase: "output", text: `${n}\n` });
    const log = live.tools?.[0]?.log ?? [];
    expect(log.length).toBeLessThanOrEqual(300);
    const { at, tail } = progressOf(log);
    expect(at).toMatchObject({ cell: "b", index: 1 });
    expect(tail.endsWith("998\n999\n")).toBe(true);
    expect(tail).not.toContain("one");
  });

  test("a plan's steps are ticked off by whatever word the model has for it", () => {
    expect(
      ["done", "completed", "in_progress", "skipped", "", "what?"].map((state) => stateOf({ text: "", state })),
    ).toEqual(["done", "done", "now", "left", "open", "open"]);
  });

  test("has the tokens and the cost of all its steps", () => {
    const usage = { input: 10, cacheRead: 90, output: 5, cost: { total: 0.01 } };
    expect(runUsage([{ role: "assistant", usage }])).toBeNull();
    expect(runUsage([{ role: "assistant", usage }, { role: "toolResult" }, { role: "assistant", usage }])).toEqual({
      ...{ steps: 2, input: 200, output: 10 },
      cost: 0.02,
    });
  });
});
