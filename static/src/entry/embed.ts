/** The element for other homes (widget, JupyterLab): import, call `define()`, create `<clawdbot-chat mode="panel">`. */
import { unsafeCSS } from "lit";

import { lease } from "../client/shared-client.js";
import { ClawdbotChat } from "../elements/chat/chat.js";
import { clients } from "../elements/chat/create-controller.js";
import guest from "../elements/styles/guest.css?inline";

clients.of = lease;
ClawdbotChat.styles = [...ClawdbotChat.styles, unsafeCSS(guest)]; // before it is defined

export { define } from "./define.js";
export { ClawdbotChat } from "../elements/chat/chat.js";
export type { ChatStatus } from "../elements/chat/announcements.js";
export { DirectTransport } from "../client/transport.js";
export type { Connection, Transport, TransportEvents } from "../client/transport.js";

/** The chat in the output of a cell; a chunk of its own. */
export async function renderWidget(options: Parameters<typeof import("./widget.js").renderWidget>[0]) {
  const { renderWidget: render } = await import("./widget.js");
  return render(options);
}

/** The Python that looks into a kernel: sent to it by JupyterLab's panel, as its environment need not have our package. */
export async function kernelCode(): Promise<string> {
  return (await import("../../../clawdbot_ext/client/describe.py?raw")).default;
}

/** One request to the gateway by JupyterLab's page itself, such as an undo. */
export async function request(...given: Parameters<typeof import("./request.js").request>): Promise<unknown> {
  return (await import("./request.js")).request(...given);
}
