import { describe, expect, test, vi } from "vitest";

import { Drafts } from "../src/state/drafts.js";
import { logIn } from "../src/client/log-in.js";
import { AuthApi } from "../src/client/login-api.js";
import { emptyView } from "../src/state/state.js";
import type { View } from "../src/state/state.js";
import { pieces } from "../src/elements/sessions/search-hits.js";
import { Flusher } from "../src/elements/base/render-scheduler.js";
import { money } from "../src/elements/base/amounts.js";
import { ago, dayName, secondsUntil } from "../src/elements/base/format.js";
import { DEFAULTS, loadPrefs, savePrefs } from "../src/elements/base/preferences.js";
import { cited } from "../src/elements/content/citations.js";
import { textOf } from "../src/state/messages.js";
import { rowsOf } from "../src/elements/transcript/rows.js";
import { partsOf } from "../src/elements/transcript/turn-parts.js";
import { memoryStorage } from "./support/storage.js";

describe("drawing", () => {
  interface Box {
    hidden: boolean;
    draws: number;
    tick: () => void;
    flusher: Flusher;
  }

  function clockwork(): Box {
    const frames: (() => void)[] = [];
    const draw = (): void => {
      box.draws++;
    };
    const flusher = new Flusher(draw, {
      frame: (run) => frames.push(run),
      cancelFrame: () => void frames.splice(0),
      hidden: () => box.hidden,
    });
    const tick = (): void => {
      for (const frame of frames.splice(0)) frame();
    };
    const box: Box = { hidden: false, draws: 0, tick, flusher };
    return box;
  }

  test("the first change is drawn at once, the rest of a frame together", () => {
    const box = clockwork();
    for (let n = 0; n < 10; n++) box.flusher.request();
    expect(box.draws).toBe(1);
    box.tick();
    expect(box.draws).toBe(2);
    box.tick();
    box.tick();
    expect(box.draws).toBe(2);
  });

  test("a hidden page draws by timer, also when it was hidden in the middle of a frame", () => {
    vi.useFakeTimers();
    const box = clockwork();
    box.flusher.request();
    box.hidden = true;
    box.flusher.request();
    box.tick();
    expect(box.draws).toBe(1);
    vi.advanceTimersByTime(250);
    expect(box.draws).toBe(2);
    vi.useRealTimers();
  });
});

