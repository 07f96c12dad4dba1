/**
 * What the composer needs once it is used, in one chunk fetched when the page is idle: the menu, attachments, the queue,
 * pasting, dropping, earlier inputs, dictation.
 */
import en from "../i18n/composer.en.json";
import ko from "../i18n/composer.ko.json";
import { addTexts } from "../i18n/index.js";

import { ClawdbotAttachments } from "./attachments.js";
import { ClawdbotComposerMenu } from "./composer-menu.js";
import { ClawdbotQueue } from "./queue.js";

export { attachedOf } from "../core/attachments.js";
export { pastedFrom } from "../core/paste.js";
export { Recall } from "../core/recall.js";
export { Uploads } from "../core/uploads.js";
export { problemText } from "./attachments.js";
export { watchDrops } from "./drop.js";
export { aboveKeyboard } from "./keyboard.js";
export { mediaStore } from "./media-store.js";
export { dictation } from "./voice.js";

const ELEMENTS = {
  "clawdbot-attachments": ClawdbotAttachments,
  "clawdbot-composer-menu": ClawdbotComposerMenu,
  "clawdbot-queue": ClawdbotQueue,
};

type Elements = { [Name in keyof typeof ELEMENTS]: InstanceType<(typeof ELEMENTS)[Name]> };

declare global {
  // What `createElement` and `querySelector` give for these names.
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type
  interface HTMLElementTagNameMap extends Elements {}
}

/** Registers the elements; safe to call again. A function, since a bundler drops what a module does by itself. */
export function wakeParts(): void {
  addTexts({ en, ko });
  for (const [name, element] of Object.entries(ELEMENTS)) {
    if (!customElements.get(name)) customElements.define(name, element);
  }
}
