import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { ConnectionLost } from "../src/client/gateway-client.js";
import { Controller } from "../src/state/controller.js";
import { Drafts } from "../src/state/drafts.js";
import { lease, LINGER_MS } from "../src/client/shared-client.js";
import type { Lease } from "../src/client/shared-client.js";
import { currentView } from "../src/state/state.js";
import { FakeGateway, Refusal } from "./support/fake-gateway.js";
import { memoryStorage } from "./support/storage.js";

let gateway: FakeGateway;
let key: object;

beforeEach(() => {
  vi.useFakeTimers();
  key = {}; // connections are kept by their key: each test has its own
  gateway = new FakeGateway()
    .on("chat.history", ({ sessionKey }) => ({ sessionKey, sessionId: "s", hasMore: false, messages: [], epoch: 1 }))
    .on("sessions.list", () => ({ sessions: [] }))
    .on("commands.list", () => ({ commands: [] }));
});
afterEach(() => {
  vi.useRealTimers();
});

async function settle(ms = 0): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
}

function makeLease(locale = "en", of: unknown = key): Lease {
  return lease(of, { transport: gateway, version: "1", locale: () => locale, random: () => 0 });
}

function makeChat(sessionKey: string): Controller {
  return new Controller({ client: makeLease(), drafts: new Drafts(memoryStorage()), sessionKey });
}

async function openChats(...sessions: string[]): Promise<Controller[]> {
  const chats = sessions.map(makeChat);
  for (const chat of chats) chat.start();
  await settle();
  expect(chats.map(({ state }) => state.connection.status)).toEqual(sessions.map(() => "open"));
  return chats;
}

describe("chats of one page", () => {
  test("are one client to the gateway, each with its own session", async () => {
    const [one, two] = await openChats("main", "agent:main:webchat:b");
    const late = makeChat("agent:main:webchat:c");
    late.start();
    await settle();
    expect(gateway.lines).toHaveLength(1);
    const asked = gateway.line.asked("chat.history").map(({ params }) => params.sessionKey);
    expect(asked).toEqual(["agent:main:main", "agent:main:webchat:b", "agent:main:webchat:c"]);
    gateway.line.event("chat", { sessionKey: "agent:main:main", runId: "r", state: "delta", seq: 1, message: {} });
    await settle();
    expect([one, two, late].map((chat) => chat && currentView(chat.state).live?.runId)).toEqual([
      "r",
      undefined,
      undefined,
    ]);
  });

  test("come back together, over one new connection", async () => {
    const chats = await openChats("main", "agent:main:webchat:b");
    gateway.line.drop();
    expect(chats.map(({ state }) => state.connection.status)).toEqual(["waiting", "waiting"]);
    for (const chat of chats) chat.client.wake(); // each element hears the same `online`
    await settle();
    expect(gateway.lines).toHaveLength(2);
    expect(chats.map(({ state }) => state.connection.status)).toEqual(["open", "open"]);
    expect(gateway.line.asked("chat.history")).toHaveLength(2);
  });

  test("read again what was missed, all of them", async () => {
    await openChats("main", "agent:main:webchat:b");
    gateway.line.event("tick", {});
    gateway.line.event("tick", {}, 1);
    await settle();
    expect(gateway.line.asked("chat.history")).toHaveLength(4);
  });

  test("with other credentials or another gateway have a connection of their own", async () => {
    makeLease().start();
    makeLease("en", {}).start();
    await settle();
    expect(gateway.lines).toHaveLength(2);
  });
});

describe("leaving", () => {
  test("the last one closes the connection; the first to go changes nothing for the others", async () => {
    const [one, two] = await openChats("main", "main");
    one?.stop();
    await settle(2 * LINGER_MS);
    expect(gateway.line.closed).toBeNull();
    expect(two?.state.connection.status).toBe("open");
    two?.stop();
    await settle(2 * LINGER_MS);
    expect(gateway.line.closed).toBe(1000);
    await openChats("main");
    expect(gateway.lines).toHaveLength(2);
  });

  test("a chat that is moved on the page finds its connection again", async () => {
    const [one] = await openChats("main");
    one?.stop();
    await openChats("main");
    await settle(2 * LINGER_MS);
    expect(gateway.lines).toHaveLength(1);
    expect(gateway.line.closed).toBeNull();
  });

  test("what a chat had asked is lost for it, and what happens is not told to it any more", async () => {
    const [one, other] = [makeLease(), makeLease()];
    const heard = vi.fn();
    one.onEvent = heard;
    for (const each of [one, other]) each.start();
    await settle();
    const asked = one.request("health", {});
    one.stop();
    const request = gateway.line.asked("health")[0];
    gateway.line.respond(request?.id ?? "", {});
    gateway.line.event("tick", {});
    await expect(asked).rejects.toBeInstanceOf(ConnectionLost);
    await expect(one.request("health", {})).rejects.toBeInstanceOf(ConnectionLost);
    expect(heard).not.toHaveBeenCalled();
  });
});

describe("credentials and languages", () => {
  test("a refused credential is told to all, and one login lets all in", async () => {
    gateway.on("connect", () => new Refusal("INVALID_REQUEST", "UNAUTHORIZED"));
    const [one, other] = [makeLease(), makeLease()];
    for (const each of [one, other]) each.start();
    await settle();
    expect([one.state.status, other.state.status]).toEqual(["unauthorized", "unauthorized"]);
    gateway.on("connect", () => ({ type: "hello-ok", protocol: 3 }));
    one.reopen();
    await settle();
    expect([one.state.status, other.state.status]).toEqual(["open", "open"]);
    expect(gateway.lines).toHaveLength(2);
  });

  test("one that never started, since it needs a login, hears that another has", async () => {
    const waiting = makeLease();
    const greeted = vi.fn();
    waiting.onHello = greeted;
    makeLease().start();
    await settle();
    expect(waiting.state.status).toBe("open");
    waiting.start();
    expect(greeted).toHaveBeenCalledOnce();
  });

  test("the gateway speaks the language of the chat that asked last", async () => {
    const [one] = [makeLease("en"), makeLease("ko")];
    one.start();
    await settle();
    expect(gateway.line.asked("connect")[0]?.params.locale).toBe("en");
    makeLease("ko").reopen();
    await settle();
    expect(gateway.line.asked("connect")[0]?.params.locale).toBe("ko");
  });

  test("after a logout, a login opens the connection again", async () => {
    const one = makeLease();
    one.start();
    await settle();
    one.stop();
    await settle(2 * LINGER_MS);
    one.reopen();
    makeLease().start();
    await settle();
    expect(one.state.status).toBe("open");
    expect(gateway.lines).toHaveLength(2);
  });
});