describe("rows", () => {
  const view = (change: Partial<View>): View => ({ ...emptyView("k"), status: "ready", ...change });
  const user = { id: "m1", seq: 1, role: "user" as const, runId: "r", content: "hi", timestamp: 1 };
  const answer = { id: "m2", seq: 2, role: "assistant" as const, runId: "r", content: "yes", timestamp: 2 };
  const live = { runId: "r", text: "y", thinking: "", startedAt: 1 };
  const pending = { runId: "r", text: "hi", createdAt: 1, status: "sending" as const };

  test("keep their key from unsent to stored and from first token to final reply", () => {
    const before = rowsOf(view({ pending: [pending], live })).map((row) => row.key);
    const after = rowsOf(view({ messages: [user, answer] })).map((row) => row.key);
    expect(before).toEqual(after);
  });

  test("leave a send that waits behind another reply to the queue", () => {
    expect(rowsOf(view({ live: { ...live, runId: "other" }, pending: [pending] })).map((row) => row.key)).toEqual([
      "assistant:other",
    ]);
  });

  test("offer to try the question again at the last answer only", () => {
    const more = [user, answer, { ...user, id: "m3", seq: 3, runId: "s" }, { ...answer, id: "m4", seq: 4, runId: "s" }];
    expect(rowsOf(view({ messages: more })).map((row) => row.retryText)).toEqual([
      undefined,
      undefined,
      undefined,
      "hi",
    ]);
  });

  test("a run with tools is one row: what it said, called and got", () => {
    const call = { type: "toolCall", id: "c1", name: "read", arguments: { path: "a.csv" } };
    const asks = { ...answer, stopReason: "toolUse", content: [{ type: "text", text: "Let me look." }, call] };
    const result = {
      ...{ id: "m3", seq: 3, role: "toolResult" as const, timestamp: 3, toolCallId: "c1" },
      ...{ content: [{ type: "text", text: "1,2" }], isError: true, durationMs: 40 },
    };
    const end = { ...answer, id: "m4", seq: 4, content: "Done." };
    const rows = rowsOf(view({ messages: [user, asks, result, end] }));
    expect(rows.map((row) => row.key)).toEqual(["user:r", "assistant:r"]);
    const parts = rows[1] ? partsOf(rows[1]) : [];
    expect(parts.map((part) => part.kind)).toEqual(["text", "tools", "text"]);
    expect(parts[1]).toMatchObject({ steps: [{ name: "read", output: "1,2", isError: true, durationMs: 40 }] });

    const under = rowsOf(view({ messages: [user, asks], live: { ...live, text: "" } }));
    expect(under.map((row) => row.key)).toEqual(["user:r", "assistant:r"]);
  });

  test("a run that reads a message in the middle goes on behind it, and tells each call once", () => {
    const call = { type: "toolCall", id: "c1", name: "read", arguments: {} };
    const asks = { ...answer, stopReason: "toolUse", content: [call] };
    const result = { id: "m3", seq: 3, role: "toolResult" as const, timestamp: 3, toolCallId: "c1", content: "1" };
    const steer = { ...user, id: "m4", seq: 4, runId: "now", content: "no, that one" };
    const tools = [call, { ...call, id: "c2" }].map(({ id, name }) => ({ phase: "start", toolCallId: id, name }));
    const stored = [user, asks, result, steer];
    const during = rowsOf(view({ messages: stored, live: { ...live, tools } }));
    expect(during.map((row) => row.key)).toEqual(["user:r", "assistant:r", "user:now", "assistant:r:m4"]);
    const calls = (at: number): unknown[] =>
      [during[at]]
        .flatMap((row) => (row ? partsOf(row) : []))
        .flatMap((part) => (part.kind === "tools" ? part.steps : []));
    expect([calls(1).length, calls(3).length]).toEqual([1, 1]);
    const end = { ...answer, id: "m5", seq: 5, content: "Done." };
    const thoughts = { r: { text: "hm", ms: 5 } };
    const after = rowsOf(view({ messages: [...stored, end], thoughts }));
    expect(after.map((row) => row.key)).toEqual(during.map((row) => row.key));
    expect(after.map((row) => row.thought?.text)).toEqual([undefined, undefined, undefined, "hm"]);
  });

  test("the parts of a reply keep their keys when it is stored", () => {
    const step = { phase: "start", toolCallId: "c1", name: "read" };
    const now = { ...live, text: "Let me look.", thinking: "hm", tools: [step] };
    const during = rowsOf(view({ live: now })).flatMap(partsOf);
    const call = { type: "toolCall", id: "c1", name: "read", arguments: {} };
    const content = [{ type: "thinking", thinking: "hm" }, { type: "text", text: "Let me look." }, call];
    const stored = { ...answer, content, stopReason: "toolUse" };
    const after = rowsOf(view({ messages: [stored], live: { ...live, text: "", tools: [step] } })).flatMap(partsOf);
    expect(after.map((part) => part.key)).toEqual(during.map((part) => part.key));
  });

  test("a cited passage is a part of its sentence, and a search is a call with what it found", () => {
    const found = [{ type: "web_search_result", title: "x", url: "https://x.example/" }];
    const use = { type: "server_tool_use", id: "s1", name: "web_search", input: { query: "x" } };
    const content = [
      { type: "serverBlock", block: use },
      { type: "serverBlock", block: { type: "web_search_tool_result", tool_use_id: "s1", content: found } },
      { type: "text", text: "It says " },
      { type: "text", text: "x is so", citations: [{ title: "x", url: "https://x.example/" }] },
      { type: "text", text: ", and no more." },
    ];
    const message = { ...answer, content };
    const parts = rowsOf(view({ messages: [message] })).flatMap(partsOf);
    expect(parts[0]).toMatchObject({ kind: "tools", steps: [{ name: "web_search", args: { query: "x" }, found }] });
    expect(parts[1]).toMatchObject({ kind: "text", text: "It says x is so, and no more." });
    expect(textOf(message)).toBe("It says x is so, and no more.");
  });

  test("sources are footnotes that a title cannot break out of", () => {
    const hostile = { title: "](javascript:x) <img>\n[^1]: y", url: "javascript:alert(1)", cited_text: "*so*" };
    const twice = { title: "x", url: "https://x.example/a>b" };
    const shown = cited([
      { type: "text", text: "It is so.\n", citations: [hostile, twice] },
      { type: "text", text: "Yes", citations: [twice] },
    ]);
    expect(shown).toContain("It is so.[^source-1][^source-2]\nYes[^source-2]");
    expect(shown).toContain("[^source-1]: \\]\\(javascript\\:x\\) \\<img\\> \\[\\^1\\]\\: y · “\\*so\\*”");
    expect(shown).toContain("[^source-2]: [x](<https://x.example/a%3Eb>) · x\\.example");
  });

  test("say which version of how many is on show", () => {
    const branches = { m2: ["m0", "m2", "m9"] };
    const rows = rowsOf(view({ messages: [user, answer], branches }));
    expect(rows[1]?.siblings).toEqual({ ids: ["m0", "m2", "m9"], at: 1, id: "m2" });
  });
});

describe("drafts", () => {
  test("survive a reload, per session", () => {
    const storage = memoryStorage();
    new Drafts(storage).set("a", { text: "half a tho" });
    expect(new Drafts(storage).get("a").text).toBe("half a tho");
    expect(new Drafts(storage).get("b").text).toBe("");
  });

  test("live on in memory where storage is blocked", () => {
    const blocked = {
      getItem: () => null,
      removeItem: () => undefined,
      setItem: () => {
        throw new Error("blocked");
      },
    };
    const drafts = new Drafts(blocked);
    drafts.set("a", { text: "x" });
    expect(drafts.get("a").text).toBe("x");
  });

  test("of a tab outlast what another tab does with its own", () => {
    const shared = memoryStorage();
    const tabs = [memoryStorage(), memoryStorage()];
    const open = (at: number): Drafts => new Drafts(shared, tabs[at]);
    open(0).set("a", { text: "mine" });
    const second = open(1);
    expect(second.get("a").text).toBe("mine"); // a new tab begins with what was written last
    second.set("a", { text: "other" });
    second.remove("a");
    expect(open(0).get("a").text).toBe("mine");
    expect(open(1).get("a").text).toBe("");
    open(0).set("a", { text: "mine, longer" });
    open(1).remove("a");
    expect(open(1).get("a").text).toBe("mine, longer");
  });

  test("unreadable ones count as none", () => {
    const storage = memoryStorage();
    storage.setItem("clawdbot.draft.a", "{");
    expect(new Drafts(storage).get("a").text).toBe("");
  });
});

