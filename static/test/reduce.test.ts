import { describe, expect, test } from "vitest";

import { reduce } from "../src/state/reducer.js";
import type { Action } from "../src/state/reducer.js";
import type { ChatEvent, Hello, History, Message, SessionEntry } from "../src/protocol/types.js";
import { currentView, initialState } from "../src/state/state.js";
import type { State, View } from "../src/state/state.js";

const KEY = "agent:main:main";

function message(seq: number, role: Message["role"], text: string, runId = `run${seq}`): Message {
  return { id: `m${seq}`, seq, role, runId, content: [{ type: "text", text }], timestamp: seq };
}

function history(messages: Message[], more: Partial<History> = {}): History {
  return { sessionKey: KEY, sessionId: "s", epoch: 1, hasMore: false, messages, ...more };
}

function got(messages: Message[], more: Partial<History> = {}): Action {
  return { type: "history.got", key: KEY, history: history(messages, more) };
}

function delta(runId: string, offset: number, text: string, part: "text" | "thinking" = "text"): Action {
  const event: ChatEvent = { runId, sessionKey: KEY, seq: 1, state: "delta", part, offset, text };
  return { type: "chat", event, now: 1_000 };
}

function stored(of: Message, epoch = 1): Action {
  return {
    type: "session.message",
    event: { sessionKey: KEY, sessionId: "s", epoch, seq: of.seq, message: of },
    now: 2_000,
  };
}

function final(runId: string, of?: Message): Action {
  const event: ChatEvent = { runId, sessionKey: KEY, seq: 9, state: "final", ...(of ? { message: of } : {}) };
  return { type: "chat", event, now: 2_000 };
}

function run(actions: Action[], from: State = initialState()): State {
  return actions.reduce(reduce, from);
}

const ready = run([{ type: "history.asked", key: KEY }, got([message(1, "user", "hi")])]);

