/** An empty session: a greeting, how to get a real model if there is none, and a few ways to begin. */
import { html, nothing } from "lit";
import type { TemplateResult } from "lit";

import { isTemporary } from "../../state/state.js";
import type { State } from "../../state/state.js";
import type { TextKey } from "../../i18n/index.js";
import { loadElement } from "../base/lazy.js";

import type { Ui } from "../base/ui-context.js";
import { icon, logo } from "../base/icons.js";

type Starter = Readonly<{ title: TextKey; prompt: TextKey }>;

const STARTERS: readonly Starter[] = [
  { title: "starter.explain.title", prompt: "starter.explain" },
  { title: "starter.pandas.title", prompt: "starter.pandas" },
  { title: "starter.math.title", prompt: "starter.math" },
  { title: "starter.review.title", prompt: "starter.review" },
];
/** What the demo has answers to. */
const DEMO_STARTERS: readonly Starter[] = [
  { title: "demo.hello.title", prompt: "demo.hello" },
  { title: "demo.table.title", prompt: "demo.table" },
  { title: "demo.math.title", prompt: "demo.math" },
  { title: "demo.markdown.title", prompt: "demo.markdown" },
];

export function greeting(ui: Ui, state: State, begin: (prompt: string) => void): TemplateResult {
  const { t } = ui;
  const setup = state.hello?.snapshot?.setup;
  const asksKey = setup?.needsKey && ui.controller.can("models.setKey");
  if (asksKey) void loadElement("clawdbot-setup");
  const temporary = isTemporary(state.current);
  return html`<div class="greeting">
    ${temporary ? icon("ghost") : logo()}
    <h2>${t(temporary ? "temporary.title" : "greeting.title")}</h2>
    <p>${t(temporary ? "temporary.what" : "greeting.lead")}</p>
    ${asksKey ? html`<clawdbot-setup .ui=${ui} .setup=${setup}></clawdbot-setup>` : nothing}
    <ul class="starters">
      ${(setup?.provider === "demo" ? DEMO_STARTERS : STARTERS).map(
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
