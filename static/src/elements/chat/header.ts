/** The line above the transcript: which session, which model, how full its window is, and whether we are connected. */
import { html, nothing } from "lit";
import type { TemplateResult } from "lit";

import type { SessionEntry } from "../../protocol/types.js";
import { currentView, entryOf, isBlank, isTemporary } from "../../state/state.js";
import type { State } from "../../state/state.js";

import type { Ui } from "../base/ui-context.js";
import { loadElement } from "../base/lazy.js";
import { icon } from "../base/icons.js";
import { titleOf } from "../sessions/title.js";

export interface HeaderActions {
  openDrawer: () => void;
  startNew: () => void;
}

export function header(ui: Ui, state: State, actions: HeaderActions): TemplateResult {
  const { t } = ui;
  const entry = entryOf(state, state.current);
  const open = state.connection.status === "open";
  const title = titleOf(entry, state.current, state.mainKey, t);
  return html`<header class="header">
    <button
      type="button"
      class="icon-button only-narrow"
      id="open-drawer"
      aria-label=${t("sessions.open")}
      title=${t("sessions.open")}
      aria-controls="sidebar"
      @click=${actions.openDrawer}
    >
      ${icon("menu")}
    </button>
    <div class="header-title">
      <h1 title=${title}>${title}</h1>
      ${
        isTemporary(state.current)
          ? html`<span class="badge" title=${t("temporary.what")}>${icon("ghost")} ${t("temporary.badge")}</span>`
          : nothing
      }
    </div>
    ${
      // The greeting asks for a key itself.
      !isBlank(currentView(state)) && state.hello?.snapshot?.setup?.needsKey && ui.controller.can("models.setKey")
        ? html`<button type="button" class="button connect-claude" @click=${() => ui.openSettings("setup")}>
            ${icon("key")} <span>${t("setup.title")}</span>
          </button>`
        : nothing
    }
    ${modelButton(ui, entry, state.current)} ${hands(ui, state)} ${contextUse(ui, entry)}
    <span
      class="connection"
      data-open=${open ? "true" : "false"}
      title=${open ? t("connection.open") : t("connection.closed")}
    >
      <i aria-hidden="true"></i
      ><span class=${open ? "sr" : ""}>${open ? t("connection.open") : t("connection.closed")}</span>
    </span>
    <button
      type="button"
      class="icon-button only-narrow"
      aria-label=${t("sessions.new")}
      title=${t("sessions.new")}
      @click=${actions.startNew}
    >
      ${icon("compose")}
    </button>
  </header>`;
}

/** What the assistant may do in notebooks without a question. */
function hands(ui: Ui, { current, sessions }: State): TemplateResult | typeof nothing {
  if (!ui.controller.can("hands.changes.list")) return nothing;
  void loadElement("clawdbot-hands-mode");
  return html`<clawdbot-hands-mode .ui=${ui} .key=${current} .sessions=${sessions}></clawdbot-hands-mode>`;
}

/** Which model answers and how much it thinks; opens the choice of both. */
function modelButton(ui: Ui, entry: SessionEntry | undefined, key: string): TemplateResult | typeof nothing {
  const { t } = ui;
  const model = nameOf(ui, entry);
  const level = entry?.thinkingLevel ?? "off";
  return html`<button
    type="button"
    class="model"
    aria-haspopup="dialog"
    aria-label=${t("model.choose", { model })}
    @click=${(event: Event) => {
      const button = event.currentTarget as HTMLElement;
      void ui.part("clawdbot-model-menu").then((menu) => menu?.open(key, button));
    }}
  >
    <span class="model-name">${model}</span>
    ${level === "off" ? nothing : html`<span class="level">${icon("bulb")}</span>`} ${icon("chevron")}
  </button>`;
}

/** The model of a session, by its name for people. */
function nameOf({ t, controller }: Ui, entry: SessionEntry | undefined): string {
  const provider = entry?.modelProvider ?? controller.state.hello?.snapshot?.setup?.provider;
  return provider === "demo" ? t("usage.demo") : (entry?.modelName ?? entry?.model ?? t("model.automatic"));
}

/** How much of the model's window the conversation takes up, once it does. */
function contextUse(ui: Ui, entry: SessionEntry | undefined): TemplateResult | typeof nothing {
  const size = entry?.contextTokens ?? 0;
  const used = (entry?.inputTokens ?? 0) + (entry?.outputTokens ?? 0);
  if (size <= 0 || used <= 0) return nothing;
  void loadElement("clawdbot-context-use");
  return html`<clawdbot-context-use .ui=${ui} .size=${size} .used=${used}></clawdbot-context-use>`;
}
