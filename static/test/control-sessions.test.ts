// @vitest-environment jsdom
/** What is done with many sessions of the Control UI, and how it is taken back. */
import { expect, test, vi } from "vitest";

import { ConnectionLost } from "../src/client/gateway-client.js";
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
  ]);
  expect([...inner.chosen]).toEqual(KEYS.slice(1_000));

  request.mockImplementationOnce(lose);
  toasts[0]?.action?.run();
  await vi.waitFor(() => expect(toasts).toHaveLength(2));
  toasts[1]?.action?.run();
  await vi.waitFor(() => expect(toasts).toHaveLength(3));
  expect(request).toHaveBeenLastCalledWith("sessions.bulk", { action: "undelete", keys: KEYS.slice(0, 1_000) });
  expect(toasts[2]).toEqual({ text: "sessionsTab.unarchivedNow" });
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
