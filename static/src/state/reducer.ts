/** The pure step from one state to the next. Every piece of news of the gateway, and of the outbox, is one action. */
import type { ConnectionState } from "../client/gateway-client.js";
import { merge } from "./messages.js";
import type {
  AgentEvent,
  Approval,
  ChatEvent,
  Command,
  Hello,
  History,
  Message,
  SessionChangedEvent,
  SessionEntry,
  SessionMessageEvent,
  SessionQueueEvent,
  Setup,
} from "../protocol/types.js";
import { canonicalKey, emptyView, MAIN_KEY } from "./state.js";
import type { Delta, Live, Pending, State, View } from "./state.js";
import { asking, begunAnew, decided, goesOn, withReading, withTool } from "./reduce-tools.js";

export type Action =
  | { type: "connection"; state: ConnectionState }
  | { type: "hello"; hello: Hello }
  | { type: "setup"; setup: Setup }
  | { type: "gap" }
  | { type: "sessions"; sessions: SessionEntry[] }
  | { type: "commands"; commands: Command[] }
  | { type: "select"; key: string }
  | { type: "history.asked"; key: string; older?: boolean }
  | { type: "history.got"; key: string; history: History; older?: boolean }
  | { type: "history.failed"; key: string }
  | { type: "send"; key: string; pending: Pending }
  | { type: "send.accepted"; key: string; runId: string; now: number; starts: boolean }
  | { type: "send.gone"; key: string; runId: string }
  | { type: "chat"; event: ChatEvent; now: number }
  | { type: "agent"; event: AgentEvent; now: number }
  | { type: "session.message"; event: SessionMessageEvent; now: number }
  | { type: "session.changed"; event: SessionChangedEvent }
  | { type: "session.queue"; event: SessionQueueEvent }
  | { type: "approval.asked"; approval: Approval }
  | { type: "approval.decided"; id: string };

const ENDED_KEPT = 50;
const AHEAD_KEPT = 500;
/** Views kept in memory besides the one on show. */
const VIEWS_KEPT = 8;

export function reduce(state: State, action: Action): State {
  switch (action.type) {
    case "connection":
      return { ...state, connection: action.state };
    case "hello":
      return onHello(state, action.hello);
    case "setup":
      return onSetup(state, action.setup);
    case "gap":
      return everyView(state, lost);
    case "sessions":
      return { ...state, sessions: sorted(action.sessions), sessionsLoaded: true };
    case "commands":
      return { ...state, commands: action.commands };
    case "select":
      return onSelect(state, action.key);
    case "history.asked":
      return inView(state, action.key, (view) => asked(view, action.older === true), true);
    case "history.got":
      return inView(state, action.key, (view) => (action.older ? older : latest)(view, action.history), true);
    case "history.failed":
      return inView(state, action.key, (view) => ({
        ...view,
        loadingOlder: false,
        asking: false,
        status: view.status === "loading" ? "failed" : view.status,
      }));
    case "send":
      return inView(
        state,
        action.key,
        (view) => ({ ...view, pending: [...without(view.pending, action.pending.runId), action.pending] }),
        true,
      );
    case "send.accepted":
      return inView(state, action.key, (view) => accepted(view, action));
    case "send.gone":
      return inView(state, action.key, (view) => ({ ...view, pending: without(view.pending, action.runId) }));
    case "chat":
      return onChat(state, action.event, action.now);
    case "agent":
      return inView(state, action.event.sessionKey, (view) => onAgent(view, action.event, action.now));
    case "session.message":
      return onSessionMessage(state, action.event, action.now);
    case "session.changed":
      return onSessionChanged(state, action.event);
    case "session.queue":
      return inView(state, action.event.sessionKey, (view) => onQueue(view, action.event.queued));
    case "approval.asked":
      return asking(state, action.approval);
    case "approval.decided":
      return decided(state, action.id);
  }
}

