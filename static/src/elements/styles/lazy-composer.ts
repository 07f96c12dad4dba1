/** Styles of the composer's lazy parts: menu, attachments, queue, prompt library, editor for long drafts. */
import { unsafeCSS } from "lit";

import { dialogs } from "./dialogs.js";
import text from "./composer-parts.css?inline";

export const composerParts = [dialogs, unsafeCSS(text)];
