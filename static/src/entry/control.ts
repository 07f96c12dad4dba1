/** The Control UI on the page at the gateway's root. */
import type { ClawdbotChat } from "../elements/chat/chat.js";
import { ClawdbotControl } from "../elements/control/shell.js";

/** Put it around the chat. `titled` is told the name of the tab on show; empty: the chat. */
export function install(chat: ClawdbotChat, titled: (title: string) => void): void {
  if (!customElements.get("clawdbot-control")) customElements.define("clawdbot-control", ClawdbotControl);
  const control = document.createElement("clawdbot-control");
  control.chat = chat;
  control.addEventListener("clawdbot-tab", (event) => titled((event as CustomEvent<{ title: string }>).detail.title));
  chat.before(control);
}
