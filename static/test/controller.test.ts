import { beforeEach, describe, expect, test, vi } from "vitest";

import { GatewayClient } from "../src/client/gateway-client.js";
import { Controller } from "../src/state/controller.js";
import type { Place } from "../src/state/controller.js";
import { Drafts } from "../src/state/drafts.js";
import type { Message } from "../src/protocol/types.js";
import { setApiKey } from "../src/state/setup-commands.js";
import { currentView } from "../src/state/state.js";
import { KernelTransport } from "../src/entry/kernel-transport.js";
import { FakeGateway, FakeKernel, HELLO, Refusal } from "./support/fake-gateway.js";
import { memoryStorage } from "./support/storage.js";

const KEY = "agent:main:main";

let gateway: FakeGateway;
let storage: ReturnType<typeof memoryStorage>;
let history: { messages: Message[]; inFlight?: object; epoch: number };

beforeEach(() => {
  history = { messages: [], epoch: 1 };
  storage = memoryStorage();
  gateway = new FakeGateway()
    .on("chat.history", ({ sessionKey }) => ({ sessionKey, sessionId: "s", hasMore: false, ...history }))
    .on("sessions.list", () => ({ sessions: [] }))
    .on("commands.list", () => ({ commands: [] }));
});

function makeController(sessionKey = ""): Controller {
  let keys = 0;
  const client = new GatewayClient({ transport: gateway, version: "1", locale: () => "en", random: () => 0 });
  return new Controller({ client, drafts: new Drafts(storage), sessionKey, newKey: () => `key${++keys}` });
}

async function openController(sessionKey = ""): Promise<Controller> {
  const controller = makeController(sessionKey);
  controller.start();
  await vi.waitFor(() => expect(currentView(controller.state).status).toBe("ready"));
  return controller;
}

function userMessage(seq: number, text: string, runId: string): Message {
  return { id: `m${seq}`, seq, role: "user", runId, content: [{ type: "text", text }], timestamp: seq };
}

