/** The element for other homes (widget, JupyterLab): import, call `define()`, create `<clawdbot-chat mode="panel">`. */
import { lease } from "./core/shared.js";
import { clients } from "./ui/connect.js";

clients.of = lease;

export { define } from "./define.js";
export { ClawdbotChat } from "./ui/chat.js";
export type { ChatStatus } from "./ui/chat-news.js";
export { DirectTransport } from "./core/transport.js";
export type { Connection, Transport, TransportEvents } from "./core/transport.js";

/** The chat in the output of a cell; a chunk of its own. */
export async function renderWidget(options: Parameters<typeof import("./widget/render.js").renderWidget>[0]) {
  const { renderWidget: render } = await import("./widget/render.js");
  return render(options);
}
