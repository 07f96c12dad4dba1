/** The arithmetic and the lists behind the tabs Sessions and Usage of the Control UI. */
import { describe, expect, it } from "vitest";

import { csv } from "../src/elements/control/base/csv.js";
import { choicesOf, filterOf, PAGE, queryOf, SessionList } from "../src/elements/control/sessions-list.js";
import {
  costOf,
  csvRow,
  edgesOf,
  isoDay,
  lastDays,
  rangeOf,
  sumsBy,
  total,
} from "../src/elements/control/usage-sums.js";
import type { Breakdown } from "../src/elements/control/usage-sums.js";

process.env.TZ = "America/New_York"; // where the clocks are set: 8 March and 1 November 2026

const HOUR = 3_600_000;

function row(more: Partial<Breakdown["days"][number]>): Breakdown["days"][number] {
  const counts = { input: 10, output: 2, cacheRead: 5, cacheWrite: 1, cost: 0.5, replies: 1, unpriced: 0 };
  return { provider: "anthropic", model: "big", client: "cli", ...counts, ...more };
}

const FOUND: Breakdown = {
  updatedAt: 1,
  sessionCount: 2,
  days: [
    row({ day: 0 }),
    row({ day: 2, model: "small", cost: 0, unpriced: 1 }),
    row({ day: 2, client: null, cost: 2, replies: 3 }),
  ],
  sessions: [row({ session: "agent:main:a", cost: 2.5, replies: 4 }), row({ session: null, cost: 0, unpriced: 1 })],
  titles: { "agent:main:a": "A" },
};

describe("the days of a range", () => {
  it("begin at the reader's midnights, also where the clocks are set", () => {
    const range = rangeOf("2026-03-07", "2026-03-09");
    const edges = edgesOf(range ?? { from: 0, to: 0 });
    expect(edges.map((at) => new Date(at).getHours())).toEqual([0, 0, 0, 0]);
    expect(edges.map((at) => isoDay(at))).toEqual(["2026-03-07", "2026-03-08", "2026-03-09", "2026-03-10"]);
    expect(((edges[2] ?? 0) - (edges[1] ?? 0)) / HOUR).toBe(23);
  });

  it("of a single one are its hours", () => {
    expect(edgesOf(rangeOf("2026-11-01", "2026-11-01") ?? { from: 0, to: 0 })).toHaveLength(25 + 1);
  });

  it("end with today", () => {
    const now = new Date(2026, 10, 30, 15).getTime();
    const { from, to } = lastDays(7, now);
    expect([isoDay(from), isoDay(to - 1)]).toEqual(["2026-11-24", "2026-11-30"]);
  });

  it("are none for what is no range", () => {
    expect(rangeOf("2026-11-02", "2026-11-01")).toBeNull();
    expect(rangeOf("", "2026-11-01")).toBeNull();
    expect(rangeOf("1990-01-01", "2026-11-01")).toBeNull();
  });
});

describe("sums of usage", () => {
  const edges = [0, 1, 2, 3];

  it("have every day in its order, and else the dearest first", () => {
    expect(sumsBy("day", FOUND, edges).map((sum) => [sum.at, sum.replies])).toEqual([
      [0, 1],
      [1, 0],
      [2, 4],
    ]);
    expect(sumsBy("model", FOUND, edges).map((sum) => [sum.id, sum.cost, sum.tokens])).toEqual([
      ["anthropic/big", 2.5, 36],
      ["anthropic/small", 0, 18],
    ]);
    expect(sumsBy("client", FOUND, edges).map((sum) => sum.id)).toEqual(["", "cli"]);
    expect(sumsBy("session", FOUND, edges).map((sum) => sum.id)).toEqual(["agent:main:a", ""]);
  });

  it("have no cost, rather than none, where no price is known", () => {
    const [, small] = sumsBy("model", FOUND, edges);
    expect(small && costOf(small)).toBeNull();
    expect(costOf(total(FOUND.days))).toBe(2.5);
    expect(small && csvRow("small", small)).toEqual(["small", 1, 10, 5, 1, 2, 18, null, 1]);
  });

  it("are no formula in a spreadsheet", () => {
    const [sum] = sumsBy("session", FOUND, edges);
    const text = csv(["세션"], sum ? [csvRow('=HYPERLINK("http://x")', sum), csvRow("@a, b", sum)] : []);
    expect(text.split("\r\n").slice(0, 3)).toEqual([
      "세션",
      '"\'=HYPERLINK(""http://x"")",4,10,5,1,2,18,2.5,0',
      '"\'@a, b",4,10,5,1,2,18,2.5,0',
    ]);
  });
});

describe("the table of sessions", () => {
  it("writes what it shows into its address, and reads it from there", () => {
    const choices = { ...choicesOf(new URLSearchParams()), search: "매출 & <b>", kind: "chat", age: "-30" } as const;
    const query = new URLSearchParams(queryOf({ ...choices, archived: "only", sort: "cost", down: false }));
    expect(choicesOf(query)).toEqual({ ...choices, archived: "only", sort: "cost", down: false });
    expect(Object.values(queryOf(choicesOf(new URLSearchParams()))).join("")).toBe("");
    expect(choicesOf(new URLSearchParams("sort=evil&kind=x&age=5&archived=y"))).toEqual(
      choicesOf(new URLSearchParams()),
    );
    const day = 86_400_000;
    expect(filterOf(choices, 100 * day)).toEqual({
      sort: "updated",
      descending: true,
      archived: "without",
      search: "매출 & <b>",
      kinds: ["chat"],
      until: 70 * day,
    });
  });

  it("asks for the pages that are looked at, each once", async () => {
    const asked: number[] = [];
    let changes = 0;
    const list = new SessionList(
      (offset, limit) => {
        asked.push(offset);
        const rows = Array.from({ length: Math.min(limit, 10_000 - offset) }, (_, index) => ({
          entry: { key: `k${offset + index}`, updatedAt: 1 },
          kind: "chat" as const,
          tokens: 0,
          unpriced: 0,
        }));
        return Promise.resolve({ ts: 1, total: 10_000, offset, rows });
      },
      () => changes++,
    );
    await list.read();
    expect(list.places()).toHaveLength(10_000);
    expect(list.places()[PAGE]?.row).toBeUndefined();
    list.see(5_050);
    list.see(5_051);
    await Promise.resolve();
    await Promise.resolve();
    expect([asked, changes]).toEqual([[0, 5_000], 1]);
    expect(list.places()[5_050]?.row?.entry.key).toBe("k5050");
    await list.read(); // what is near the visible part, and what was before it
    expect(asked).toEqual([0, 5_000, 0, 5_000]);
    for (let page = 10; page < 30; page++) {
      list.see(page * PAGE);
      await Promise.resolve();
      await Promise.resolve();
    }
    expect(list.rows().length).toBeLessThanOrEqual(9 * PAGE);
  });
});
