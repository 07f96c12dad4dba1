/**
 * One connection to the gateway that stays: handshake, requests by id, events in order, reconnect.
 *
 * No DOM and no state of the chat: `controller.ts` sits above. Requests of a connection that drops are rejected with
 * `ConnectionLost`; what must survive a drop (sends) is repeated by the outbox, with the same idempotency key.
 */
import { CAPS, PROTOCOL } from "../protocol/types.js";
import type { EventFrame, Frame, Hello, MethodName, ParamsOf, ResultOf, WireError } from "../protocol/types.js";
import { instanceId } from "./instance.js";
import type { Connection, Transport } from "./transport.js";

/** `offline`: the machine says it has no network; `down`: the gateway does not answer; `limited`: it asks to wait. */
export type Cause = "offline" | "down" | "restarting" | "limited";

export type ConnectionState =
  | { status: "idle" }
  /** `cause`: why it is not the first attempt. */
  | { status: "connecting"; attempt: number; cause?: Cause }
  /** `quietSince`: nothing was heard for longer than it should take; the other side is being asked. */
  | { status: "open"; quietSince?: number }
  /** Between two attempts. */
  | { status: "waiting"; cause: Cause; attempt: number; retryAt: number }
  | { status: "unauthorized" }
  | { status: "protocol-too-old" };

/** The gateway refused a request, in the reader's language where it can; `reason` tells failures of one `code` apart. */
export class RequestRefused extends Error {
  readonly code: string;
  readonly reason: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly details: WireError["details"];

  constructor(error: WireError) {
    super(error.details?.text ?? error.message);
    this.name = "RequestRefused";
    this.code = error.code;
    this.reason = error.details?.reason;
    this.retryAfterMs = error.retryAfterMs;
    this.details = error.details;
  }
}

/** The connection dropped (or was never there) before the answer: the request may or may not have taken effect. */
export class ConnectionLost extends Error {
  constructor() {
    super("the connection was lost before the answer came");
    this.name = "ConnectionLost";
  }
}

export interface ClientOptions {
  transport: Transport;
  version: string;
  /** The language for texts of the gateway; asked at each handshake. */
  locale: () => string;
  platform?: string;
  /** Asked after an attempt that failed before `hello-ok`: is it us (`unauthorized`) or the gateway (`unreachable`)? */
  probe?: () => Promise<"ok" | "unauthorized" | "unreachable">;
  /** The machine's own word on the network; `true` where unknown. */
  online?: () => boolean;
  random?: () => number;
  now?: () => number;
}

const BACKOFF_FIRST_MS = 500;
const BACKOFF_MAX_MS = 15_000;
/** A connection that lasted this long counts as good: the next loss starts at the shortest delay again. */
const STABLE_MS = 30_000;
/** Ticks may be late by this share before the silence is told. */
const LATE = 1.25;
/** An attempt that takes longer than this is begun anew when the machine says that something changed. */
const SLOW_ATTEMPT_MS = 2_000;
/** How long a connection may take to show that it still works, when there is a reason to doubt it. */
const CHECK_MS = 5_000;
const REQUEST_TIMEOUT_MS = 30_000;
const HANDSHAKE_TIMEOUT_MS = 10_000;

/** Full jitter: anywhere between nothing and the doubled cap, so that clients that fell together do not rise together. */
export function backoffMs(attempt: number, random: () => number): number {
  const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(attempt, 10));
  return Math.max(100, Math.round(random() * ceiling));
}

interface Waiting {
  resolve: (payload: unknown) => void;
  reject: (error: Error) => void;
  timer: ReturnType<typeof setTimeout>;
}

/** What a chat needs of a client; `shared.ts` has another that is one of several at a connection. */
export type Client = Pick<GatewayClient, keyof GatewayClient>;

export class GatewayClient {
  state: ConnectionState = { status: "idle" };
  hello: Hello | null = null;

  /** Called on each change of `state`. */
  onState: (state: ConnectionState) => void = () => undefined;
  /** Called after each handshake, before anything else of that connection. */
  onHello: (hello: Hello) => void = () => undefined;
  onEvent: (name: string, payload: unknown) => void = () => undefined;
  /** Events were missed: what is known must be read again. */
  onGap: () => void = () => undefined;