describe("preferences", () => {
  test("are kept, and what is not one of the choices is ignored", () => {
    const storage = memoryStorage();
    savePrefs(storage, { ...DEFAULTS, theme: "dark" });
    expect(loadPrefs(storage).theme).toBe("dark");
    storage.setItem("clawdbot.prefs", JSON.stringify({ theme: "pink", sendKey: "ctrl-enter", token: "x" }));
    expect(loadPrefs(storage)).toEqual({ ...DEFAULTS, sendKey: "ctrl-enter" });
    storage.setItem("clawdbot.prefs", "[");
    expect(loadPrefs(storage)).toEqual(DEFAULTS);
  });
});

describe("times and sums", () => {
  test("read as people write them", () => {
    const now = new Date(2026, 10, 22, 12).getTime();
    expect(ago(now - 3 * 60_000, now, "ko")).toBe("3분 전");
    expect(dayName(now, now, "en")).toBe("Today");
    expect(dayName(now - 86_400_000, now, "ko")).toBe("어제");
    expect(dayName(now - 10 * 86_400_000, now, "en")).toBe("Thursday, November 12");
    expect(money(0.0123, "en")).toBe("$0.0123");
    expect(money(2.5, "en")).toBe("$2.50");
  });

  test("a countdown shows 1 until it is over", () => {
    expect([secondsUntil(1_000, 1), secondsUntil(1_000, 1_000), secondsUntil(1_000, 5_000)]).toEqual([1, 0, 0]);
  });
});

describe("logging in", () => {
  const api = (status: number, body?: object): AuthApi =>
    new AuthApi("http://127.0.0.1:1/x/", () =>
      Promise.resolve(new Response(body ? JSON.stringify(body) : null, { status })),
    );

  test("tells a wrong secret from too many and from no gateway", async () => {
    await expect(logIn(api(204), "token", "t")).resolves.toEqual({ ok: true });
    await expect(logIn(api(401), "token", "t")).resolves.toEqual({ ok: false, reason: "wrong" });
    await expect(logIn(api(429, { retryAfterMs: 9 }), "token", "t")).resolves.toEqual({
      ok: false,
      reason: "limited",
      retryAfterMs: 9,
    });
    const away = new AuthApi("http://127.0.0.1:1/", () => Promise.reject(new TypeError("refused")));
    await expect(logIn(away, "token", "t")).resolves.toEqual({ ok: false, reason: "unreachable" });
  });

  test("sends the secret in the body, to an address below the page's", async () => {
    const http = vi.fn((_url: URL, _request: RequestInit) => Promise.resolve(new Response(null, { status: 204 })));
    await logIn(new AuthApi("http://127.0.0.1:1/x/", http as unknown as typeof fetch), "password", "p");
    const [url, request] = http.mock.calls[0] ?? [];
    expect(url?.href).toBe("http://127.0.0.1:1/x/auth/login");
    expect(request?.body).toBe('{"password":"p"}');
  });

  test("under Jupyter a refused session means Jupyter's login", async () => {
    const refused = { error: "Forbidden" };
    await expect(api(403, refused).session()).resolves.toMatchObject({ authenticated: false, mount: "jupyter" });
    await expect(api(403).session()).resolves.toBeNull(); // a Hub's own page, while the server is stopped
    await expect(api(503).probe()).resolves.toBe("unreachable");
  });

  test("a refused origin is told with the setting that mends it, and is no wrong password", async () => {
    const refused = { reason: "ORIGIN_NOT_ALLOWED", setting: "gateway.allowedOrigins", origin: "https://x" };
    await expect(api(403, refused).session("POST")).resolves.toMatchObject({ authenticated: false, refused });
    await expect(api(403, refused).probe()).resolves.toBe("unauthorized");
    await expect(logIn(api(403, refused), "token", "t")).resolves.toEqual({ ok: false, reason: "refused", refused });
  });
});

test("a snippet is cut into plain and highlighted pieces", () => {
  expect(pieces("a needle here", [[2, 8]])).toEqual([
    { text: "a ", hit: false },
    { text: "needle", hit: true },
    { text: " here", hit: false },
  ]);
  expect(
    pieces("매출매출", [
      [0, 2],
      [2, 4],
    ]).map((piece) => piece.hit),
  ).toEqual([true, true]);
  expect(pieces("plain", [])).toEqual([{ text: "plain", hit: false }]);
});
