/** Styles of the menu and the buttons on turns, for their lazy part. */
import { unsafeCSS } from "lit";

import text from "./turns.css?inline";

export const sheet = unsafeCSS(text);
