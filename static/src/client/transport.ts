/** How frames travel. The client above knows only this interface; a kernel comm or a relay can stand in for the socket. */

import { xsrfToken } from "./xsrf.js";

export interface TransportEvents {
  /** The other side is there; frames may be sent. */
  open(): void;
  frame(text: string): void;
  /** The connection is over, for whatever reason. Called once, also when it never opened. */
  closed(code: number, reason: string): void;
}

/** Neither may throw: a connection that is over is reported by `closed`. */
export interface Connection {
  send(text: string): void;
  close(code?: number, reason?: string): void;
}

export interface Transport {
  /** Begin to connect. Must not throw: a failure is reported by `closed`. */
  connect(events: TransportEvents): Connection;
}

/** A WebSocket to the gateway itself. `base` is the page's folder, e.g. `http://127.0.0.1:18789/`. */
export class DirectTransport implements Transport {
  constructor(private readonly base: string) {}

  connect(events: TransportEvents): Connection {
    const url = new URL("ws", this.base);
    const token = xsrfToken(url);
    if (token) url.search = `_xsrf=${token}`;
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url);
    socket.onopen = () => events.open();
    socket.onmessage = (event: MessageEvent) => {
      if (typeof event.data === "string") events.frame(event.data);
    };
    socket.onclose = (event) => events.closed(event.code, event.reason);
    return {
      send: (text) => {
        // Else it is closing: `closed` follows, and what waits for an answer is told then.
        if (socket.readyState === WebSocket.OPEN) socket.send(text);
      },
      close: (code = 1000, reason = "") => socket.close(code, reason),
    };
  }
}
