/** Styles of dialogs, for the lazy parts that are one; theirs come behind. */
import { unsafeCSS } from "lit";

import text from "./dialogs.css?inline";

export const dialogs = unsafeCSS(text);
