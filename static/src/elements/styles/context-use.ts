/** Styles of the ring of the context, for its lazy part. */
import { unsafeCSS } from "lit";

import text from "./context-use.css?inline";

export const sheet = unsafeCSS(text);
