/** What stands above a chat that is not connected: why, until when, and what one can do. */
import { html, nothing } from "lit";
import type { TemplateResult } from "lit";

import type { Cause, ConnectionState } from "../../client/gateway-client.js";
import type { TextKey } from "../../i18n/index.js";

import type { Ui } from "../base/ui-context.js";
import { secondsUntil } from "../base/format.js";
import { icon } from "../base/icons.js";

const CAUSES: Record<Cause, TextKey> = {
  offline: "banner.offline",
  down: "banner.down",
  restarting: "banner.restarting",
  limited: "banner.limited",
};

export function banner(ui: Ui, connection: ConnectionState, now: number): TemplateResult | typeof nothing {
  const { t, controller } = ui;
  if (connection.status === "protocol-too-old") {
    return html`<div class="banner" role="status">
      ${icon("warn")}<span>${t("banner.protocol")}</span>
      <button type="button" class="button" @click=${() => location.reload()}>${t("banner.reload")}</button>
    </div>`;
  }
  if (connection.status === "open" && connection.quietSince !== undefined) {
    const seconds = Math.floor((now - connection.quietSince) / 1_000);
    return html`<div class="banner" role="status">
      <span class="spinner"></span><span>${t("banner.quiet")}</span>
      <span class="countdown" aria-hidden="true">${t("banner.quietFor", { seconds })}</span>
      <button type="button" class="button" @click=${() => controller.client.reopen()}>${t("banner.reconnect")}</button>
    </div>`;
  }
  if (connection.status === "connecting" && connection.attempt > 0) {
    // The same words as before and after the attempt: what stands here does not flicker with each.
    return html`<div class="banner" role="status">
      <span class="spinner"></span><span>${t(CAUSES[connection.cause ?? "down"])}</span>
      <span class="countdown" aria-hidden="true">${t("banner.connecting")}</span>
    </div>`;
  }
  if (connection.status !== "waiting") return nothing;
  const seconds = secondsUntil(connection.retryAt, now);
  return html`<div class="banner" role="status">
    ${icon("warn")}<span>${t(CAUSES[connection.cause])}</span>
    <span class="countdown" aria-hidden="true">${t("banner.retryIn", { seconds })}</span>
    <button type="button" class="button" @click=${() => controller.client.wake()}>${t("banner.retryNow")}</button>
  </div>`;
}
