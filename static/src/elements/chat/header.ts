/** The line above the transcript: which session, which model, how full its window is, and whether we are connected. */
import { html, nothing, svg } from "lit";
import type { TemplateResult } from "lit";

import type { SessionEntry } from "../../protocol/types.js";
import { entryOf, isTemporary } from "../../state/state.js";
import type { State } from "../../state/state.js";

import type { Ui } from "../base/ui-context.js";
import { loadElement } from "../base/lazy.js";
import { count } from "../base/format.js";
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
      state.hello?.snapshot?.setup?.needsKey && ui.controller.can("models.setKey")
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

/** A ring that fills as the conversation takes up the model's window. */
function contextUse(ui: Ui, entry: SessionEntry | undefined): TemplateResult | typeof nothing {
  const { t, locale } = ui;
  const size = entry?.contextTokens ?? 0;
  const used = (entry?.inputTokens ?? 0) + (entry?.outputTokens ?? 0);
  if (size <= 0 || used <= 0) return nothing;
  const share = Math.min(1, used / size);
  const percent = share > 0 && share < 0.01 ? "<1" : String(Math.round(share * 100));
  const label = t("context.use", { percent, used: count(used, locale), size: count(size, locale) });
  const around = 2 * Math.PI * 8;
  return html`<span
    class="context"
    role="img"
    aria-label=${label}
    title=${label}
    data-full=${share > 0.8 ? "true" : "false"}
  >
    ${svg`<svg viewBox="0 0 20 20" aria-hidden="true"><circle cx="10" cy="10" r="8"></circle><circle class="used" cx="10" cy="10" r="8" stroke-dasharray="${Math.max(share, 0.02) * around} ${around}"></circle></svg>`}
    <span aria-hidden="true">${percent}%</span>
  </span>`;
}
