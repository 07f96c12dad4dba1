/** Keys of the standalone page, wherever the focus is. In another home these keys are not ours. */
import { isComposingKey } from "../../input/ime.js";
import { currentView } from "../../state/state.js";

import type { Ui } from "../base/ui-context.js";

/** Is this key text for a field? */
function isTyping(event: KeyboardEvent): boolean {
  const target = event.composedPath()[0];
  return target instanceof HTMLElement && target.matches("input, textarea, select, [contenteditable]");
}

export function pageKeys(ui: Ui, event: KeyboardEvent): void {
  if (event.defaultPrevented || isComposingKey(event)) return;
  const command = event.ctrlKey || event.metaKey;
  if (command && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
    event.preventDefault();
    void ui.part("clawdbot-palette").then((palette) => palette?.open());
  } else if (command && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "p") {
    event.preventDefault();
    const root = document.querySelector("clawdbot-chat")?.shadowRoot;
    void ui.attempt(import("../transcript/print.js").then(({ printAll }) => root && printAll(ui, root)));
  } else if (event.key === "Escape" && event.composedPath()[0] === document.body) {
    // Whatever had the focus is gone; Esc stops the reply as it does in the chat.
    const view = currentView(ui.controller.state);
    if (view.live) void ui.attempt(ui.controller.abort());
  } else if (event.key === "?" && !command && !isTyping(event)) {
    event.preventDefault();
    void ui.part("clawdbot-shortcuts").then((sheet) => sheet?.open());
  }
}
