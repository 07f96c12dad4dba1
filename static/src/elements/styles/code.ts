/** Colours of code, for its lazy part. */
import { unsafeCSS } from "lit";

import text from "./code.css?inline";

export const sheet = unsafeCSS(text);
