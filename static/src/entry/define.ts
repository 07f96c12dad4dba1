/** Registers the elements of the first view, and where the others come from. Apart from the classes, so that importing a class has no effect on the page. */
import { ClawdbotChat } from "../elements/chat/chat.js";
import { ClawdbotComposer } from "../elements/composer/composer.js";
import { MarkdownView } from "../elements/content/markdown-view.js";
import { ClawdbotMessage } from "../elements/transcript/message.js";
import { ClawdbotSidebar } from "../elements/sessions/sidebar.js";
import { ClawdbotTranscript } from "../elements/transcript/transcript.js";

import { registerLazyElements } from "../elements/base/lazy.js";
import { LAZY_ELEMENTS } from "./lazy-registry.js";

const ELEMENTS = {
  "clawdbot-markdown": MarkdownView,
  "clawdbot-message": ClawdbotMessage,
  "clawdbot-transcript": ClawdbotTranscript,
  "clawdbot-composer": ClawdbotComposer,
  "clawdbot-sidebar": ClawdbotSidebar,
  "clawdbot-chat": ClawdbotChat,
};

/** Safe to call again, also from a second copy of this module: the first definition stays. */
export function define(): void {
  registerLazyElements(LAZY_ELEMENTS);
  for (const [name, element] of Object.entries(ELEMENTS)) {
    if (!customElements.get(name)) customElements.define(name, element);
  }
}

// The two largest elements; all others declare their own tag.
declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-chat": ClawdbotChat;
    "clawdbot-composer": ClawdbotComposer;
  }
}
