/** Styles of attachments and their large view, for their lazy parts. */
import { unsafeCSS } from "lit";

import text from "./media.css?inline";

export const sheet = unsafeCSS(text);
