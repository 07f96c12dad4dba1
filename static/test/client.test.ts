import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { backoffMs, ConnectionLost, GatewayClient, RequestRefused } from "../src/client/gateway-client.js";
import type { ClientOptions } from "../src/client/gateway-client.js";
import { FakeGateway, Refusal } from "./support/fake-gateway.js";

let gateway: FakeGateway;

beforeEach(() => {
  vi.useFakeTimers();
  gateway = new FakeGateway();
});
afterEach(() => {
  vi.useRealTimers();
});

function makeClient(options: Partial<ClientOptions> = {}): GatewayClient {
  return new GatewayClient({ transport: gateway, version: "1", locale: () => "ko", random: () => 1, ...options });
}

/** Let promises settle without moving the clock. */
async function settle(): Promise<void> {
  await vi.advanceTimersByTimeAsync(0);
}

async function openClient(options: Partial<ClientOptions> = {}): Promise<GatewayClient> {
  const client = makeClient(options);
  client.start();
  await settle();
  expect(client.state.status).toBe("open");
  return client;
}

describe("the handshake", () => {
  test("answers the challenge with protocol 3, the language and what it understands", async () => {
    await openClient();
    expect(gateway.line.asked("connect")[0]?.params).toMatchObject({
      minProtocol: 3,
      maxProtocol: 3,
      locale: "ko",
      caps: ["chat.append", "session.events", "session.switch"],
    });
  });

  test("sends nothing before the challenge", () => {
    gateway.up = false;
    makeClient().start();
    expect(gateway.line.requests).toEqual([]);
  });

  test("a refused credential ends the attempts: a person must act", async () => {
    gateway.on("connect", () => new Refusal("INVALID_REQUEST", "UNAUTHORIZED"));
    const client = makeClient();
    client.start();
    await settle();
    gateway.line.drop(1008);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(client.state.status).toBe("unauthorized");
    expect(gateway.lines).toHaveLength(1);
  });

  test("a rate limit is waited out for as long as the gateway says", async () => {
    gateway.on("connect", () => new Refusal("UNAVAILABLE", "RATE_LIMITED", 7_000));
    const client = makeClient();
    client.start();
    await settle();
    expect(client.state).toMatchObject({ status: "waiting", cause: "limited" });
    await vi.advanceTimersByTimeAsync(6_999);
    expect(gateway.lines).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(gateway.lines).toHaveLength(2);
  });

  test("another protocol is no reason to try again", async () => {
    gateway.on("connect", () => new Refusal("INVALID_REQUEST", "PROTOCOL_MISMATCH"));
    const client = makeClient();
    client.start();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(client.state.status).toBe("protocol-too-old");
    expect(gateway.lines).toHaveLength(1);
  });

  test("a gateway that accepts and stays silent is given up after ten seconds", async () => {
    gateway.on("connect", () => undefined);
    const client = makeClient();
    client.start();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(client.state.status).toBe("waiting");
  });
});

