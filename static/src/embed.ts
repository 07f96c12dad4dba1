/** The element for other homes (widget, JupyterLab): import, call `define()`, create `<clawdbot-chat mode="panel">`. */
export { define } from "./define.js";
export { ClawdbotChat } from "./ui/chat.js";
export type { ChatStatus } from "./ui/chat-news.js";
export { DirectTransport } from "./core/transport.js";
export type { Connection, Transport, TransportEvents } from "./core/transport.js";
