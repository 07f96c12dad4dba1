/**
 * One connection for all chats of a page that talk to the same gateway with the same credential: two widgets and a panel
 * are one client to it. Each chat holds a `Lease`, which behaves as a client of its own would.
 */
import { ConnectionLost, GatewayClient } from "./gateway-client.js";
import type { Client, ClientOptions, ConnectionState } from "./gateway-client.js";
import type { Hello, MethodName, ParamsOf, ResultOf } from "../protocol/types.js";

/** A chat that is moved to another place in the document leaves and comes back: the connection waits so long for it. */
export const LINGER_MS = 1_000;

type Locale = ClientOptions["locale"];

/** The connection, and who holds it. */
class Shared {
  private readonly leases = new Set<Lease>();
  private leaving: ReturnType<typeof setTimeout> | undefined;
  readonly client: GatewayClient;

  constructor(
    options: ClientOptions,
    private readonly over: () => void,
  ) {
    // The language for texts of the gateway is that of the chat that asked for a handshake last.
    this.client = new GatewayClient({
      ...options,
      locale: () => [...this.leases].at(-1)?.locale() ?? options.locale(),
    });
    this.client.onState = (state) => this.each((lease) => lease.heardState(state));
    this.client.onHello = (hello) => this.each((lease) => lease.heardHello(hello));
    this.client.onEvent = (name, payload) => this.each((lease) => lease.heardEvent(name, payload));
    this.client.onGap = () => this.each((lease) => lease.heardGap());
  }

  /** Also to be the newest again. */
  join(lease: Lease): void {
    clearTimeout(this.leaving);
    this.leases.delete(lease);
    this.leases.add(lease);
  }

  leave(lease: Lease): void {
    if (!this.leases.delete(lease) || this.leases.size > 0) return;
    this.leaving = setTimeout(() => {
      this.client.stop();
      this.over();
    }, LINGER_MS);
  }

  private each(tell: (lease: Lease) => void): void {
    for (const lease of [...this.leases]) tell(lease);
  }
}

/** What one chat has of a connection. Nothing is heard before `start`, but that another chat has connected. */
export class Lease implements Client {
  state: ConnectionState = { status: "idle" };
  hello: Hello | null = null;
  onState: Client["onState"] = () => undefined;
  onHello: Client["onHello"] = () => undefined;
  onEvent: Client["onEvent"] = () => undefined;
  onGap: Client["onGap"] = () => undefined;
  /** Rises when the lease is given up: what was asked before is not answered after. */
  private age = 0;

  private shared: Shared;

  constructor(
    private readonly find: () => Shared,
    readonly locale: Locale,
  ) {
    this.shared = this.join();
  }

  start(): void {
    this.join();
    const { client } = this.shared;
    client.start();
    if (this.state === client.state) return;
    this.heardState(client.state); // it was there, or on its way, before this one came
    if (client.state.status === "open" && client.hello) this.heardHello(client.hello);
  }

  stop(): void {
    this.age++;
    this.shared.leave(this);
    this.heardState({ status: "idle" });
  }

  wake(): void {
    this.shared.client.wake();
  }

  networkLost(): void {
    this.shared.client.networkLost();
  }

  reopen(): void {
    this.join().client.reopen();
  }

  async request<M extends MethodName>(method: M, params: ParamsOf<M>): Promise<ResultOf<M>> {
    const { age } = this;
    if (this.state.status !== "open") throw new ConnectionLost();
    const [answer] = await Promise.allSettled([this.shared.client.request(method, params)]);
    if (this.age !== age) throw new ConnectionLost();
    if (answer.status === "rejected") throw answer.reason;
    return answer.value;
  }

  /** The connection, which is another one if this was the last to leave and comes back later. */
  private join(): Shared {
    this.shared = this.find();
    this.shared.join(this);
    return this.shared;
  }

  heardState(state: ConnectionState): void {
    this.state = state;
    this.onState(state);
  }

  heardHello(hello: Hello): void {
    this.hello = hello;
    this.onHello(hello);
  }

  heardEvent(name: string, payload: unknown): void {
    if (this.state.status === "open") this.onEvent(name, payload);
  }

  heardGap(): void {
    if (this.state.status === "open") this.onGap();
  }
}

const connections = new Map<unknown, Shared>();

/** @param key what tells gateways and credentials apart: an address (the cookie is the page's), or a transport */
export function lease(key: unknown, options: ClientOptions): Lease {
  const find = (): Shared => {
    const known = connections.get(key);
    const shared = known ?? new Shared(options, () => connections.delete(key));
    if (!known) connections.set(key, shared);
    return shared;
  };
  return new Lease(find, options.locale);
}
