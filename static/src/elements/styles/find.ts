/** Styles of the find bar, for its lazy part. */
import { unsafeCSS } from "lit";

import text from "./find.css?inline";

export const sheet = unsafeCSS(text);
