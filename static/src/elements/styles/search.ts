/** Styles of what a search has found, for its lazy part. */
import { unsafeCSS } from "lit";

import text from "./search.css?inline";

export const sheet = unsafeCSS(text);
