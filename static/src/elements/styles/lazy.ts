/** Styles that come with lazy parts. */
import { unsafeCSS } from "lit";

import { dialogs } from "./dialogs.js";
import formsText from "./forms.css?inline";
import menusText from "./menus.css?inline";
import segmentsText from "./segments.css?inline";

/** Login, settings, setup and the dialogs of sessions. */
export const forms = [dialogs, unsafeCSS(segmentsText + formsText)];
/** Menus and the palette. */
export const menus = [dialogs, unsafeCSS(segmentsText + menusText)];
