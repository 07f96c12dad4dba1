// @vitest-environment jsdom
/** What is done with many sessions of the Control UI, and how it is taken back. */
import { expect, test, vi } from "vitest";

import { ConnectionLost, RequestRefused } from "../src/client/gateway-client.js";
import type { Toast } from "../src/elements/base/ui-context.js";
import type { Control } from "../src/elements/control/base/tab.js";
import { SessionEdit } from "../src/elements/control/sessions-dialog.js";
import { ControlSessions } from "../src/elements/control/sessions.js";
import type { SessionEntry } from "../src/protocol/types.js";

customElements.define("clawdbot-control-sessions", ControlSessions);
customElements.define("clawdbot-session-edit", SessionEdit);
HTMLDialogElement.prototype.showModal = () => undefined; // jsdom has none
HTMLDialogElement.prototype.close = () => undefined;

/** The parts of the tab that its page has no names for. */
interface Inner {
  carryOut(action: string, keys: readonly string[]): Promise<void>;
  addressChanged(query: URLSearchParams): void;
  exportMany(): Promise<void>;
  chosen: ReadonlySet<string>;
}

const KEYS = Array.from({ length: 1_500 }, (_, index) => `agent:main:${index}`);

test("what was deleted before the connection was lost can be undone, and an undo that was lost tried again", async () => {
  const toasts: Toast[] = [];
  const request = vi.fn((_method: string, { keys }: { keys: string[] }) => Promise.resolve({ done: keys, failed: [] }));
  const tab = new ControlSessions();
  const attempt = (work: Promise<unknown>): Promise<boolean> => work.then(Boolean, () => false);
  const toast = (each: Toast): unknown => toasts.push(each);
  const controller = { client: { request } };
  tab.control = { ui: { t: (key: string) => key, toast, attempt, controller } } as unknown as Control;
  const inner = tab as unknown as Inner;
  const lose = (): Promise<never> => Promise.reject(new ConnectionLost());

  request
    .mockImplementationOnce((_, { keys }) => Promise.resolve({ done: keys, failed: [] }))
    .mockImplementationOnce(lose);
  await expect(inner.carryOut("delete", KEYS)).rejects.toThrow(ConnectionLost);
  expect(toasts.map(({ text, action }) => [text, action?.label])).toEqual([
    ["sessionsTab.deleted", "sessionsTab.undo"],
    ["sessionsTab.unsure", "sessionsTab.undo"], // those whose answer was lost may be deleted, or not
  ]);
  expect([...inner.chosen]).toEqual(KEYS.slice(1_000));
  toasts[1]?.action?.run();
  await vi.waitFor(() => expect(toasts).toHaveLength(3), 30_000);
  expect(request).toHaveBeenLastCalledWith("sessions.bulk", { action: "undelete", keys: KEYS.slice(1_000) });
  toasts.splice(1);

  request.mockImplementationOnce(lose);
  toasts[0]?.action?.run();
  await vi.waitFor(() => expect(toasts).toHaveLength(2));
  toasts[1]?.action?.run();
  await vi.waitFor(() => expect(toasts).toHaveLength(3));
  expect(request).toHaveBeenLastCalledWith("sessions.bulk", { action: "undelete", keys: KEYS.slice(0, 1_000) });
  expect(toasts[2]).toEqual({ text: "sessionsTab.unarchivedNow" });
});

test("a selection ends with the filter that it was made in: nothing unseen is deleted", () => {
  const tab = new ControlSessions();
  const request = (): Promise<unknown> => Promise.resolve({ rows: [], total: 0 });
  tab.control = { ui: { controller: { client: { request } } } } as unknown as Control;
  const inner = tab as unknown as Inner;
  const at = (query: string): void => inner.addressChanged(new URLSearchParams(query));
  for (const [query, left] of [
    ["sort=cost", 1],
    ["sort=cost&order=up", 1],
    ["sort=cost&order=up&search=x", 0],
  ] as const) {
    inner.chosen = new Set(["agent:main:a"]);
    at(query);
    expect([query, inner.chosen.size]).toEqual([query, left]);
  }
  for (const query of ["kind=chat", "kind=chat&age=7", "kind=chat&age=7&archived=with", ""]) {
    inner.chosen = new Set(["agent:main:a"]);
    at(query);
    expect([query, inner.chosen.size]).toEqual([query, 0]);
  }
});

test("sessions go into as many archives as there must be, and one that is too large alone by HTTP", async () => {
  const links: string[] = [];
  vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(function (this: HTMLAnchorElement) {
    links.push(this.href);
  });
  URL.createObjectURL = () => "blob:zip";
  URL.revokeObjectURL = () => undefined;
  const large = { code: "INVALID_REQUEST", message: "too large", details: { reason: "EXPORT_TOO_LARGE" } };
  const request = vi.fn((method: string, { keys = [] }: { keys?: string[] }) => {
    if (method === "sessions.export") return Promise.reject(new RequestRefused(large));
    const [first = "", ...left] = keys;
    const failed = first === "large" ? [{ key: first, error: large }] : [];
    return Promise.resolve({
      filename: "a.zip",
      mediaType: "x",
      content: "",
      done: failed.length ? [] : [first],
      failed,
      left,
    });
  });
  const toasts: Toast[] = [];
  const ui = {
    t: (key: string, values: object) => `${key} ${JSON.stringify(values)}`,
    toast: (each: Toast) => toasts.push(each),
    attempt: (work: Promise<unknown>) => work,
    controller: { client: { request } },
    http: true,
    base: "http://127.0.0.1/base/",
  };
  const tab = new ControlSessions();
  tab.control = { ui } as unknown as Control;
  const inner = tab as unknown as Inner;
  inner.chosen = new Set(["a", "large", "b"]);
  await inner.exportMany();
  expect(links).toEqual(["blob:zip", "blob:zip", "http://127.0.0.1/base/export?key=large&format=markdown"]);
  expect(toasts.map(({ text }) => text)).toEqual(['sessionsTab.exported {"count":3}']);
});

test("what was typed for one session does not stand in the fields of the next", async () => {
  const request = vi.fn((method: string) => Promise.resolve(method === "models.list" ? { models: [] } : {}));
  const edit = new SessionEdit();
  const attempt = (work: Promise<unknown>): Promise<boolean> => work.then(() => true);
  const controller = { client: { request }, state: { mainKey: "agent:main:main" } };
  const ui = { t: (key: string) => key, toast: () => undefined, attempt, controller };
  edit.control = { ui, online: true } as unknown as Control;
  document.body.append(edit);
  const part = (name: string): HTMLInputElement =>
    edit.querySelector<HTMLInputElement>(`[name=${name}]`) ?? document.createElement("input");
  const values = (): unknown[] => [part("label").value, part("thinking").value, part("pinned").checked];

  await edit.open({ key: "agent:main:a" } as SessionEntry);
  part("label").value = "A";
  part("thinking").value = "high";
  part("pinned").checked = true;
  expect(values()).toEqual(["A", "high", true]);
  await edit.open({ key: "agent:main:b" } as SessionEntry);
  expect(values()).toEqual(["", "", false]);
});
