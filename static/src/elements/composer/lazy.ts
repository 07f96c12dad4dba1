/** What the composer needs once it is used, in one chunk that is fetched when the page is idle. */
import en from "../../i18n/composer.en.json";
import ko from "../../i18n/composer.ko.json";
import contextsEn from "../../i18n/contexts.en.json";
import contextsKo from "../../i18n/contexts.ko.json";
import { addTexts } from "../../i18n/index.js";

import { ClawdbotAttachments } from "./attachments.js";
import { ComposerActions } from "./composer-actions.js";
import type { ComposerHost } from "./composer-actions.js";
import { ClawdbotComposerMenu } from "./completion-menu.js";
import { ClawdbotQueue } from "./queue.js";

const ELEMENTS = {
  "clawdbot-attachments": ClawdbotAttachments,
  "clawdbot-composer-menu": ClawdbotComposerMenu,
  "clawdbot-queue": ClawdbotQueue,
};

/** Registers the elements, which wakes those in the page, and makes the actions of a composer. */
export function createComposerActions(composer: ComposerHost): ComposerActions {
  addTexts({ en: { ...en, ...contextsEn }, ko: { ...ko, ...contextsKo } });
  for (const [name, element] of Object.entries(ELEMENTS)) {
    if (!customElements.get(name)) customElements.define(name, element);
  }
  return new ComposerActions(composer);
}