// -- connection and list --------------------------------------------------------------------------------------------
function onHello(state: State, hello: Hello): State {
  const mainKey = hello.snapshot?.sessionDefaults?.mainSessionKey ?? MAIN_KEY;
  const approvals = hello.snapshot?.approvals ?? [];
  const next = { ...state, hello, mainKey, current: canonicalKey(state.current, mainKey), approvals };
  return everyView(next, lost);
}

/** There was news that did not come here. */
function lost(view: View): View {
  return { ...view, stale: true, knownTo: view.knownTo ?? view.messages.at(-1)?.seq ?? 0 };
}

/** Another provider answers now. */
function onSetup(state: State, setup: Setup): State {
  const { hello } = state;
  const known = hello?.snapshot?.setup;
  if (!hello || (known?.provider === setup.provider && known.needsKey === setup.needsKey)) return state;
  return { ...state, hello: { ...hello, snapshot: { ...hello.snapshot, setup } } };
}

function sorted(sessions: SessionEntry[]): SessionEntry[] {
  return [...sessions].sort(
    (a, b) => Number(b.pinned ?? false) - Number(a.pinned ?? false) || (b.updatedAt ?? 0) - (a.updatedAt ?? 0),
  );
}

function onSelect(state: State, key: string): State {
  const unread = { ...state.unread };
  Reflect.deleteProperty(unread, key);
  const kept = Object.values(state.views).filter(
    (view) => view.key !== key && view.pending.length === 0 && view.live === null,
  );
  const dropped = new Set(kept.slice(0, Math.max(0, kept.length - VIEWS_KEPT)).map((view) => view.key));
  const views = Object.fromEntries(Object.entries(state.views).filter(([each]) => !dropped.has(each)));
  return { ...state, current: key, unread, views };
}

function onSessionChanged(state: State, { key, reason, entry }: SessionChangedEvent): State {
  const others = state.sessions.filter((each) => each.key !== key);
  if (reason === "deleted" || !entry) {
    const views = { ...state.views };
    Reflect.deleteProperty(views, key);
    return { ...state, views, sessions: others, current: state.current === key ? state.mainKey : state.current };
  }
  const next = { ...state, sessions: sorted([entry, ...others]) };
  return inView(next, key, (view) => {
    const { epoch } = entry;
    // Epoch 0: the session had no transcript when it was read, and its first message is on its way.
    const other = epoch === undefined ? reason !== "updated" && reason !== "created" : epoch !== view.epoch;
    const branching = reason === "branched" || reason === "edited" || view.branching === true;
    return other && (view.epoch !== 0 || reason !== "created") ? { ...view, stale: true, branching } : view;
  });
}

// -- history --------------------------------------------------------------------------------------------------------
function asked(view: View, olderPage: boolean): View {
  if (olderPage) return { ...view, loadingOlder: true };
  return {
    ...view,
    asking: true,
    stale: false,
    status: view.status === "failed" ? "loading" : view.status,
    live: view.live && { ...view.live, doubted: true },
  };
}

function older(view: View, history: History): View {
  if (history.epoch !== undefined && history.epoch !== view.epoch) return { ...view, loadingOlder: false, stale: true };
  return {
    ...view,
    messages: merge(view.messages, history.messages),
    hasMore: history.hasMore ?? false,
    loadingOlder: false,
    branches: { ...view.branches, ...branchesOf(history) },
  };
}

function branchesOf(history: History): View["branches"] {
  return Object.fromEntries((history.branches ?? []).map(({ messageId, ids }) => [messageId, ids]));
}

