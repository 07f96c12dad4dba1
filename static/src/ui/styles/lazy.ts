/** Styles that come with lazy parts. */
import { unsafeCSS } from "lit";

import text from "./forms.css?inline";

/** Login, settings, setup and the dialogs of sessions. */
export const forms = unsafeCSS(text);
