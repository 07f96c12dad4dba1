/** Styles of the composer's lazy parts: menu, attachments, queue, prompt library, editor for long drafts. And those of paper. */
import { unsafeCSS } from "lit";

import { dialogs } from "./dialogs.js";
import text from "./composer-parts.css?inline";
import print from "./print.css?inline";

export const composerParts = [dialogs, unsafeCSS(text + print)];