function latest(view: View, history: History): View {
  const epoch = history.epoch ?? 0;
  const resumed = history.recovered === true;
  const replaced = history.recovered === false;
  const joins = resumed || (!replaced && epoch === view.epoch && continues(view.messages, history.messages));
  const messages = merge(joins ? view.messages : [], history.messages);
  const reachesBack = resumed || (joins && (view.messages[0]?.seq ?? Infinity) < (history.messages[0]?.seq ?? 0));
  const queued = history.queued ?? [];
  const known = new Set([...messages, ...queued].map((each) => each.runId));
  const live = liveAfter(view, history);
  return {
    ...view,
    knownTo: view.stale ? view.knownTo : undefined, // stale: lost again while it was on its way
    status: "ready",
    asking: false,
    stale: view.stale || (live?.ahead?.length ?? 0) > 0,
    epoch,
    ...(history.sessionId === undefined ? {} : { sessionId: history.sessionId }),
    messages,
    hasMore: reachesBack ? view.hasMore : (history.hasMore ?? false),
    queued,
    // What was accepted is in the history, or was cleared since; only the un-acknowledged is still open.
    pending: view.pending.filter((each) => each.status === "sending" && !known.has(each.runId)),
    live,
    branches: { ...(joins ? view.branches : {}), ...branchesOf(history) },
    branching: view.branching === true && live !== null,
  };
}

/** May the page be joined to what is known without a hole between them? */
function continues(known: readonly Message[], page: readonly Message[]): boolean {
  const first = page[0];
  const last = known.at(-1);
  if (!first || !last) return known.length === 0;
  return first.seq <= last.seq + 1;
}

function liveAfter(view: View, history: History): Live | null {
  const live = view.live;
  const flight = history.inFlight;
  if (!flight || view.ended.includes(flight.runId)) return live?.doubted ? null : live;
  if (live?.runId !== flight.runId) return begun(flight);
  const text = live.text.length > flight.text.length ? live.text : flight.text;
  const thinking = live.thinking.length > flight.thinking.length ? live.thinking : flight.thinking;
  const filled: Live = { ...live, text, thinking, startedAt: flight.startedAt, doubted: false, ahead: [] };
  if (flight.tools) filled.tools = flight.tools;
  return (live.ahead ?? []).reduce(grown, reading(filled, flight.media));
}

function begun({ media, ...live }: NonNullable<History["inFlight"]>): Live {
  return reading(live, media);
}

/** What a page that comes in the middle shows of an attachment that is being read for the model. */
function reading(live: Live, media: AgentEvent["data"][] = []): Live {
  return media.reduce(withReading, live);
}

// -- sends ----------------------------------------------------------------------------------------------------------
function accepted(view: View, action: { runId: string; now: number; starts: boolean }): View {
  const { runId, now, starts } = action;
  const pending = view.pending.map((each): Pending => (each.runId === runId ? { ...each, status: "accepted" } : each));
  const begins = starts && view.live === null && !view.ended.includes(runId);
  return { ...view, pending, live: begins ? newLive(runId, now) : view.live };
}

function onQueue(view: View, queued: View["queued"]): View {
  const waiting = new Set(queued.map((each) => each.runId));
  return { ...view, queued, pending: view.pending.filter((pending) => !waiting.has(pending.runId)) };
}

function without(pending: readonly Pending[], runId: string): Pending[] {
  return pending.filter((each) => each.runId !== runId);
}

// -- a run ----------------------------------------------------------------------------------------------------------
function newLive(runId: string, now: number): Live {
  return { runId, text: "", thinking: "", startedAt: now };
}

function onChat(state: State, event: ChatEvent, now: number): State {
  if (event.state === "delta") return inView(state, event.sessionKey, (view) => delta(view, event, now));
  const next = inView(state, event.sessionKey, (view) => ended(view, event.runId, event.message, now));
  // What a command says is no answer.
  return event.message?.command ? next : markUnread(next, event.sessionKey);
}

function delta(view: View, event: ChatEvent, now: number): View {
  if (view.ended.includes(event.runId)) return view;
  const live = view.live?.runId === event.runId ? view.live : newLive(event.runId, now);
  const { part = "text", offset = 0, text = "" } = event;
  const next = grown({ ...live, doubted: false }, { part, offset, text });
  delete next.retry;
  if (part === "text" && next.text !== "") next.textAt ??= now;
  const hole = (next.ahead?.length ?? 0) > 0;
  return { ...view, live: next, stale: view.stale || (hole && !view.asking) };
}

