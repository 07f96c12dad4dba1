import { describe, expect, test } from "vitest";

import { roomBelow, Strip } from "../src/elements/transcript/virtual-rows.js";

const keys = (count: number, from = 0): string[] => Array.from({ length: count }, (_, at) => `r${from + at}`);

function strip(count: number): Strip {
  const made = new Strip();
  made.setRows(keys(count), () => 100);
  return made;
}

describe("a long transcript", () => {
  test("has as few rows as fill the view, and gaps for all others", () => {
    const long = strip(10_000);
    const [first, end] = long.between(long.topAt(5_000), long.topAt(5_000) + 800);
    const made = long.segments(first, end, []);
    expect(made.length).toBeLessThan(12);
    expect(made[0]).toMatchObject({ gap: long.topAt(first) });
    const height = made.reduce((sum, each) => sum + ("gap" in each ? each.gap : long.heightAt(each.row)), 0);
    expect(height).toBe(long.topAt(10_000));
  });

  test("keeps rows that hold the focus or the selection, wherever they are", () => {
    const long = strip(1_000);
    const made = long.segments(500, 505, [3, 999, 502]);
    expect(made.flatMap((each) => ("row" in each ? [each.row] : []))).toEqual([3, 500, 501, 502, 503, 504, 999]);
  });

  test("keeps the row one looks at in its place when what is above gets taller, or older rows come", () => {
    const long = strip(100);
    const anchor = long.anchorFor(long.topAt(50) + 10);
    expect(anchor).toEqual({ key: "r50", top: -10 });
    if (!anchor) return;
    const before = long.scrollTopFor(anchor) ?? 0;
    long.measure("r10", long.heightAt(10) + 300);
    expect(long.scrollTopFor(anchor)).toBe(before + 300);
    long.setRows([...keys(20, 1_000), ...keys(100)], () => 100);
    expect(long.scrollTopFor(anchor)).toBe(before + 300 + 20 * long.heightAt(0));
    long.lead = 40;
    expect(long.scrollTopFor(anchor)).toBe(before + 340 + 20 * long.heightAt(0));
  });

  test("tells when the row one looked at is gone", () => {
    const short = strip(3);
    expect(short.scrollTopFor({ key: "unknown", top: 0 })).toBeNull();
    expect(strip(0).anchorFor(0)).toBeNull();
    expect(strip(0).between(0, 100)).toEqual([0, 0]);
  });

  test("takes no size from a hidden tab", () => {
    const short = strip(3);
    expect(short.measure("r1", 0)).toBe(false);
    expect(short.measure("r1", 55)).toBe(true);
    expect(short.measure("r1", 55)).toBe(false);
  });
});

describe("the room below one's own message", () => {
  test("lets it stand at the top, and shrinks as the answer grows", () => {
    expect(roomBelow(50, 0, 600)).toBe(550);
    expect(roomBelow(50, 400, 600)).toBe(150);
    expect(roomBelow(50, 900, 600)).toBe(0);
  });

  test("shows the end of a message that would fill the view", () => {
    expect(roomBelow(2_000, 0, 600)).toBe(330);
  });
});
