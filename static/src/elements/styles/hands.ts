/** Styles of questions for permission, differences, changes and modes, for their lazy parts. */
import { unsafeCSS } from "lit";

import approvals from "./hands-approvals.css?inline";
import differences from "./hands-differences.css?inline";
import questions from "./hands-questions.css?inline";
import outcomes from "./hands-outcomes.css?inline";
import modes from "./hands-modes.css?inline";
import grants from "./hands-grants.css?inline";
import { sheet as tools } from "./tools.js";

export const sheet = [tools, unsafeCSS([approvals, differences, questions, outcomes, modes, grants].join("\n"))];
