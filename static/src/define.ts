/** Registers the elements that a first look needs; the others are in `parts.ts`. Apart from the classes, so that importing a class has no effect on the page. */
import { ClawdbotChat } from "./ui/chat.js";
import { ClawdbotComposer } from "./ui/composer.js";
import { MarkdownView } from "./ui/markdown-view.js";
import { ClawdbotMessage } from "./ui/message.js";
import { ClawdbotSidebar } from "./ui/sidebar.js";
import { ClawdbotTranscript } from "./ui/transcript.js";

const ELEMENTS = {
  "clawdbot-markdown": MarkdownView,
  "clawdbot-message": ClawdbotMessage,
  "clawdbot-transcript": ClawdbotTranscript,
  "clawdbot-composer": ClawdbotComposer,
  "clawdbot-sidebar": ClawdbotSidebar,
  "clawdbot-chat": ClawdbotChat,
};

type Elements = { [Name in keyof typeof ELEMENTS]: InstanceType<(typeof ELEMENTS)[Name]> };

declare global {
  // What `createElement` and `querySelector` give for these names.
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type
  interface HTMLElementTagNameMap extends Elements {}
}

/** Safe to call again, also from a second copy of this module: the first definition stays. */
export function define(): void {
  for (const [name, element] of Object.entries(ELEMENTS)) {
    if (!customElements.get(name)) customElements.define(name, element);
  }
}
