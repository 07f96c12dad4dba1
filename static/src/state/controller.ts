/**
 * What a person can do, and what must happen by itself: the only writer of the state.
 *
 * Below are the client (requests, events) and the reducer; above is the element, which reads `state` and calls these
 * methods. A method that asks the gateway rejects with the client's errors, and the caller shows them; `send` does not
 * reject: its failures are told by `onSendFailed`, with the text to give back.
 */
import { sameAttached, wireOf } from "./attachments.js";
import type { Attached } from "./attachments.js";
import { RequestRefused } from "../client/gateway-client.js";
import type { Client } from "../client/gateway-client.js";
import { isCommand } from "./commands.js";
import { Drafts } from "./drafts.js";
import type {
  AgentEvent,
  Approval,
  ChatEvent,
  Hello,
  History,
  ResultOf,
  SearchHit,
  SessionChangedEvent,
  SessionMessageEvent,
  SessionQueueEvent,
  Setup,
} from "../protocol/types.js";
import { reduce } from "./reducer.js";
import type { Action } from "./reducer.js";
import { canonicalKey, currentView, initialState } from "./state.js";
import type { Pending, State } from "./state.js";

export const PAGE = 100;
/** The largest page that the gateway gives. */
const LONGEST_PAGE = 1_000;
/** Messages to have before one that is looked up. */
const LEAD = 20;

/** Where a message that was found stands. */
export type Place = Pick<SearchHit, "sessionKey" | "sessionId" | "seq" | "messageId">;

interface HistoryWish {
  limit: number;
  beforeSeq?: number;
  epoch?: number;
  sinceSeq?: number;
}

export interface ControllerOptions {
  client: Client;
  drafts: Drafts;
  sessionKey?: string;
  newKey?: () => string;
  now?: () => number;
}