describe("a reply that streams", () => {
  test("deltas are put in their place", () => {
    const state = run([delta("r", 0, "Hel"), delta("r", 3, "lo")], ready);
    expect(currentView(state).live?.text).toBe("Hello");
  });

  test("a delta that was seen before, whole or in part, adds nothing twice", () => {
    const state = run([delta("r", 0, "Hello"), delta("r", 0, "Hel"), delta("r", 3, "lo wor")], ready);
    expect(currentView(state).live?.text).toBe("Hello wor");
  });

  test("offsets count UTF-16 units: an emoji is two", () => {
    const state = run([delta("r", 0, "👍"), delta("r", 2, "한")], ready);
    expect(currentView(state).live?.text).toBe("👍한");
  });

  test("text and thinking grow apart", () => {
    const state = run([delta("r", 0, "hm", "thinking"), delta("r", 0, "Yes")], ready);
    expect(currentView(state).live).toMatchObject({ thinking: "hm", text: "Yes" });
  });

  test("a hole asks for the history, which fills it; what came after the hole is not lost", () => {
    const holed = run([delta("r", 0, "Hel"), delta("r", 5, "world")], ready);
    expect(currentView(holed)).toMatchObject({ stale: true, live: { text: "Hel" } });
    const flight = { runId: "r", text: "Hello", thinking: "", startedAt: 5 };
    const whole = run(
      [{ type: "history.asked", key: KEY }, got([message(1, "user", "hi")], { inFlight: flight })],
      holed,
    );
    expect(currentView(whole)).toMatchObject({ stale: false, live: { text: "Helloworld" } });
  });

  test("a page that comes while an attachment is being read shows which", () => {
    const media = [{ phase: "progress", mediaId: "a", name: "talk.wav", fraction: 0.5, detail: "hearing" }];
    const flight = { runId: "r", text: "", thinking: "", startedAt: 5, media } as unknown as NonNullable<
      History["inFlight"]
    >;
    const state = run([got([message(1, "user", "hi")], { inFlight: flight })], ready);
    expect(currentView(state).live).toMatchObject({ reading: { name: "talk.wav", fraction: 0.5 } });
  });

  test("its end replaces it with the stored message, once, whichever news comes first", () => {
    const answer = message(2, "assistant", "Hello", "r");
    for (const news of [
      [stored(answer), final("r", answer)],
      [final("r", answer), stored(answer)],
    ]) {
      const view = currentView(run([delta("r", 0, "Hel"), ...news], ready));
      expect(view.live).toBeNull();
      expect(view.messages.map((each) => each.id)).toEqual(["m1", "m2"]);
    }
  });

  test("a delta that is late for its end does not bring the reply back", () => {
    const state = run(
      [delta("r", 0, "Hel"), final("r", message(2, "assistant", "Hello", "r")), delta("r", 3, "lo")],
      ready,
    );
    expect(currentView(state).live).toBeNull();
  });

  test("how long it thought is kept beyond its end", () => {
    const state = run(
      [
        {
          type: "agent",
          now: 100,
          event: { runId: "r", sessionKey: KEY, seq: 1, ts: 1, stream: "lifecycle", data: { phase: "start" } },
        },
        delta("r", 0, "hm", "thinking"),
        delta("r", 0, "Yes"),
        final("r", message(2, "assistant", "Yes", "r")),
      ],
      ready,
    );
    expect(currentView(state).thoughts).toEqual({ r: { text: "hm", ms: 900 } });
  });

  test("a retry is shown until the next word", () => {
    const retry: Action = {
      type: "agent",
      now: 100,
      event: {
        runId: "r",
        sessionKey: KEY,
        seq: 1,
        ts: 1,
        stream: "lifecycle",
        data: { phase: "retry", attempt: 2, maxAttempts: 4, waitMs: 900, reason: "overloaded" },
      },
    };
    const waiting = run([retry], ready);
    expect(currentView(waiting).live?.retry).toEqual({ attempt: 2, maxAttempts: 4, reason: "overloaded", at: 1_000 });
    expect(currentView(run([delta("r", 0, "ok")], waiting)).live?.retry).toBeUndefined();
  });

  test("a reply that the gateway no longer knows of is gone after the next history", () => {
    const view = currentView(
      run([delta("r", 0, "Hel"), { type: "history.asked", key: KEY }, got([message(1, "user", "hi")])], ready),
    );
    expect(view.live).toBeNull();
  });

  test("a reply that began after the history was asked for stays", () => {
    const view = currentView(
      run([{ type: "history.asked", key: KEY }, delta("r", 0, "Hel"), got([message(1, "user", "hi")])], ready),
    );
    expect(view.live?.text).toBe("Hel");
  });

  test("an answer of a session that is not on show marks it unread until it is looked at", () => {
    const other = "agent:main:other";
    const event: ChatEvent = { runId: "r", sessionKey: other, seq: 1, state: "final" };
    const unread = run([{ type: "chat", event, now: 1 }], ready);
    expect(unread.unread).toEqual({ [other]: true });
    expect(run([{ type: "select", key: other }], unread).unread).toEqual({});
    const said = { ...message(2, "assistant", "Cleared."), command: "/clear" };
    expect(run([{ type: "chat", event: { ...event, message: said }, now: 1 }], ready).unread).toEqual({});
  });
});

