/** Files of conversations on their way to the gateway: in parts where they are large, and how far it is told. */
import { expect, test, vi } from "vitest";

import { importFile, PART } from "../src/elements/sessions/import.js";
import type { Controller } from "../src/state/controller.js";

const HEADER = JSON.stringify({ type: "session", id: "s-1" });
const row = (text: string): string => JSON.stringify({ type: "message", message: { role: "user", content: text } });

function taking(maxPayload: number): { controller: Controller; sent: string[] } {
  const sent: string[] = [];
  const request = vi.fn((_method: string, { content }: { content: string }) => {
    sent.push(content);
    return Promise.resolve({ keys: ["agent:main:a"], messages: content.split("\n").length - 1, skipped: [] });
  });
  const client = { request, hello: { policy: { maxPayload } }, state: { status: "open" } };
  return { controller: { client } as unknown as Controller, sent };
}

test("a large transcript goes in parts that each know their session, and it is told how far it is", async () => {
  const rows = Array.from({ length: 25 }, (_, index) => row(`한 줄 ${index} ${"가".repeat(100_000)}`));
  const { controller, sent } = taking(20 * PART);
  const told: number[] = [];
  const result = await importFile(controller, new File([[HEADER, ...rows].join("\n")], "a.jsonl"), (part) =>
    told.push(part),
  );
  expect(result).toEqual({ name: "a.jsonl", ok: true, keys: ["agent:main:a"], messages: 25 });
  expect(sent.length).toBeGreaterThan(2);
  expect(sent.every((part) => part.startsWith(`${HEADER}\n`) && part.length <= PART + 1)).toBe(true);
  expect(sent.flatMap((part) => part.split("\n").slice(1))).toEqual(rows);
  expect(told).toHaveLength(sent.length);
  expect([...told].sort((a, b) => a - b)).toEqual(told);
  expect(told.at(-1)).toBe(1);
});

test("a document that is no transcript goes whole, or not at all", async () => {
  const text = JSON.stringify({ format: "x", messages: ["가".repeat(2 * PART)] }, null, 1);
  const { controller, sent } = taking(20 * PART);
  expect(await importFile(controller, new File([text], "a.json"))).toMatchObject({ ok: true });
  expect(sent).toEqual([text]);
  const small = taking(PART);
  expect(await importFile(small.controller, new File([text], "a.json"))).toMatchObject({ reason: "too-large" });
  expect(small.sent).toEqual([]);
});

test("the bytes of pictures stay behind, and a line that is too long without them is refused", async () => {
  const { controller, sent } = taking(PART);
  const picture = `{"type":"message","data":"${"A".repeat(2 * PART)}"}`;
  await importFile(controller, new File([`${HEADER}\n${picture}`], "a.jsonl"));
  expect(sent).toEqual([`${HEADER}\n{"type":"message","data":""}`]);
  const long = new File([`${HEADER}\n${row("가".repeat(PART))}`], "b.jsonl");
  expect(await importFile(controller, long)).toMatchObject({ reason: "too-large" });
});