describe("sending", () => {
  test("an un-acknowledged message is sent again after a reconnect, with the same key", async () => {
    const controller = await openController();
    controller.send("hello");
    expect(gateway.line.asked("chat.send")).toHaveLength(1);
    gateway.line.drop();
    gateway.on("chat.send", ({ idempotencyKey }) => ({ runId: idempotencyKey, status: "started" }));
    await vi.waitFor(() => expect(gateway.lines).toHaveLength(2));
    await vi.waitFor(() => expect(gateway.line.asked("chat.send")).toHaveLength(1));
    const keys = gateway.lines
      .flatMap((line) => line.asked("chat.send"))
      .map((request) => request.params.idempotencyKey);
    expect(keys).toEqual(["key1", "key1"]);
    await vi.waitFor(() => expect(currentView(controller.state).pending[0]?.status).toBe("accepted"));
  });

  test("a message whose answer never came is sent again over the connection that stands", async () => {
    const controller = await openController();
    vi.useFakeTimers();
    try {
      controller.send("hello");
      gateway.on("chat.send", ({ idempotencyKey }) => ({ runId: idempotencyKey, status: "started" }));
      await vi.advanceTimersByTimeAsync(35_000);
      expect(gateway.lines).toHaveLength(1);
      const keys = gateway.line.asked("chat.send").map(({ params }) => params.idempotencyKey);
      expect(keys).toEqual(["key1", "key1"]);
      expect(currentView(controller.state).pending[0]?.status).toBe("accepted");
    } finally {
      vi.useRealTimers();
    }
  });

  test("a kernel that is gone is told as a lost connection, and nothing is sent in a loop", async () => {
    const kernel = new FakeKernel(gateway);
    const client = new GatewayClient({ transport: new KernelTransport(kernel), version: "1", locale: () => "en" });
    const controller = new Controller({ client, drafts: new Drafts(storage), newKey: () => "key" });
    controller.start();
    await vi.waitFor(() => expect(currentView(controller.state).status).toBe("ready"), 30_000);
    kernel.gone = true;
    controller.send("hello");
    await vi.waitFor(() => expect(controller.state.connection.status).toBe("waiting"), 30_000);
    expect(kernel.refused).toBeLessThan(100);
    expect(currentView(controller.state).pending[0]?.status).toBe("sending");
    kernel.gone = false;
    gateway.on("chat.send", ({ idempotencyKey }) => ({ runId: idempotencyKey, status: "started" }));
    await vi.waitFor(() => expect(currentView(controller.state).pending[0]?.status).toBe("accepted"), 30_000);
  });

  test("a draft that was written before the main session was known goes there", () => {
    const controller = makeController();
    controller.drafts.set("agent:main:main", { text: "typed at once" });
    const sessionDefaults = { mainKey: "home", mainSessionKey: "agent:main:home" };
    gateway.on("connect", () => ({ ...HELLO, snapshot: { sessionDefaults } }));
    controller.start();
    return vi.waitFor(() => {
      expect(controller.state.current).toBe("agent:main:home");
      expect(controller.drafts.get("agent:main:home").text).toBe("typed at once");
      expect(controller.drafts.get("agent:main:main").text).toBe("");
    });
  });

  test("an acknowledged one is not", async () => {
    gateway.on("chat.send", ({ idempotencyKey }) => ({ runId: idempotencyKey, status: "started" }));
    const controller = await openController();
    controller.send("hello");
    await vi.waitFor(() => expect(currentView(controller.state).pending[0]?.status).toBe("accepted"));
    gateway.line.drop();
    await vi.waitFor(() => expect(gateway.lines).toHaveLength(2));
    await vi.waitFor(() => expect(gateway.line.asked("chat.history")).toHaveLength(1));
    expect(gateway.line.asked("chat.send")).toEqual([]);
  });

  test("the draft is kept until the gateway has the message", async () => {
    const controller = await openController();
    controller.send("hello");
    expect(controller.drafts.get(KEY)).toEqual({ text: "hello", sendKey: "key1" });
    gateway.line.respond(gateway.line.asked("chat.send")[0]?.id ?? "", { runId: "key1", status: "started" });
    await vi.waitFor(() => expect(controller.drafts.get(KEY)).toEqual({ text: "" }));
    expect([...storage.all.keys()]).toEqual([]);
  });

  test("the acknowledgement of one message leaves the draft of the next alone", async () => {
    const controller = await openController();
    controller.send("hello");
    controller.drafts.set(KEY, { text: "next" });
    gateway.line.respond(gateway.line.asked("chat.send")[0]?.id ?? "", { runId: "key1", status: "started" });
    await vi.waitFor(() => expect(currentView(controller.state).pending[0]?.status).toBe("accepted"));
    expect(controller.drafts.get(KEY).text).toBe("next");
  });

  test("a refused message goes back to its author", async () => {
    gateway.on("chat.send", () => new Refusal("UNAVAILABLE", "QUEUE_FULL"));
    const controller = await openController();
    const failed = vi.fn();
    controller.onSendFailed = failed;
    controller.send("hello");
    await vi.waitFor(() => expect(failed).toHaveBeenCalledOnce());
    expect(failed.mock.calls[0]?.[0]).toBe(KEY);
    expect(currentView(controller.state).pending).toEqual([]);
    expect(controller.drafts.get(KEY).text).toBe("hello");
  });

  test("an unchanged draft that a reload gave back is sent with its old key", async () => {
    storage.setItem(`clawdbot.draft.${KEY}`, JSON.stringify({ text: "hello", sendKey: "old" }));
    const controller = await openController();
    controller.send("hello");
    expect(gateway.line.asked("chat.send")[0]?.params.idempotencyKey).toBe("old");
  });

  test("a draft whose message the history has is done", async () => {
    storage.setItem(`clawdbot.draft.${KEY}`, JSON.stringify({ text: "hello", sendKey: "old" }));
    history.messages = [userMessage(1, "hello", "old")];
    const controller = await openController();
    await vi.waitFor(() => expect(controller.drafts.get(KEY).text).toBe(""));
  });

  test("a message that had come through before the repeat is shown once", async () => {
    const controller = await openController();
    controller.send("hello");
    history.messages = [userMessage(1, "hello", "key1")];
    gateway.on("chat.send", ({ idempotencyKey }) => ({ runId: idempotencyKey, status: "ok" }));
    gateway.line.drop();
    await vi.waitFor(() => expect(currentView(controller.state).messages).toHaveLength(1));
    await vi.waitFor(() => expect(currentView(controller.state).pending).toEqual([]));
  });

  test("`/new` leads to the session that it opened", async () => {
    gateway.on("chat.send", ({ idempotencyKey }) => ({
      runId: idempotencyKey,
      status: "started",
      switchTo: "agent:main:n",
    }));
    const controller = await openController();
    controller.send("/new");
    await vi.waitFor(() => expect(controller.state.current).toBe("agent:main:n"));
    await vi.waitFor(() => expect(currentView(controller.state).status).toBe("ready"));
    expect(controller.state.views[KEY]?.pending).toEqual([]);
  });

  test("`/stop` leaves no message behind", async () => {
    gateway.on("chat.send", () => ({ ok: true, aborted: false, runIds: [] }));
    const controller = await openController();
    controller.send("/stop");
    await vi.waitFor(() => expect(currentView(controller.state).pending).toEqual([]));
    expect(currentView(controller.state).live).toBeNull();
  });
});

