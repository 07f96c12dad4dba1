/** Styles of tool cards and approvals, for their lazy parts. */
import { unsafeCSS } from "lit";

import text from "./tools.css?inline";

export const sheet = unsafeCSS(text);
