/**
 * All that is known, as one immutable value. `reduce.ts` makes the next one out of an action; `controller.ts` feeds it;
 * the element draws it. Nothing here knows the network or the DOM.
 */
import type { Attached } from "./attachments.js";
import type { ConnectionState } from "../client/gateway-client.js";
import type { Approval, Command, Hello, Message, Queued, SessionEntry, ToolStep } from "../protocol/types.js";

export interface Delta {
  part: "text" | "thinking";
  offset: number;
  text: string;
}

/** A try that failed and is made again. */
export interface Retry {
  attempt: number;
  maxAttempts: number;
  /** The kind of failure. */
  reason: string;
  at: number;
}

/** A reply that is being written. */
export interface Live {
  runId: string;
  text: string;
  thinking: string;
  startedAt: number;
  /** When the first text came: thinking took until then. */
  textAt?: number;
  /** The provider failed and will be asked again at `at`. */
  retry?: Retry;
  /** A history request was sent while this was known, and nothing was heard since: its answer is newer. */
  doubted?: boolean;
  /** The tools this run has called since its last stored message, and those still at work. */
  tools?: ToolStep[];
  /** An attachment is being read for the model. */
  reading?: { name: string; detail: string; fraction?: number };
  /** Deltas beyond what is known, in order; used once the history has filled the hole. */
  ahead?: Delta[];
}

/** The thinking of a run, and how long it took in milliseconds. */
export interface Thought {
  text: string;
  ms: number;
}

/** A message of ours that the gateway has not yet shown to have stored. Keyed by idempotency key = run id. */
export interface Pending {
  runId: string;
  text: string;
  attachments?: Attached[];
  createdAt: number;
  status: "sending" | "accepted";
  /** A reply that is being written reads it before its next step. */
  when?: "now";
}

/** One session as far as it was read. */
export interface View {
  key: string;
  status: "loading" | "ready" | "failed";
  sessionId?: string;
  epoch: number;
  messages: Message[];
  hasMore: boolean;
  loadingOlder: boolean;
  /** The newest page is being asked for. */
  asking: boolean;
  live: Live | null;
  pending: Pending[];
  queued: Queued[];
  /** What is shown may miss something: read the history again. */
  stale: boolean;
  /** News were lost after this number, so those that came since do not say up to where everything is known. */
  knownTo?: number | undefined;
  /** Runs that have ended: late deltas of theirs mean nothing. Newest last, bounded. */
  ended: string[];
  /** What this page saw of a run's thinking: the stored message may have left it out. */
  thoughts: Record<string, Thought>;
  /** By message id: what else was said in its place, oldest first, itself included. Only messages with siblings. */
  branches: Record<string, readonly string[]>;
  /** A reply is being written beside another one: what versions there are is read when it is stored. */
  branching?: boolean;
}

export interface State {
  connection: ConnectionState;
  hello: Hello | null;
  /** Newest first. */
  sessions: SessionEntry[];
  sessionsLoaded: boolean;
  mainKey: string;
  /** The key of the session on show. */
  current: string;
  views: Record<string, View>;
  /** Sessions with an answer that was not looked at. */
  unread: Record<string, true>;
  commands: Command[];
  /** What waits for a decision, oldest first. */
  approvals: Approval[];
}

export const MAIN_KEY = "agent:main:main";

export function initialState(current = MAIN_KEY): State {
  return {
    connection: { status: "idle" },
    hello: null,
    sessions: [],
    sessionsLoaded: false,
    mainKey: MAIN_KEY,
    current,
    views: {},
    unread: {},
    commands: [],
    approvals: [],
  };
}

/** Sends that wait for the running reply: those the gateway lists, and those still on their way to it. */
export function waitingIn({ live, pending, queued }: View): Queued[] {
  return [...queued, ...(live ? pending.filter((each) => each.runId !== live.runId) : [])];
}

export function emptyView(key: string): View {
  return {
    key,
    status: "loading",
    epoch: 0,
    messages: [],
    hasMore: false,
    loadingOlder: false,
    asking: false,
    live: null,
    pending: [],
    queued: [],
    stale: false,
    ended: [],
    thoughts: {},
    branches: {},
  };
}

/** Nothing was said yet. */
export function isBlank({ status, messages, pending, live }: View): boolean {
  return status === "ready" && messages.length + pending.length === 0 && live === null;
}

/** The view on show. */
export function currentView(state: State): View {
  return state.views[state.current] ?? emptyView(state.current);
}

export function entryOf(state: State, key: string): SessionEntry | undefined {
  return state.sessions.find((entry) => entry.key === key);
}

/** A session that the gateway keeps in memory only: the key tells. */
export function isTemporary(key: string): boolean {
  return key.startsWith("agent:main:temporary:");
}

/** The one spelling of a session key, as the gateway has it. */
export function canonicalKey(key: string, mainKey: string): string {
  const trimmed = key.trim().normalize("NFC");
  if (trimmed === "" || trimmed === "main" || trimmed === MAIN_KEY) return mainKey;
  return trimmed.startsWith("agent:") ? trimmed : `agent:main:${trimmed}`;
}
