/** Styles of the composer's lazy parts: menu, attachments, queue, prompt library, editor for long drafts. */
import { unsafeCSS } from "lit";

import text from "./composer-parts.css?inline";

export const composerParts = unsafeCSS(text);