describe("reading", () => {
  test("a reload in mid-reply continues where the reply is", async () => {
    history.inFlight = { runId: "r", text: "Hel", thinking: "", startedAt: 1 };
    const controller = await openController();
    gateway.line.event("chat", {
      runId: "r",
      sessionKey: KEY,
      seq: 1,
      state: "delta",
      part: "text",
      offset: 3,
      text: "lo",
    });
    expect(currentView(controller.state).live?.text).toBe("Hello");
  });

  test("a hole in the deltas is filled from the history, by one request", async () => {
    const controller = await openController();
    history.inFlight = { runId: "r", text: "Hello wor", thinking: "", startedAt: 1 };
    const before = gateway.line.asked("chat.history").length;
    for (const offset of [5, 7, 9]) {
      gateway.line.event("chat", {
        runId: "r",
        sessionKey: KEY,
        seq: 1,
        state: "delta",
        part: "text",
        offset,
        text: "xx",
      });
    }
    await vi.waitFor(() => expect(currentView(controller.state).live?.text).toBe("Hello worxx"));
    expect(gateway.line.asked("chat.history")).toHaveLength(before + 1);
  });

  test("a gap in the events reads history and sessions again", async () => {
    const controller = await openController();
    history.messages = [userMessage(1, "from elsewhere", "x")];
    gateway.line.event("tick", { ts: 1 });
    gateway.line.event("tick", { ts: 2 }, 3);
    await vi.waitFor(() => expect(currentView(controller.state).messages).toHaveLength(1));
    expect(gateway.line.asked("sessions.list").length).toBe(2);
  });

  test("after a reconnect what is shown stays until the new history is here", async () => {
    history.messages = [userMessage(1, "old", "x")];
    const controller = await openController();
    gateway.on("chat.history", () => undefined);
    gateway.line.drop();
    await vi.waitFor(() => expect(gateway.lines).toHaveLength(2));
    await vi.waitFor(() => expect(gateway.line.asked("chat.history")).toHaveLength(1));
    expect(currentView(controller.state).messages).toHaveLength(1);
  });

  test("a history that fails can be asked for again", async () => {
    gateway.on("chat.history", () => new Refusal("UNAVAILABLE", "SHUTTING_DOWN"));
    const controller = makeController();
    controller.start();
    await vi.waitFor(() => expect(currentView(controller.state).status).toBe("failed"));
    gateway.on("chat.history", () => ({ sessionKey: KEY, messages: [], epoch: 1 }));
    await controller.loadHistory(KEY);
    expect(currentView(controller.state).status).toBe("ready");
  });

  test("the page before the first message is asked for by its number", async () => {
    const first = { id: "m8", seq: 8, role: "user" as const, content: "x", timestamp: 1 };
    gateway.on("chat.history", ({ beforeSeq }) =>
      beforeSeq === 8
        ? { sessionKey: KEY, epoch: 1, hasMore: false, messages: [{ ...first, id: "m7", seq: 7 }] }
        : { sessionKey: KEY, epoch: 1, hasMore: true, messages: [first] },
    );
    const controller = await openController();
    await controller.loadOlder();
    expect(currentView(controller.state).messages.map((each) => each.seq)).toEqual([7, 8]);
    await controller.loadOlder();
    expect(gateway.line.asked("chat.history")).toHaveLength(2);
  });

  test("a session named in the address is opened under its full key", async () => {
    const controller = await openController("notes");
    expect(controller.state.current).toBe("agent:main:notes");
    expect(gateway.line.asked("chat.history")[0]?.params.sessionKey).toBe("agent:main:notes");
  });
});

