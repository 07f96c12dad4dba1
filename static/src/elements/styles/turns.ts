/** Styles of the menu and the buttons on turns, for their lazy part. */
import { unsafeCSS } from "lit";

import menus from "./menus.css?inline";
import text from "./turns.css?inline";

export const sheet = unsafeCSS(menus + text);