  private connection: Connection | null = null;
  /** Tells callbacks of an older connection from those of the present one. */
  private generation = 0;
  private attempt = 0;
  private nextId = 1;
  private lastSeq: number | null = null;
  private lastFrameAt = 0;
  private openedAt = 0;
  private restartUntil = 0;
  private readonly waiting = new Map<string, Waiting>();
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private stableTimer: ReturnType<typeof setTimeout> | undefined;
  private watchdog: ReturnType<typeof setTimeout> | undefined;
  private quietTimer: ReturnType<typeof setTimeout> | undefined;
  private readonly random: () => number;
  private readonly now: () => number;

  constructor(private readonly options: ClientOptions) {
    this.random = options.random ?? Math.random;
    this.now = options.now ?? Date.now;
  }

  /** Connect and stay connected until `stop`. Safe to call again: it then retries at once. */
  start(): void {
    if (this.state.status === "open" || this.state.status === "connecting") return;
    this.attempt = 0;
    this.open();
  }

  stop(): void {
    this.drop();
    this.setState({ status: "idle" });
  }

  /**
   * Connect now if waiting, also when an attempt hangs; if open, make sure that the other side still is. For `online`,
   * `visibilitychange`, `pageshow` and "retry now".
   */
  wake(): void {
    const { status } = this.state;
    const hangs = status === "connecting" && this.now() - this.openedAt > SLOW_ATTEMPT_MS;
    const silent = status === "open" && this.now() - this.lastFrameAt > this.tickMs();
    if (status === "waiting" || hangs) this.open();
    else if (silent) this.reopen();
  }

  /** The machine lost its network. A gateway on this machine does not mind; another will not answer. */
  networkLost(): void {
    if (this.state.status === "open") this.check();
    else if (this.state.status === "waiting" && this.state.cause === "down")
      this.setState({ ...this.state, cause: this.cause() });
  }

  /** Ask the other side for a sign of life, and give the connection up if there is none. */
  private check(): void {
    const { connection, generation } = this;
    if (!connection) return;
    this.ask(connection, "health", {}, CHECK_MS).catch((error: unknown) => {
      if (generation === this.generation && error instanceof ConnectionLost) void this.lost(1006, generation);
    });
  }

  /** A new handshake on a new connection, without a pause: after a change of credentials or of the setup. */
  reopen(): void {
    this.attempt = 0;
    this.open();
  }

  /**
   * Ask the gateway.
   * @throws RequestRefused the gateway said no; ConnectionLost it could not say
   */
  request<M extends MethodName>(method: M, params: ParamsOf<M>): Promise<ResultOf<M>> {
    if (this.state.status !== "open" || !this.connection) return Promise.reject(new ConnectionLost());
    return this.ask<ResultOf<M>>(this.connection, method, params, REQUEST_TIMEOUT_MS);
  }