/** The reply with a delta in its place: known text is not repeated, and what comes too early is kept for later. */
function grown(live: Live, delta: Delta): Live {
  const have = live[delta.part];
  if (delta.offset > have.length) return { ...live, ahead: [...(live.ahead ?? []), delta].slice(-AHEAD_KEPT) };
  const text = have.slice(0, delta.offset) + delta.text;
  return text.length > have.length ? { ...live, [delta.part]: text } : { ...live };
}

/** The run is over; `message` is what was stored of it, if anything. */
function ended(view: View, runId: string, message: Message | undefined, now: number): View {
  const live = view.live?.runId === runId ? view.live : null;
  const thought = live?.thinking ? { text: live.thinking, ms: (live.textAt ?? now) - live.startedAt } : null;
  return {
    ...view,
    live: live ? null : view.live,
    ended: view.ended.includes(runId) ? view.ended : [...view.ended, runId].slice(-ENDED_KEPT),
    messages: message && isStored(message) ? merge(view.messages, [message]) : view.messages,
    pending: without(view.pending, runId),
    // What has no place (an older gateway's, or not kept) is left to the history.
    stale: view.stale || view.branching === true || (message !== undefined && !isStored(message)),
    thoughts: thought ? { ...view.thoughts, [runId]: thought } : view.thoughts,
  };
}

function isStored(message: Partial<Message>): boolean {
  return message.id !== undefined && message.seq !== undefined;
}

function onAgent(view: View, event: AgentEvent, now: number): View {
  if (view.ended.includes(event.runId)) return view;
  const { phase, attempt, maxAttempts, waitMs, reason } = event.data;
  const live = view.live?.runId === event.runId ? view.live : null;
  if (event.stream === "tool") return { ...view, live: withTool(live ?? newLive(event.runId, now), event.data, now) };
  if (event.stream === "media") return { ...view, live: withReading(live ?? newLive(event.runId, now), event.data) };
  if (event.stream !== "lifecycle") return view;
  if (phase === "start") return live ? view : { ...view, live: newLive(event.runId, now) };
  if (phase === "retry") {
    const retry = {
      attempt: attempt ?? 1,
      maxAttempts: maxAttempts ?? 1,
      reason: reason ?? "",
      at: now + (waitMs ?? 0),
    };
    return { ...view, live: { ...(live ?? newLive(event.runId, now)), retry } };
  }
  return view;
}

function onSessionMessage(state: State, event: SessionMessageEvent, now: number): State {
  const { message, sessionKey } = event;
  const next = inView(state, sessionKey, (view) => {
    // Epoch 0: the session had no transcript when it was read; this message begins it.
    if (view.epoch !== 0 && event.epoch !== view.epoch) return { ...view, stale: true };
    const { runId } = message;
    const last = message.role === "assistant" && !goesOn(message);
    if (last && runId !== undefined) return ended(view, runId, message, now);
    return {
      ...view,
      messages: merge(view.messages, [message]),
      pending: runId === undefined ? view.pending : without(view.pending, runId),
      queued: runId === undefined ? view.queued : view.queued.filter((each) => each.runId !== runId),
      epoch: event.epoch,
      ...(goesOn(message) && runId !== undefined ? { live: begunAnew(view, runId) } : {}),
    };
  });
  return message.role === "assistant" && !message.command ? markUnread(next, sessionKey) : next;
}

function markUnread(state: State, key: string): State {
  if (key === state.current || state.unread[key]) return state;
  return { ...state, unread: { ...state.unread, [key]: true } };
}

// -- views ----------------------------------------------------------------------------------------------------------
function inView(state: State, key: string, change: (view: View) => View, create = false): State {
  const view = state.views[key] ?? (create ? emptyView(key) : undefined);
  if (!view) return state;
  const next = change(view);
  return next === state.views[key] ? state : { ...state, views: { ...state.views, [key]: next } };
}

function everyView(state: State, change: (view: View) => View): State {
  return { ...state, views: Object.fromEntries(Object.entries(state.views).map(([key, view]) => [key, change(view)])) };
}
