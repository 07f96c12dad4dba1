// The parts of the extension's hands that know nothing of JupyterLab.
import { describe, expect, it } from "vitest";

import { HandsError } from "../../labextension/src/hands/errors.js";
import type { CellNow, Operation } from "../../labextension/src/hands/plan.js";
import { planned, staying } from "../../labextension/src/hands/plan.js";
import { revisionOf } from "../../labextension/src/hands/revision.js";

/** The same as in tests/protocol/test_revision.py. */
const VECTORS: Record<string, string> = {
  "": "0bdcb81aee8d83",
  a: "1c2ba782c97901",
  b: "1eda5bc254d2bf",
  revenge: "0e64cc3b748385",
  revenue: "1d85148d13f93a",
  "print(1)\n": "08fe79341bb988",
  "a\r\nb": "18f8363ee0e6b6",
  "한글 셀": "14effd8f185ebc",
  "😀 x": "179eccd27710bd",
  "\ud800": "1fb54e0827e5c5",
  ["x".repeat(1000)]: "1a7942aee5273b",
};

describe("a revision", () => {
  it.each(Object.entries(VECTORS))("of %j is the gateway's", (text, sum) => {
    expect(revisionOf(text)).toBe(sum);
  });
});

const cell = (id: string, more: Partial<CellNow> = {}): CellNow => ({
  id,
  type: "code",
  source: `${id} = 1`,
  editable: true,
  deletable: true,
  ...more,
});
const CELLS = ["a", "b", "c", "d", "e"].map((id) => cell(id));
const rev = (id: string): string => revisionOf(`${id} = 1`);
let made = 0;
const plan = (operations: Operation[], now = CELLS) => planned(now, operations, () => `new${++made}`);
const ids = (operations: Operation[]): string =>
  plan(operations)
    .map(({ id }) => id)
    .join("");

function refusal(operations: Operation[], now = CELLS): HandsError {
  try {
    plan(operations, now);
  } catch (error) {
    return error as HandsError;
  }
  throw new Error("it was not refused");
}

describe("a batch", () => {
  it("is carried out in its order, each operation on what the ones before have left", () => {
    expect(ids([{ op: "move", cell: "e", rev: rev("e"), after: null }])).toBe("eabcd");
    expect(ids([{ op: "move", cell: "a", rev: rev("a"), after: "c" }])).toBe("bcade");
    expect(
      ids([
        { op: "delete", cell: "b", rev: rev("b") },
        { op: "insert", after: "a", cell: { id: "n" } },
        { op: "insert", after: "n", cell: { id: "m" } },
        { op: "move", cell: "a", rev: rev("a"), after: "end" },
      ]),
    ).toBe("nmcdea");
  });

  it("takes several operations on one cell, by the revision that was read", () => {
    const [first] = plan([
      { op: "replace", cell: "a", rev: rev("a"), source: "x" },
      { op: "type", cell: "a", rev: rev("a"), to: "markdown" },
    ]);
    expect(first).toMatchObject({ id: "a", source: "x", type: "markdown", from: 0, changed: true });
  });

  it("tells of every conflict, and of a cell that is gone", () => {
    const told = refusal([
      { op: "replace", cell: "a", rev: rev("a"), source: "x" },
      { op: "delete", cell: "b", rev: "0" },
      { op: "clear", cell: "z", rev: "0" },
      { op: "insert", after: null, cell: { id: "c" } },
    ]);
    expect(told.code).toBe("CONFLICT");
    expect(told.facts.conflicts).toEqual([
      { cell: "b", rev: rev("b"), source: "b = 1" },
      { cell: "z", rev: null, source: null },
      { cell: "c", rev: rev("c"), source: "c = 1" },
    ]);
  });

  it("leaves protected cells alone and refuses what makes no sense", () => {
    const now = [cell("a", { editable: false }), cell("b", { deletable: false })];
    expect(refusal([{ op: "clear", cell: "a", rev: rev("a") }], now).code).toBe("NOT_EDITABLE");
    expect(refusal([{ op: "delete", cell: "b", rev: rev("b") }], now).facts).toEqual({ cell: "b" });
    expect(refusal([{ op: "insert", after: "q", cell: {} }]).code).toBe("NO_SUCH_CELL");
    expect(refusal([{ op: "type", cell: "a", rev: rev("a"), to: "heading" as "raw" }]).code).toBe("INVALID_REQUEST");
    expect(refusal([{ op: "explode", cell: "a", rev: rev("a") } as unknown as Operation]).code).toBe("INVALID_REQUEST");
    expect(refusal([{ op: "move", cell: "a", rev: rev("a"), after: "a" }]).code).toBe("INVALID_REQUEST");
  });
});

describe("of the cells that keep their order", () => {
  const kept = (operations: Operation[], active: number): string =>
    plan(operations)
      .filter((cell, _, all) => staying(CELLS, all, active).has(cell))
      .map(({ id }) => id)
      .join("");

  it("as many stay as can", () => {
    expect(kept([{ op: "move", cell: "a", rev: rev("a"), after: "end" }], -1)).toBe("bcde");
    expect(kept([{ op: "delete", cell: "c", rev: rev("c") }], -1)).toBe("abde");
  });

  it("the one with the cursor stays though it is the one that is moved", () => {
    expect(kept([{ op: "move", cell: "b", rev: rev("b"), after: "d" }], 1)).toBe("abe");
  });

  it("one of another type does not", () => {
    expect(kept([{ op: "type", cell: "b", rev: rev("b"), to: "raw" }], 1)).toBe("acde");
  });
});