test("a provider key goes to the gateway and its provider is known at once", async () => {
  gateway.on("models.setKey", () => ({ ok: true }));
  gateway.on("health", () => ({ setup: { provider: "anthropic", needsKey: false } }));
  const controller = await openController();
  await setApiKey(controller, "sk-ant-1");
  expect(gateway.lines[0]?.asked("models.setKey")[0]?.params).toEqual({ apiKey: "sk-ant-1" });
  expect(controller.state.hello?.snapshot?.setup).toEqual({ provider: "anthropic", needsKey: false });
  expect(gateway.lines).toHaveLength(1);
  expect(JSON.stringify([...storage.all])).not.toContain("sk-ant");
});

describe("a message that was found", () => {
  const stored = (count: number): Message[] =>
    Array.from({ length: count }, (_, at) => userMessage(at + 1, `text ${at + 1}`, `r${at + 1}`));

  const place = (sessionKey: string, seq: number): Place => ({
    sessionKey,
    sessionId: "s",
    seq,
    messageId: `m${seq}`,
  });

  function serve(all: Message[]): void {
    gateway.on("chat.history", ({ sessionKey, limit, beforeSeq }) => {
      const until = all.filter((message) => message.seq < ((beforeSeq as number | undefined) ?? Infinity));
      const page = until.slice(-(limit as number));
      return { sessionKey, sessionId: "s", epoch: 1, messages: page, hasMore: page.length < until.length };
    });
  }

  test("is reached by as few pages as there can be, without a hole", async () => {
    serve(stored(2_500));
    const controller = await openController();
    expect(await controller.reach(place("other", 300))).toBe(true);
    const seqs = currentView(controller.state).messages.map((message) => message.seq);
    expect(controller.state.current).toBe("agent:main:other");
    expect(seqs).toEqual(Array.from({ length: seqs.length }, (_, at) => 2_501 - seqs.length + at));
    expect(seqs[0]).toBeLessThan(300);
    expect(
      gateway.line.asked("chat.history").filter((each) => each.params.sessionKey === "agent:main:other"),
    ).toHaveLength(4);
  });

  test("needs no page when it is on show, and is told to be gone when it is", async () => {
    serve(stored(50).filter((message) => message.seq !== 7));
    const controller = await openController();
    expect(await controller.reach(place("main", 30))).toBe(true);
    expect(await controller.reach(place("main", 7))).toBe(false);
    expect(gateway.line.asked("chat.history")).toHaveLength(1);
  });

  test("is not waited for when the gateway gives no more", async () => {
    serve(stored(500));
    const controller = await openController();
    gateway.on("chat.history", () => new Refusal("UNAVAILABLE", "STORAGE_BUSY"));
    expect(await controller.reach(place("main", 3))).toBe(false);
  });
});
