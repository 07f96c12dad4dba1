/** A gateway in memory: speaks the real frames over a `Transport`, and does what a test tells it. */
import type { Connection, Transport, TransportEvents } from "../../src/client/transport.js";
import type { Model } from "../../src/entry/kernel-transport.js";

export interface Request {
  id: string;
  method: string;
  params: Record<string, unknown>;
}

export const HELLO = {
  type: "hello-ok",
  protocol: 3,
  server: { version: "0.1.0", connId: "c1" },
  features: { methods: [], events: [], caps: [] },
  snapshot: {
    sessionDefaults: { mainKey: "main", mainSessionKey: "agent:main:main" },
    setup: { provider: "demo", needsKey: true },
  },
  policy: { maxPayload: 1 << 20, tickIntervalMs: 30_000 },
};

type Answer = (params: Record<string, unknown>) => unknown;

export class Line implements Connection {
  readonly requests: Request[] = [];
  closed: number | null = null;
  private seq = 0;

  constructor(
    private readonly events: TransportEvents,
    private readonly answers: Map<string, Answer>,
  ) {}

  send(text: string): void {
    const request = JSON.parse(text) as Request;
    this.requests.push(request);
    const answer = this.answers.get(request.method);
    if (!answer) return;
    queueMicrotask(() => {
      const payload = answer(request.params);
      if (payload instanceof Refusal) this.refuse(request.id, payload);
      else if (payload !== undefined) this.respond(request.id, payload);
    });
  }

  close(code = 1000): void {
    this.closed ??= code;
  }

  respond(id: string, payload: unknown): void {
    this.frame({ type: "res", id, ok: true, payload });
  }

  refuse(id: string, refusal: Refusal): void {
    const { code, reason, retryAfterMs } = refusal;
    this.frame({ type: "res", id, ok: false, error: { code, message: reason, details: { reason }, retryAfterMs } });
  }

  /** An event as the gateway numbers it; `skip` loses that many before it. */
  event(name: string, payload: unknown, skip = 0): void {
    this.seq += 1 + skip;
    this.frame({ type: "event", event: name, payload, seq: this.seq });
  }

  challenge(): void {
    this.events.open();
    this.frame({ type: "event", event: "connect.challenge", payload: { nonce: "n", ts: 1 } });
  }

  /** The socket is gone. */
  drop(code = 1006): void {
    this.events.closed(code, "");
  }

  asked(method: string): Request[] {
    return this.requests.filter((request) => request.method === method);
  }

  private frame(frame: object): void {
    this.events.frame(JSON.stringify(frame));
  }
}

export class Refusal {
  constructor(
    readonly code: string,
    readonly reason: string,
    readonly retryAfterMs?: number,
  ) {}
}

export class FakeGateway implements Transport {
  readonly lines: Line[] = [];
  /** New connections get a challenge at once; else they stay silent. */
  up = true;
  private readonly answers = new Map<string, Answer>();

  constructor() {
    this.on("connect", () => HELLO);
  }

  /** Answer a method; `undefined` leaves the request open. */
  on(method: string, answer: Answer): this {
    this.answers.set(method, answer);
    return this;
  }

  get line(): Line {
    const line = this.lines.at(-1);
    if (!line) throw new Error("no client has connected");
    return line;
  }

  connect(events: TransportEvents): Connection {
    const line = new Line(events, this.answers);
    this.lines.push(line);
    queueMicrotask(() => {
      if (this.up) line.challenge();
      else line.drop();
    });
    return line;
  }
}

/** A widget's model whose kernel leads to a gateway in memory. Once it is gone, its comm throws. */
export class FakeKernel implements Model {
  gone = false;
  /** How often it was spoken to in vain. */
  refused = 0;
  private readonly listeners = new Set<(message: object) => void>();
  private readonly lines = new Map<number, Connection>();

  constructor(private readonly gateway: FakeGateway) {}

  get(): undefined {
    return undefined;
  }

  set(): void {
    // It has no state.
  }

  save_changes(): void {
    // The same.
  }

  send(content: object): void {
    if (this.gone) {
      this.refused += 1;
      if (this.refused > 1_000) this.gone = false; // or a loop would never end
      throw new Error("Cannot send");
    }
    const { kind, id, text } = content as { kind: string; id: number; text?: string };
    if (kind === "open") {
      const tell = (message: object): void => this.listeners.forEach((listener) => listener({ id, ...message }));
      const line = this.gateway.connect({
        open: () => tell({ kind: "opened" }),
        frame: (frame) => tell({ kind: "frame", text: frame }),
        closed: (code, reason) => tell({ kind: "closed", code, reason }),
      });
      this.lines.set(id, line);
    } else if (kind === "frame") this.lines.get(id)?.send(text ?? "");
    else this.lines.get(id)?.close();
  }

  on(_name: string, listener: (message: object) => void): void {
    this.listeners.add(listener);
  }

  off(_name: string, listener: (message: object) => void): void {
    this.listeners.delete(listener);
  }
}