  private ask<T>(connection: Connection, method: string, params: unknown, timeoutMs: number): Promise<T> {
    const id = String(this.nextId++);
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(id);
        reject(new ConnectionLost());
      }, timeoutMs);
      this.waiting.set(id, { resolve: resolve as (payload: unknown) => void, reject, timer });
      connection.send(JSON.stringify({ type: "req", id, method, params }));
    });
  }

  private open(): void {
    this.drop();
    const generation = ++this.generation;
    this.openedAt = this.now();
    const before = this.state.status === "waiting" ? { cause: this.state.cause } : {};
    this.setState({ status: "connecting", attempt: this.attempt, ...before });
    const current = (): boolean => generation === this.generation;
    this.watch(HANDSHAKE_TIMEOUT_MS);
    this.connection = this.options.transport.connect({
      open: () => undefined, // the gateway speaks first
      frame: (text) => {
        if (current()) this.receive(text);
      },
      closed: (code) => {
        if (current()) void this.lost(code, generation);
      },
    });
  }

  private receive(text: string): void {
    this.lastFrameAt = this.now();
    let frame: Frame;
    try {
      frame = JSON.parse(text) as Frame;
    } catch {
      return; // not of this protocol; the sequence check will notice if it mattered
    }
    if (frame.type === "event") this.receiveEvent(frame);
    else if (frame.type === "res") {
      const waiting = this.waiting.get(frame.id);
      if (!waiting) return;
      this.waiting.delete(frame.id);
      clearTimeout(waiting.timer);
      if (frame.ok) waiting.resolve(frame.payload);
      else waiting.reject(new RequestRefused(frame.error ?? { code: "UNAVAILABLE", message: "refused" }));
    }
    if (this.state.status === "open") this.heard();
  }

  private receiveEvent(frame: EventFrame): void {
    if (frame.event === "connect.challenge") {
      void this.shakeHands();
      return;
    }
    if (frame.seq !== undefined) {
      const missed = this.lastSeq !== null && frame.seq !== this.lastSeq + 1;
      this.lastSeq = frame.seq;
      if (missed) this.onGap();
    }
    if (frame.event === "shutdown") {
      const { restartExpectedMs } = (frame.payload ?? {}) as { restartExpectedMs?: number };
      if (restartExpectedMs !== undefined) this.restartUntil = this.now() + restartExpectedMs + 5_000;
    }
    this.onEvent(frame.event, frame.payload);
  }

  private async shakeHands(): Promise<void> {
    const connection = this.connection;
    const generation = this.generation;
    if (!connection) return;
    try {
      const hello = await this.ask<Hello>(
        connection,
        "connect",
        {
          minProtocol: PROTOCOL,
          maxProtocol: PROTOCOL,
          client: {
            id: "clawdbot-webchat",
            version: this.options.version,
            platform: this.options.platform ?? "web",
            mode: "webchat",
            instanceId: instanceId(),
          },
          role: "operator",
          caps: CAPS,
          locale: this.options.locale(),
        },
        HANDSHAKE_TIMEOUT_MS,
      );
      if (generation !== this.generation) return;
      this.hello = hello;
      this.lastSeq = null;
      this.restartUntil = 0;
      this.stableTimer = setTimeout(() => (this.attempt = 0), STABLE_MS);
      this.setState({ status: "open" });
      this.heard();
      this.onHello(hello);
    } catch (error) {
      if (generation !== this.generation) return;
      if (!(error instanceof RequestRefused)) return; // lost: `closed` follows
      this.drop();
      if (error.reason === "UNAUTHORIZED") this.setState({ status: "unauthorized" });
      else if (error.reason === "PROTOCOL_MISMATCH") this.setState({ status: "protocol-too-old" });
      else if (error.reason === "RATE_LIMITED") this.retryIn(error.retryAfterMs ?? BACKOFF_MAX_MS, "limited");
      else this.retryIn(backoffMs(this.attempt, this.random), "down");
    }
  }

  private async lost(code: number, generation: number): Promise<void> {
    const wasOpen = this.state.status === "open";
    this.drop();
    if (code === 1002) {
      this.setState({ status: "protocol-too-old" });
      return;
    }
    const restarting = code === 1012 || this.now() < this.restartUntil;
    this.retryIn(backoffMs(this.attempt, this.random), restarting ? "restarting" : this.cause());
    // A refused upgrade looks like a dead gateway to a browser; only HTTP can tell the two apart.
    if ((!wasOpen || code === 1008) && this.options.probe) {
      const answer = await this.options.probe();
      if (answer === "unauthorized" && generation + 1 === this.generation) {
        this.drop();
        this.setState({ status: "unauthorized" });
      }
    }
  }

  private cause(): "offline" | "down" {
    return this.options.online?.() === false ? "offline" : "down";
  }

  private retryIn(delayMs: number, cause: Cause): void {
    const attempt = ++this.attempt;
    this.retryTimer = setTimeout(() => this.open(), delayMs);
    this.setState({ status: "waiting", cause, attempt, retryAt: this.now() + delayMs });
  }

  /** Forget the present connection: close it, reject what waits for it, end its timers. */
  private drop(): void {
    this.generation++;
    clearTimeout(this.retryTimer);
    clearTimeout(this.stableTimer);
    clearTimeout(this.watchdog);
    clearTimeout(this.quietTimer);
    const connection = this.connection;
    this.connection = null;
    for (const { reject, timer } of this.waiting.values()) {
      clearTimeout(timer);
      reject(new ConnectionLost());
    }
    this.waiting.clear();
    connection?.close();
  }

  /** Something came: the silence begins anew. A late tick is told, two missing ones end the connection. */
  private heard(): void {
    this.watch(2 * this.tickMs());
    clearTimeout(this.quietTimer);
    this.quietTimer = setTimeout(() => {
      this.setState({ status: "open", quietSince: this.lastFrameAt });
      this.check();
    }, LATE * this.tickMs());
    if (this.state.status === "open" && this.state.quietSince !== undefined) this.setState({ status: "open" });
  }

  /** Treat the connection as dead if nothing is heard for `ms`. */
  private watch(ms: number): void {
    clearTimeout(this.watchdog);
    this.watchdog = setTimeout(() => void this.lost(1006, this.generation), ms);
  }

  private tickMs(): number {
    return this.hello?.policy?.tickIntervalMs ?? 30_000;
  }

  private setState(state: ConnectionState): void {
    this.state = state;
    this.onState(state);
  }
}
