/** An empty session: a greeting, how to get a real model if there is none, and a few ways to begin. */
import { html, nothing } from "lit";
import type { TemplateResult } from "lit";

import type { Hello } from "../core/protocol.js";
import type { TextKey } from "../i18n/index.js";
import { need } from "../parts.js";

import type { Ui } from "./context.js";
import { logo } from "./icons.js";

const STARTERS: readonly { title: TextKey; prompt: TextKey }[] = [
  { title: "starter.explain.title", prompt: "starter.explain" },
  { title: "starter.pandas.title", prompt: "starter.pandas" },
  { title: "starter.math.title", prompt: "starter.math" },
  { title: "starter.review.title", prompt: "starter.review" },
];

export function greeting(ui: Ui, hello: Hello | null, begin: (prompt: string) => void): TemplateResult {
  const { t } = ui;
  const setup = hello?.snapshot?.setup;
  if (setup?.needsKey) void need("clawdbot-setup");
  return html`<div class="greeting">
    ${logo()}
    <h2>${t("greeting.title")}</h2>
    <p>${t("greeting.lead")}</p>
    ${setup?.needsKey ? html`<clawdbot-setup .ui=${ui} .setup=${setup}></clawdbot-setup>` : nothing}
    <ul class="starters">
      ${STARTERS.map(
        ({ title, prompt }) =>
          html`<li>
            <button type="button" @click=${() => begin(t(prompt))}>
              <strong>${t(title)}</strong><span>${t(prompt)}</span>
            </button>
          </li>`,
      )}
    </ul>
  </div>`;
}
