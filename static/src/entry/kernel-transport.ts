/** Frames through the kernel: for pages that cannot reach the gateway. `clawdbot_ext/notebook/comm_bridge.py` is the other end. */
import type { Connection, Transport, TransportEvents } from "../client/transport.js";

/** An anywidget model, as far as it is used. */
export interface Model {
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  save_changes(): void;
  send(content: object): void;
  // Each event has listeners of its own shape.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  on(name: string, listener: (...args: any[]) => void): void;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  off(name: string, listener: (...args: any[]) => void): void;
}

interface Heard {
  kind: string;
  id?: number;
  text?: string;
  code?: number;
  reason?: string;
}

/** What the kernel says goes to every page that shows the widget, so no two may have the same numbers. */
const drawn = (): number => crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;

export class KernelTransport implements Transport {
  constructor(private readonly model: Model) {}

  connect(events: TransportEvents): Connection {
    const { model } = this;
    const id = drawn();
    const end = (code: number, reason: string): void => {
      if (over) return;
      over = true;
      model.off("msg:custom", heard);
      events.closed(code, reason);
    };
    const heard = (message: Heard): void => {
      if (message.id !== id) return;
      if (message.kind === "opened") events.open();
      else if (message.kind === "frame") events.frame(message.text ?? "");
      else if (message.kind === "closed") end(message.code ?? 1006, message.reason ?? "");
    };
    let over = false;
    /** A comm that is closed, as after the kernel's end, throws. */
    const tell = (content: object): void => {
      try {
        model.send({ id, ...content });
      } catch {
        queueMicrotask(() => end(1006, ""));
      }
    };
    model.on("msg:custom", heard);
    tell({ kind: "open" });
    return {
      send: (text) => tell({ kind: "frame", text }),
      close: (code = 1000, reason = "") => {
        tell({ kind: "close" });
        end(code, reason);
      },
    };
  }
}
