/** Styles of footnotes, for their lazy part. */
import { unsafeCSS } from "lit";

import text from "./notes.css?inline";

export const sheet = unsafeCSS(text);