/** 128 random bits as text; `crypto.randomUUID` is not there on plain http. */
export function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Controller {
  state: State;
  readonly client: Client;
  readonly drafts: Drafts;

  /** Called after each change of `state`. */
  onChange: () => void = () => undefined;
  /** A send was refused for good; it is a draft again. */
  onSendFailed: (key: string, error: RequestRefused) => void = () => undefined;
  onSessionEvent: (event: SessionChangedEvent) => void = () => undefined;
  /** A command to stop was obeyed; true if there was something to stop. */
  onStopped: (any: boolean) => void = () => undefined;
  /** Told each event; an empty name: events may have been lost, what is known must be read again. */
  readonly watchers = new Set<(name: string, payload?: unknown) => void>();
  /** A reply of any session ended. */
  onReply: (event: ChatEvent) => void = () => undefined;

  /** A message that is only one of these is `/stop`. */
  private stopWords: readonly string[] = [];
  private readonly newKey: () => string;
  private readonly now: () => number;
  private refreshTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: ControllerOptions) {
    this.client = options.client;
    this.drafts = options.drafts;
    this.newKey = options.newKey ?? randomKey;
    this.now = options.now ?? Date.now;
    this.state = initialState(options.sessionKey ? canonicalKey(options.sessionKey, "agent:main:main") : undefined);
    this.client.onState = (state) => {
      this.dispatch({ type: "connection", state });
    };
    this.client.onHello = (hello) => void this.greet(hello);
    this.client.onEvent = (name, payload) => this.receive(name, payload);
    this.client.onGap = () => {
      this.dispatch({ type: "gap" });
      this.watched("");
      void this.loadSessions();
    };
  }

  start(): void {
    this.client.start();
  }

  stop(): void {
    clearTimeout(this.refreshTimer);
    this.client.stop();
  }

  // -- sessions -----------------------------------------------------------------------------------------------------
  select(key: string): void {
    void this.show(canonicalKey(key, this.state.mainKey));
  }

  private async show(key: string): Promise<void> {
    if (key === this.state.current && this.state.views[key]) return;
    this.dispatch({ type: "select", key });
    await this.loadHistory(key);
  }

  /**
   * Show a session with a message that was found among what is loaded. Pages go on from those that are there, so that
   * there is no hole. False if the message is not there any more, or could not be loaded.
   */
  async reach({ sessionKey, sessionId, seq, messageId }: Place): Promise<boolean> {
    const key = canonicalKey(sessionKey, this.state.mainKey);
    await this.show(key);
    if (this.state.views[key]?.sessionId !== sessionId) await this.loadHistory(key); // it was restored just now
    for (;;) {
      const view = this.state.views[key];
      const first = view?.messages[0]?.seq;
      if (first === undefined || first <= seq || !view?.hasMore)
        return view?.messages.some((message) => message.id === messageId) ?? false;
      const limit = Math.min(LONGEST_PAGE, Math.max(PAGE, first - seq + LEAD));
      await this.askHistory(key, { limit, beforeSeq: first }, true);
      if (this.state.views[key]?.messages[0]?.seq === first) return false;
    }
  }

  /** Show a session that does not exist yet; the gateway makes it with its first message. So nothing is waited for. */
  newSession(): string {
    const key = `agent:main:webchat:${this.newKey().slice(0, 12)}`;
    this.dispatch({ type: "history.got", key, history: { messages: [] } });
    this.dispatch({ type: "select", key });
    return key;
  }

  /** A temporary session on show: in the gateway's memory only. */
  async newTemporary(): Promise<void> {
    const { key } = await this.client.request("sessions.new", { temporary: true });
    this.dispatch({ type: "history.got", key, history: { messages: [] } });
    this.select(key);
  }

  // -- messages -----------------------------------------------------------------------------------------------------
  /**
   * Send a message of the session on show. It is on screen at once; it is repeated with the same key until the gateway
   * has answered, over any number of connections.
   * @param now a reply that is being written reads it before its next step, if it has one
   */
  send(text: string, attachments: readonly Attached[] = [], now = false): void {
    const key = this.state.current;
    const draft = this.drafts.get(key);
    const same = draft.text === text && sameAttached(draft.attachments ?? [], attachments);
    const sendKey = same && draft.sendKey ? draft.sendKey : this.newKey();
    const attached = attachments.length > 0 ? { attachments: [...attachments] } : {};
    this.drafts.set(key, { text, ...attached, sendKey });
    const pending: Pending = { runId: sendKey, text, ...attached, createdAt: this.now(), status: "sending" };
    if (now) pending.when = "now";
    this.dispatch({ type: "send", key, pending });
    void this.deliver(key, pending);
  }

  /** Send a message that was not written here: the draft stays what it is. */
  sendBeside(key: string, text: string, attachments: readonly Attached[]): void {
    const pending: Pending = {
      runId: this.newKey(),
      text,
      attachments: [...attachments],
      createdAt: this.now(),
      status: "sending",
    };
    this.dispatch({ type: "send", key, pending });
    void this.deliver(key, pending);
  }

  private async deliver(key: string, pending: Pending): Promise<void> {
    const { runId, text, attachments = [], when } = pending;
    const message = {
      sessionKey: key,
      message: text,
      idempotencyKey: runId,
      ...(when ? { when } : {}),
      ...(attachments.length > 0 ? { attachments: attachments.map(wireOf) } : {}),
    };
    const { hello } = this.state;
    let result: ResultOf<"chat.send">;
    try {
      result = await this.client.request("chat.send", message);
    } catch (error) {
      if (error instanceof RequestRefused) {
        this.dispatch({ type: "send.gone", key, runId });
        this.drafts.giveBack(key, runId, text, attachments);
        this.onSendFailed(key, error);
      }
      // Lost: repeated after the next handshake, or now where the connection stands and only the answer never came.
      else if (this.state.hello === hello && this.client.state.status === "open") await this.deliver(key, pending);
      return;
    }
    this.drafts.sent(key, runId);
    if (result.aborted !== undefined) this.onStopped(result.aborted);
    const starts = result.status === "started" && result.queuePosition === undefined && !text.startsWith("/");
    this.dispatch({ type: "send.accepted", key, runId, now: this.now(), starts });
    // Not a run (`/stop`), or one that is over already: no event will follow.
    if (result.status !== "started" && result.status !== "in_flight" && result.status !== "queued") {
      this.dispatch({ type: "send.gone", key, runId });
      void this.loadHistory(key);
    }
    if (result.switchTo !== undefined && this.state.current === key) {
      this.dispatch({ type: "send.gone", key, runId });
      this.select(result.switchTo);
    }
  }

  /** Replace a message of ours by another, with a new reply; the old ones stay as a branch. */
  edit(
    key: string,
    messageId: string,
    text: string,
    attachments: readonly Attached[],
    sendKey: string,
  ): Promise<unknown> {
    const attached = attachments.length > 0 ? { attachments: attachments.map(wireOf) } : {};
    return this.client.request("chat.edit", {
      sessionKey: key,
      messageId,
      message: text,
      ...attached,
      idempotencyKey: sendKey,
    });
  }

  /** Is this message one that the gateway answers itself? */
  isCommand(text: string): boolean {
    return isCommand(text, this.state.commands, this.stopWords);
  }

  /** Does the gateway know this method? */
  can(method: string): boolean {
    return this.state.hello?.features?.methods?.includes(method) ?? false;
  }

  /** Has the administrator switched this off? */
  off(feature: string): boolean {
    return this.state.hello?.features?.disabled?.includes(feature) ?? false;
  }

  /** Stop the reply being written in the session on show, or take one queued send back. */
  abort(runId?: string): Promise<unknown> {
    const key = this.state.current;
    const run = runId ?? currentView(this.state).live?.runId;
    return this.client.request("chat.abort", { sessionKey: key, ...(run === undefined ? {} : { runId: run }) });
  }

  /** @param limit so many messages, at most 1,000 */
  async loadOlder(limit = PAGE): Promise<void> {
    const view = currentView(this.state);
    const first = view.messages[0];
    if (!first || !view.hasMore || view.loadingOlder) return;
    await this.askHistory(view.key, { limit, beforeSeq: first.seq }, true);
  }

  /** Read what is new in a session: what came after all that is known here, or the newest page. */
  loadHistory(key: string): Promise<void> {
    const view = this.state.views[key];
    const sinceSeq = view?.knownTo ?? view?.messages.at(-1)?.seq;
    const since = view?.epoch && sinceSeq && !view.branching ? { epoch: view.epoch, sinceSeq } : {};
    return this.askHistory(key, { limit: PAGE, ...since }, false);
  }

  private async askHistory(key: string, params: HistoryWish, older: boolean): Promise<void> {
    this.dispatch({ type: "history.asked", key, older });
    try {
      const history = await this.client.request("chat.history", { sessionKey: key, ...params });
      this.dispatch({ type: "history.got", key, history, older });
      this.settleDraft(key, history);
    } catch {
      this.dispatch({ type: "history.failed", key }); // the view says so and offers to try again
    }
  }

  /** A reload may have cut off the acknowledgement: if the message is stored, its draft is done. */
  private settleDraft(key: string, history: History): void {
    const { sendKey } = this.drafts.get(key);
    const open = this.state.views[key]?.pending.some((pending) => pending.runId === sendKey);
    if (sendKey === undefined || open) return;
    const stored = [...history.messages, ...(history.queued ?? [])].some((each) => each.runId === sendKey);
    if (stored && this.drafts.sent(key, sendKey)) this.onChange();
  }

  // -- configuration ------------------------------------------------------------------------------------------------
  /** Ask which provider answers now: another client may have changed it. */
  async refreshSetup(): Promise<void> {
    try {
      const { setup } = (await this.client.request("health", {})) as { setup?: Setup };
      if (setup) this.dispatch({ type: "setup", setup });
    } catch {
      // Lost: the next handshake tells.
    }
  }

  // -- news ---------------------------------------------------------------------------------------------------------
  private async greet(hello: Hello): Promise<void> {
    const before = this.state.current;
    this.dispatch({ type: "hello", hello });
    this.watched("");
    const current = this.state.current;
    if (current !== before) this.drafts.move(before, current); // the main session has another name there
    const unacknowledged = Object.values(this.state.views).flatMap((view) =>
      view.pending.filter((pending) => pending.status === "sending").map((pending) => ({ key: view.key, pending })),
    );
    await Promise.all([
      this.loadHistory(current),
      this.loadSessions(),
      this.loadCommands(),
      ...unacknowledged.map(({ key, pending }) => this.deliver(key, pending)),
    ]);
  }

  async loadSessions(): Promise<void> {
    try {
      const result = await this.client.request("sessions.list", {
        limit: 500,
        includeDerivedTitles: true,
        includeLastMessage: true,
        includeArchived: true,
      });
      this.dispatch({ type: "sessions", sessions: result.sessions });
    } catch {
      // Lost: asked again after the next handshake.
    }
  }

  private async loadCommands(): Promise<void> {
    try {
      const result = await this.client.request("commands.list", {});
      this.dispatch({ type: "commands", commands: result.commands });
      this.stopWords = result.stopWords ?? [];
    } catch {
      // A gateway without the method, or lost: no completion then.
    }
  }

  private watched(name: string, payload?: unknown): void {
    for (const watch of this.watchers) watch(name, payload);
  }

  private receive(name: string, payload: unknown): void {
    this.watched(name, payload);
    const now = this.now();
    switch (name) {
      case "chat": {
        const event = payload as ChatEvent;
        this.dispatch({ type: "chat", event, now });
        if (event.state !== "delta") this.onReply(event);
        break;
      }
      case "agent":
        this.dispatch({ type: "agent", event: payload as AgentEvent, now });
        break;
      case "session.message":
        this.dispatch({ type: "session.message", event: payload as SessionMessageEvent, now });
        break;
      case "health": {
        const { setup } = payload as { setup?: Setup };
        if (setup) this.dispatch({ type: "setup", setup });
        break;
      }
      case "exec.approval.requested":
        this.dispatch({ type: "approval.asked", approval: payload as Approval });
        break;
      case "exec.approval.resolved":
        this.dispatch({ type: "approval.decided", id: (payload as { id: string }).id });
        break;
      case "session.queue":
        this.dispatch({ type: "session.queue", event: payload as SessionQueueEvent });
        break;
      case "session.changed": {
        const event = payload as SessionChangedEvent;
        this.dispatch({ type: "session.changed", event });
        this.onSessionEvent(event);
        break;
      }
    }
  }

  private dispatch(action: Action): void {
    const before = this.state;
    this.state = reduce(before, action);
    if (this.state === before) return;
    this.onChange();
    const view = currentView(this.state);
    const missing = !this.state.views[view.key] && this.state.hello !== null;
    if ((view.stale && !view.asking) || missing) this.refresh();
  }

  /** Read the session on show again, once for any number of reasons that come together. */
  private refresh(): void {
    if (this.client.state.status !== "open") return;
    clearTimeout(this.refreshTimer);
    this.refreshTimer = setTimeout(() => {
      const view = currentView(this.state);
      if (view.stale || !this.state.views[view.key]) void this.loadHistory(view.key);
    }, 0);
  }
}