describe("the history", () => {
  test("messages are reconciled by id and ordered by number", () => {
    const view = currentView(
      run([stored(message(3, "user", "c")), stored(message(2, "user", "b")), stored(message(2, "user", "b"))], ready),
    );
    expect(view.messages.map((each) => each.seq)).toEqual([1, 2, 3]);
  });

  test("a message that was stored while the history was on its way is not lost", () => {
    const state = run([
      { type: "history.asked", key: KEY },
      stored(message(2, "user", "b")),
      got([message(1, "user", "a")]),
    ]);
    expect(currentView(state).messages.map((each) => each.seq)).toEqual([1, 2]);
  });

  test("a page that does not reach what is known replaces it: better no past than one with a hole", () => {
    const state = run([{ type: "history.asked", key: KEY }, got([message(90, "user", "x")], { hasMore: true })], ready);
    expect(currentView(state)).toMatchObject({ hasMore: true });
    expect(currentView(state).messages.map((each) => each.seq)).toEqual([90]);
  });

  test("after a loss it is read from where nothing is missing, whatever news came since", () => {
    const answers = (seq: number): Message[] =>
      Array.from({ length: 6 - seq }, (_, n) => message(seq + n + 1, "user", "x"));
    const knownTo = (view: View): number | undefined => view.knownTo ?? view.messages.at(-1)?.seq;
    for (const loss of [{ type: "gap" }, { type: "hello", hello: {} as Hello }] as Action[]) {
      const behind = run([loss, stored(message(4, "user", "x")), final("run5", message(5, "assistant", "x"))], ready);
      expect(knownTo(currentView(behind))).toBe(1);
      const asked = run([{ type: "history.asked", key: KEY }, stored(message(6, "user", "x"))], behind);
      expect(knownTo(currentView(asked))).toBe(1);
      const whole = currentView(run([got(answers(1), { recovered: true })], asked));
      expect(whole.messages.map((each) => each.seq)).toEqual([1, 2, 3, 4, 5, 6]);
      expect(knownTo(whole)).toBe(6);
      // A second loss while the first is made good: what was lost then is in no answer yet.
      const twice = run([loss, stored(message(9, "user", "x")), got(answers(1), { recovered: true })], asked);
      expect(currentView(twice).stale).toBe(true);
      expect(knownTo(currentView(twice))).toBeLessThanOrEqual(6);
    }
  });

  test("older pages are put in front and survive a reload of the newest", () => {
    const start = run([got([message(5, "user", "e")], { hasMore: true })]);
    const older: Action = {
      type: "history.got",
      key: KEY,
      older: true,
      history: history([message(3, "user", "c"), message(4, "user", "d")]),
    };
    const state = run(
      [older, { type: "history.asked", key: KEY }, got([message(5, "user", "e")], { hasMore: true })],
      start,
    );
    expect(currentView(state)).toMatchObject({ hasMore: false });
    expect(currentView(state).messages.map((each) => each.seq)).toEqual([3, 4, 5]);
  });

  test("a message of another epoch makes the view stale: the transcript was changed", () => {
    const state = run([stored(message(1, "user", "new"), 2)], ready);
    expect(currentView(state)).toMatchObject({ stale: true });
    expect(currentView(state).messages.map((each) => each.content)).toEqual([[{ type: "text", text: "hi" }]]);
  });

  test("another epoch replaces everything", () => {
    const view = currentView(run([{ type: "history.asked", key: KEY }, got([], { epoch: 2 })], ready));
    expect(view.messages).toEqual([]);
    expect(view.epoch).toBe(2);
  });

  test("whatever the order of events and histories, the end is the gateway's own history", () => {
    const all = [1, 2, 3, 4, 5, 6].map((seq) =>
      message(seq, seq % 2 ? "user" : "assistant", `t${seq}`, `run${Math.ceil(seq / 2)}`),
    );
    let seed = 42;
    const random = (): number => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;
    for (let round = 0; round < 200; round++) {
      let state = initialState();
      let asked = 0; // how much of the history the answer on its way will hold; 0: none is
      for (const [index, next] of all.entries()) {
        if (asked === 0 && random() < 0.4) {
          state = reduce(state, { type: "history.asked", key: KEY });
          asked = Math.max(1, index);
        }
        if (random() < 0.5 && next.role === "assistant") state = reduce(state, delta(next.runId ?? "", 0, "t"));
        if (random() < 0.8) state = reduce(state, stored(next));
        if (next.role === "assistant") state = reduce(state, final(next.runId ?? "", next));
        if (asked > 0 && random() < 0.5) {
          state = reduce(state, got(all.slice(0, asked)));
          asked = 0;
        }
      }
      state = run([{ type: "history.asked", key: KEY }, got(all)], state);
      expect(currentView(state).messages).toEqual(all);
      expect(currentView(state).live).toBeNull();
    }
  });
});

