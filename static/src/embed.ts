/** The element for other homes (widget, JupyterLab): import, call `define()`, create `<clawdbot-chat mode="panel">`. */
import { unsafeCSS } from "lit";

import { lease } from "./core/shared.js";
import { ClawdbotChat } from "./ui/chat.js";
import { clients } from "./ui/connect.js";
import guest from "./ui/styles/guest.css?inline";

clients.of = lease;
ClawdbotChat.styles = [...ClawdbotChat.styles, unsafeCSS(guest)]; // before it is defined

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

/** The Python that looks into a kernel: sent to it by JupyterLab's panel, as its environment need not have our package. */
export async function kernelCode(): Promise<string> {
  return (await import("../../clawdbot_ext/describe.py?raw")).default;
}
