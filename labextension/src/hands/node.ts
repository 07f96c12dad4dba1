/**
 * This page as a node of the gateway: a second WebSocket of the page, on which it is asked to do things in the notebooks
 * that are open here. Jupyter's cookie authenticates it, as it does the chat's.
 *
 * While there is no gateway it tries again after ever longer pauses, and not at all where it was refused, until the
 * network or the page comes back. On a connection that stands it sends nothing unless it was asked.
 */
import { PageConfig } from "@jupyterlab/coreutils";
import { root } from "../embed.js";
import { HandsError } from "./errors.js";
import { instanceId } from "./instance.js";

/** One invocation, for the command that carries it out. */
export interface Call {
  readonly id: string;
  /** Aborted when the gateway takes the invocation back. */
  readonly signal: AbortSignal;
  /** Tell the gateway how far it is. */
  progress(data: Readonly<Record<string, unknown>>): void;
}

export type Parameters = Readonly<Record<string, unknown>>;
export type Command = (parameters: Parameters, call: Call) => unknown;

export interface NodeOptions {
  version: string;
  /** The application, as people know it. */
  displayName: string;
  commands: Readonly<Record<string, Command>>;
}

interface Invocation {
  id: string;
  nodeId: string;
  command: string;
  paramsJSON?: string | null;
}

interface Frame {
  type: string;
  event?: string;
  payload?: unknown;
  id?: string;
  ok?: boolean;
  error?: { code: string; message?: string; details?: { reason?: string } };
}

const PROTOCOL = 3;
const FIRST_PAUSE_MS = 1_000;
/** Of a gateway that is not there, once in so long. */
const LONGEST_PAUSE_MS = 5 * 60_000;
/** A result has room for so many characters unless the gateway says otherwise. */
const ROOM = 8 * 1024 * 1024;
/** Refusals that trying again does not change. */
const FINAL = new Set(["MISSING_SCOPE", "PROTOCOL_MISMATCH", "WRONG_ROLE", "UNAUTHORIZED"]);
const PROTOCOL_ERROR = 1002;
const POLICY = 1008;

export class HandsNode {
  private socket: WebSocket | null = null;
  private requests = 0;
  private failures = 0;
  private refused = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private room = ROOM;
  private readonly running = new Map<string, AbortController>();
  /** Results that the gateway has not taken yet, by the request they went with. */
  private readonly answers = new Map<string, Invocation>();

  constructor(private readonly options: NodeOptions) {}

  /** Connect, and stay connected for as long as the page is there. */
  start(): void {
    for (const type of ["online", "focus", "pageshow"])
      addEventListener(type, () => {
        if (!this.refused) this.wake();
      });
    this.open();
  }

  /** Try at once: the chat has a connection, with what the person may have logged in with meanwhile. */
  wake(): void {
    this.refused = false;
    if (!this.socket) this.open();
  }

  private open(): void {
    clearTimeout(this.timer);
    const url = new URL("ws?role=node", root()); // the query is for people who read the server's log
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url);
    this.socket = socket;
    socket.onmessage = ({ data }) => {
      if (socket === this.socket && typeof data === "string") this.receive(JSON.parse(data) as Frame);
    };
    socket.onclose = ({ code }) => {
      if (socket === this.socket) this.closed(code);
    };
  }

  private closed(code: number): void {
    this.socket = null;
    for (const call of this.running.values()) call.abort(new HandsError("GONE", "the gateway is gone"));
    this.running.clear();
    this.answers.clear();
    if (code === PROTOCOL_ERROR || code === POLICY) this.refused = true;
    if (this.refused) return;
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.failures++);
    this.timer = setTimeout(() => this.open(), pause * (0.5 + Math.random() / 2));
  }

  private receive(frame: Frame): void {
    if (frame.type === "res") this.answered(frame);
    else if (frame.event === "connect.challenge") this.connect();
    else if (frame.event === "node.invoke.request") void this.invoked(frame.payload as Invocation);
    else if (frame.event === "node.invoke.cancel") this.running.get((frame.payload as { id: string }).id)?.abort();
  }

  private connect(): void {
    const { version, displayName, commands } = this.options;
    this.send("connect", {
      minProtocol: PROTOCOL,
      maxProtocol: PROTOCOL,
      role: "node",
      caps: ["notebook"],
      commands: Object.keys(commands),
      client: {
        id: "jupyterlab-hands",
        version,
        platform: "web",
        mode: "node",
        instanceId: instanceId(),
        displayName,
        serverId: PageConfig.getOption("clawdbotServer") || undefined,
      },
    });
  }

  /** Of most answers there is nothing to be done. */
  private answered(frame: Frame): void {
    const hello = frame.payload as { policy?: { maxPayload?: number } } | undefined;
    if (frame.ok && hello?.policy) {
      this.failures = 0;
      this.room = Math.min(ROOM, (hello.policy.maxPayload ?? ROOM) / 2);
    } else if (frame.error && frame.id === "1" && FINAL.has(frame.error.details?.reason ?? frame.error.code))
      this.refused = true;
    const asked = this.answers.get(frame.id ?? "");
    this.answers.delete(frame.id ?? "");
    if (!asked || frame.ok) return;
    // The gateway did not take the result: then it is told that, or it would wait.
    const { code = "FAILED", message = "the result was refused" } = frame.error ?? {};
    this.send("node.invoke.result", { id: asked.id, nodeId: asked.nodeId, ok: false, error: { code, message } });
  }

  private async invoked(asked: Invocation): Promise<void> {
    const { id, nodeId, command } = asked;
    const control = new AbortController();
    this.running.set(id, control);
    const socket = this.socket;
    let result: Record<string, unknown>;
    try {
      const carryOut = this.options.commands[command];
      if (!carryOut) throw new HandsError("NOT_SUPPORTED", `no such command: ${command}`);
      const parameters = JSON.parse(asked.paramsJSON ?? "{}") as Parameters;
      const progress = (data: Readonly<Record<string, unknown>>): void => {
        if (socket === this.socket) this.send("node.event", { event: "node.progress", payload: { id, data } });
      };
      const payload = JSON.stringify((await carryOut(parameters, { id, signal: control.signal, progress })) ?? {});
      if (payload.length > this.room)
        throw new HandsError("TOO_LARGE", "the result is too large", { characters: payload.length });
      result = { ok: true, payloadJSON: payload };
    } catch (error) {
      result = { ok: false, error: wireError(error) };
    }
    this.running.delete(id);
    if (socket !== this.socket) return;
    this.answers.set(this.send("node.invoke.result", { id, nodeId, ...result }), asked);
  }

  /** @returns the request's id */
  private send(method: string, params: unknown): string {
    if (method === "connect") this.requests = 0;
    const id = String(++this.requests);
    if (this.socket?.readyState === WebSocket.OPEN)
      this.socket.send(JSON.stringify({ type: "req", id, method, params }));
    return id;
  }
}

function wireError(error: unknown): Record<string, unknown> {
  if (error instanceof HandsError) return { ...error.facts, code: error.code, message: error.message };
  return { code: "FAILED", message: error instanceof Error ? error.message : String(error) };
}
