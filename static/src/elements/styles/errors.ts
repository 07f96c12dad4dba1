/** Styles of a reply that failed, for its lazy part. */
import { unsafeCSS } from "lit";

import text from "./errors.css?inline";

export const sheet = unsafeCSS(text);
