/** All styles of the chat, for its one shadow root. */
import { unsafeCSS } from "lit";

import base from "./base.css?inline";
import composer from "./composer.css?inline";
import header from "./header.css?inline";
import markdown from "./markdown.css?inline";
import sidebar from "./sidebar.css?inline";
import tokens from "./tokens.css?inline";
import transcript from "./transcript.css?inline";

export const styles = [tokens, base, sidebar, header, transcript, markdown, composer].map((text) => unsafeCSS(text));
