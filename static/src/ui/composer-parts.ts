/** What the composer needs once it is used, in one chunk that is fetched when the page is idle. */
import en from "../i18n/composer.en.json";
import ko from "../i18n/composer.ko.json";
import contextsEn from "../i18n/contexts.en.json";
import contextsKo from "../i18n/contexts.ko.json";
import { addTexts } from "../i18n/index.js";

import { ClawdbotAttachments } from "./attachments.js";
import { Desk } from "./composer-desk.js";
import { ClawdbotComposerMenu } from "./composer-menu.js";
import type { ClawdbotComposer } from "./composer.js";
import { ClawdbotQueue } from "./queue.js";

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

/** Registers the elements, which wakes those in the page, and sets up the desk of a composer. */
export function deskFor(composer: ClawdbotComposer): Desk {
  addTexts({ en: { ...en, ...contextsEn }, ko: { ...ko, ...contextsKo } });
  for (const [name, element] of Object.entries(ELEMENTS)) {
    if (!customElements.get(name)) customElements.define(name, element);
  }
  return new Desk(composer);
}
