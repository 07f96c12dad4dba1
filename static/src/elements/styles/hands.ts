/** Styles of questions for permission, differences, changes and modes, for their lazy parts. */
import { unsafeCSS } from "lit";

import text from "./hands.css?inline";
import { sheet as tools } from "./tools.js";

export const sheet = [tools, unsafeCSS(text)];
