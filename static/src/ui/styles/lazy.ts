/** Styles that come with lazy parts. */
import { unsafeCSS } from "lit";

import formsText from "./forms.css?inline";
import menusText from "./menus.css?inline";
import segmentsText from "./segments.css?inline";

/** Login, settings, setup and the dialogs of sessions. */
export const forms = unsafeCSS(segmentsText + formsText);
/** Menus and the palette. */
export const menus = unsafeCSS(segmentsText + menusText);