describe("a send", () => {
  const send: Action = {
    type: "send",
    key: KEY,
    pending: { runId: "r", text: "hello", createdAt: 1, status: "sending" },
  };

  test("is on screen at once and becomes the stored message without a second row", () => {
    const sent = run([send], ready);
    expect(currentView(sent).pending).toHaveLength(1);
    const view = currentView(run([stored(message(2, "user", "hello", "r"))], sent));
    expect(view.pending).toEqual([]);
    expect(view.messages.map((each) => each.runId)).toEqual(["run1", "r"]);
  });

  test("that waits behind a reply is listed as queued, not twice", () => {
    const queue: Action = {
      type: "session.queue",
      event: { sessionKey: KEY, queued: [{ runId: "r", text: "hello", createdAt: 1 }] },
    };
    const view = currentView(run([send, queue], ready));
    expect(view.pending).toEqual([]);
    expect(view.queued.map((each) => each.runId)).toEqual(["r"]);
  });

  test("that was accepted shows the reply as begun", () => {
    const accepted: Action = { type: "send.accepted", key: KEY, runId: "r", now: 7, starts: true };
    expect(currentView(run([send, accepted], ready)).live).toMatchObject({ runId: "r", startedAt: 7 });
  });

  test("that is over before its acknowledgement comes does not begin again", () => {
    const accepted: Action = { type: "send.accepted", key: KEY, runId: "r", now: 7, starts: true };
    expect(currentView(run([send, final("r", message(2, "assistant", "x", "r")), accepted], ready)).live).toBeNull();
  });

  test("without an acknowledgement stays open through a history that does not have it", () => {
    const view = currentView(run([send, { type: "history.asked", key: KEY }, got([message(1, "user", "hi")])], ready));
    expect(view.pending.map((each) => each.runId)).toEqual(["r"]);
  });

  test("that the history has is done", () => {
    const view = currentView(
      run(
        [send, { type: "history.asked", key: KEY }, got([message(1, "user", "hi"), message(2, "user", "hello", "r")])],
        ready,
      ),
    );
    expect(view.pending).toEqual([]);
  });
});

describe("sessions", () => {
  const entry = (key: string, updatedAt: number): SessionEntry => ({ key, updatedAt });

  test("are listed newest first, each once", () => {
    const state = run([
      { type: "sessions", sessions: [entry("a", 1), entry("b", 5)] },
      { type: "session.changed", event: { key: "a", reason: "updated", entry: entry("a", 9) } },
    ]);
    expect(state.sessions.map((each) => each.key)).toEqual(["a", "b"]);
  });

  test("a deleted one gives way to the main one", () => {
    const state = run([
      { type: "select", key: "agent:main:x" },
      { type: "session.changed", event: { key: "agent:main:x", reason: "deleted" } },
    ]);
    expect(state.current).toBe(KEY);
  });

  test("a reset, clear, undo or restore makes what is shown stale; a rename does not", () => {
    const change = (reason: "reset" | "cleared" | "restored" | "updated"): boolean =>
      currentView(run([{ type: "session.changed", event: { key: KEY, reason, entry: entry(KEY, 9) } }], ready)).stale;
    expect([change("reset"), change("cleared"), change("restored"), change("updated")]).toEqual([
      true,
      true,
      true,
      false,
    ]);
  });

  test("only a few that are not on show are kept", () => {
    let state = ready;
    for (let n = 0; n < 30; n++) {
      state = run(
        [
          { type: "select", key: `agent:main:${n}` },
          { type: "history.got", key: `agent:main:${n}`, history: history([]) },
        ],
        state,
      );
    }
    expect(Object.keys(state.views).length).toBeLessThanOrEqual(10);
    expect(state.views["agent:main:29"]).toBeDefined();
  });
});