describe("reconnecting", () => {
  test("waits longer each time, with full jitter, between 0.5 and 15 seconds", () => {
    expect([0, 1, 2, 3, 4, 5, 6, 20].map((attempt) => backoffMs(attempt, () => 1))).toEqual([
      500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000,
    ]);
    expect(backoffMs(3, () => 0.5)).toBe(2_000);
    expect(backoffMs(3, () => 0)).toBe(100);
  });

  test("keeps trying while the gateway is away and opens when it is back", async () => {
    const client = await openClient();
    gateway.up = false;
    gateway.line.drop();
    expect(client.state).toMatchObject({ status: "waiting", cause: "down", attempt: 1 });
    await vi.advanceTimersByTimeAsync(20_000);
    expect(gateway.lines.length).toBeGreaterThan(3);
    gateway.up = true;
    await vi.advanceTimersByTimeAsync(15_000);
    expect(client.state.status).toBe("open");
  });

  test("a connection that lasted starts over at the shortest delay", async () => {
    const client = await openClient();
    gateway.up = false;
    gateway.line.drop();
    await vi.advanceTimersByTimeAsync(8_000);
    gateway.up = true;
    await vi.advanceTimersByTimeAsync(16_000);
    expect(client.state.status).toBe("open");
    await vi.advanceTimersByTimeAsync(29_000);
    gateway.line.event("tick", { ts: 1 });
    await vi.advanceTimersByTimeAsync(1_000);
    gateway.line.drop();
    expect(client.state).toMatchObject({ status: "waiting", attempt: 1 });
  });

  test("one that falls at once does not", async () => {
    const client = await openClient();
    gateway.line.drop();
    await vi.advanceTimersByTimeAsync(500);
    expect(client.state.status).toBe("open");
    gateway.line.drop();
    expect(client.state).toMatchObject({ status: "waiting", attempt: 2 });
  });

  test("`wake` connects at once instead of waiting", async () => {
    const client = await openClient();
    gateway.line.drop();
    expect(gateway.lines).toHaveLength(1);
    client.wake();
    await settle();
    expect(client.state.status).toBe("open");
    await vi.advanceTimersByTimeAsync(20_000);
    expect(gateway.lines).toHaveLength(2);
  });

  test("`wake` leaves a connection alone that has just been heard from", async () => {
    const client = await openClient();
    client.wake();
    expect(gateway.lines).toHaveLength(1);
  });

  test("`wake` replaces a connection that was silent for longer than a tick, as after sleep", async () => {
    let now = 1_000;
    const client = await openClient({ now: () => now });
    now += 31_000;
    client.wake();
    await settle();
    expect(gateway.lines).toHaveLength(2);
    expect(client.state.status).toBe("open");
  });

  test("`wake` begins an attempt anew that hangs", async () => {
    let now = 1_000;
    gateway.on("connect", () => undefined);
    const client = makeClient({ now: () => now });
    client.start();
    await settle();
    client.wake();
    expect(gateway.lines).toHaveLength(1);
    now += 3_000;
    client.wake();
    expect(gateway.lines).toHaveLength(2);
  });

  test("a late tick is told while the other side is asked, and the answer ends the doubt", async () => {
    const client = await openClient();
    await vi.advanceTimersByTimeAsync(37_500);
    expect(client.state).toMatchObject({ status: "open", quietSince: expect.any(Number) as number });
    const [question] = gateway.line.asked("health");
    gateway.line.respond(question?.id ?? "", {});
    await settle();
    expect(client.state).toEqual({ status: "open" });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(gateway.lines).toHaveLength(1);
  });

  test("a connection that gives no sign of life when asked is dead", async () => {
    const client = await openClient();
    await vi.advanceTimersByTimeAsync(37_500 + 5_000);
    expect(client.state).toMatchObject({ status: "waiting", cause: "down" });
  });

  test("a machine that loses its network asks the gateway, which may be on this machine", async () => {
    gateway.on("health", () => ({}));
    const client = await openClient({ online: () => false });
    client.networkLost();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(client.state.status).toBe("open");
    gateway.on("health", () => undefined);
    client.networkLost();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(client.state).toMatchObject({ status: "waiting", cause: "offline" });
  });

  test("an announced restart is told apart from a gateway that is gone", async () => {
    const client = await openClient();
    gateway.line.event("shutdown", { reason: "restart", restartExpectedMs: 2_000 });
    gateway.line.drop(1012);
    expect(client.state).toMatchObject({ status: "waiting", cause: "restarting" });
  });

  test("a machine without network is told apart from a gateway that is gone", async () => {
    const client = await openClient({ online: () => false });
    gateway.line.drop();
    expect(client.state).toMatchObject({ status: "waiting", cause: "offline" });
  });

  test("an upgrade that is refused for the lack of a login asks for one", async () => {
    gateway.up = false;
    const probe = vi.fn(() => Promise.resolve("unauthorized" as const));
    const client = makeClient({ probe });
    client.start();
    await settle();
    expect(probe).toHaveBeenCalledOnce();
    expect(client.state.status).toBe("unauthorized");
  });

  test("a closed socket of an earlier connection changes nothing", async () => {
    const client = await openClient();
    const old = gateway.line;
    client.reopen();
    await settle();
    old.drop();
    expect(client.state.status).toBe("open");
  });
});

describe("requests and events", () => {
  test("an answer finds its question by id, in any order", async () => {
    const client = await openClient();
    const first = client.request("health", {});
    const second = client.request("status", {});
    const [health] = gateway.line.asked("health");
    const [status] = gateway.line.asked("status");
    gateway.line.respond(status?.id ?? "", { n: 2 });
    gateway.line.respond(health?.id ?? "", { n: 1 });
    await expect(first).resolves.toEqual({ n: 1 });
    await expect(second).resolves.toEqual({ n: 2 });
  });

  test("a refusal carries its code and reason", async () => {
    const client = await openClient();
    gateway.on("sessions.delete", () => new Refusal("INVALID_REQUEST", "MAIN_SESSION"));
    const failure = client.request("sessions.delete", { key: "main" });
    await expect(failure).rejects.toMatchObject({ code: "INVALID_REQUEST", reason: "MAIN_SESSION" });
    await expect(failure).rejects.toBeInstanceOf(RequestRefused);
  });

  test("what was not answered when the connection fell is rejected as lost", async () => {
    const client = await openClient();
    const request = client.request("health", {});
    gateway.line.drop();
    await expect(request).rejects.toBeInstanceOf(ConnectionLost);
    await expect(client.request("health", {})).rejects.toBeInstanceOf(ConnectionLost);
  });

  test("a missing event number is reported; the first of a connection is not", async () => {
    const client = await openClient();
    const gap = vi.fn();
    client.onGap = gap;
    gateway.line.event("tick", { ts: 1 });
    gateway.line.event("tick", { ts: 2 });
    expect(gap).not.toHaveBeenCalled();
    gateway.line.event("tick", { ts: 3 }, 1);
    expect(gap).toHaveBeenCalledOnce();
    gateway.line.drop();
    await vi.advanceTimersByTimeAsync(500);
    gateway.line.event("tick", { ts: 4 });
    expect(gap).toHaveBeenCalledOnce();
  });
});
