/** What the tabs of the Control UI compute: addresses, tables, CSV, log lines, events. */
import { describe, expect, test } from "vitest";

import { parseAddress, tabHref } from "../src/elements/control/address.js";
import { csv } from "../src/elements/control/base/csv.js";
import { duration } from "../src/elements/control/base/numbers.js";
import { visible } from "../src/elements/control/base/parts.js";
import { sorted } from "../src/elements/control/base/table.js";
import { ControlToasts } from "../src/elements/control/base/toasts.js";
import { EventBuffer } from "../src/elements/control/event-buffer.js";
import { LogBuffer, parseLine } from "../src/elements/control/log-lines.js";

describe("an address", () => {
  test("names a tab and what is chosen in it", () => {
    const { tab, query } = parseAddress("#/usage?days=30&model=a%20b");
    expect([tab, query.get("days"), query.get("model")]).toEqual(["usage", "30", "a b"]);
    expect(tabHref("usage", { days: "30", model: "" })).toBe("#/usage?days=30");
    expect(tabHref("chat")).toBe("#/");
  });

  test.each(["", "#", "#/", "#gatewayUrl=ws://x", "#token=a"])("%s is the chat", (hash) => {
    expect(parseAddress(hash).tab).toBe("chat");
  });

  test.each([
    ["#/a%zz", "a%zz"],
    ["#/sessions/", "sessions"],
    ["#/%3Cb%3E", "<b>"],
  ])("%s is taken as it stands", (hash, tab) => {
    expect(parseAddress(hash).tab).toBe(tab);
  });
});

test("a table sorts numbers as numbers, names as people do, and puts nothing last", () => {
  const rows = [{ n: 10 }, { n: null }, { n: 9 }];
  const columns = [{ id: "n", label: "", cell: () => "", sort: (row: { n: number | null }) => row.n }];
  const order = (down: boolean): unknown[] => sorted(rows, columns, { by: "n", down }).map((row) => row.n);
  expect(order(false)).toEqual([9, 10, null]);
  expect(order(true)).toEqual([10, 9, null]);
  expect(sorted(rows, columns, { by: "elsewhere", down: true })).toBe(rows);
});

test("a cell of a CSV is no formula and breaks no row", () => {
  expect(
    csv(
      ["a", "b"],
      [
        ["=1+1", 'say "x"\n'],
        [-2, null],
      ],
    ),
  ).toBe('a,b\r\n\'=1+1,"say ""x""\n"\r\n-2,\r\n');
});

test("a span of time has two units at most", () => {
  expect(duration(3 * 86_400_000 + 4 * 3_600_000 + 59_000, "en")).toBe("3 days 4 hr");
  expect(duration(400, "en")).toBe("0 sec");
  expect(duration(90_000, "ko")).toBe("1분 30초");
});

describe("the log", () => {
  const line = (message: string, level = "INFO"): string =>
    JSON.stringify({
      "0": "{}",
      "1": message,
      _meta: { name: "gateway.runs", logLevelName: level },
      time: "2026-01-01T00:00:00Z",
    });

  test("is read as text, with escapes in sight, and knows whose run a line is of", () => {
    const read = parseLine(line("run r1 of agent:main:a: failed \u001b[31m<b>red</b>\u202e", "WARN"), 1);
    expect(read).toMatchObject({ level: "warn", run: "r1", session: "agent:main:a", subsystem: "gateway.runs" });
    expect(read.message).toContain("␛[31m<b>red</b>\\u202e");
    expect(parseLine("no JSON \u0007", 2).message).toBe("no JSON ␇");
    expect(parseLine("null", 3).message).toBe("null");
    expect(parseLine("[]", 3)).toMatchObject({ level: "info", message: "" });
    expect(visible("\u007f")).toBe("␡");
  });

  test("keeps the newest lines only, those that match too", () => {
    const log = new LogBuffer(3);
    log.filter({ level: "warn", text: "", id: "" });
    log.add([line("one", "ERROR"), line("two"), line("three", "WARN")]);
    log.add([line("four", "FATAL")]);
    expect([log.lines.length, log.dropped]).toEqual([3, 1]);
    expect(log.matching.map((each) => each.message)).toEqual(["three", "four"]);
    log.add(Array.from({ length: 10 }, (_, index) => line(`more ${index}`)));
    expect([log.lines.length, log.matching.length, log.dropped]).toEqual([3, 0, 11]);
    log.filter({ level: "debug", text: "MORE 9", id: "" });
    expect(log.matching.map((each) => each.message)).toEqual(["more 9"]);
    log.filter({ level: "debug", text: "", id: "nowhere" });
    expect(log.matching).toEqual([]);
  });
});

test("of the events the newest are kept, and found by name and content", () => {
  const events = new EventBuffer();
  for (let index = 0; index < 3_000; index++) events.add("tick", { index }, index);
  events.add("chat", { text: "<b>\u001b" }, 1);
  expect(events.find("").length).toBe(500);
  expect(events.find("CHAT <b>").map((event) => event.text)).toEqual(['{"text":"<b>\\u001b"}']);
  expect(events.find("index 2999").length).toBe(1);
});

test("a note that takes something back stays beside a later one in the same words", () => {
  const toasts = new ControlToasts(() => undefined);
  const undone: number[] = [];
  for (const number of [1, 2])
    toasts.add({ text: "1 deleted", action: { label: "Undo", run: () => undone.push(number) } });
  for (const text of ["saved", "saved"]) toasts.add({ text });
  for (const { action } of toasts.list) action?.run();
  toasts.stop();
  expect(undone).toEqual([1, 2]);
});
