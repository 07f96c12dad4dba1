/**
 * `<clawdbot-error>`: a reply that failed: what happened, what to do, and the raw facts folded away. Or, while it is tried
 * again, why and when.
 */
import { html, nothing } from "lit";
import type { TemplateResult } from "lit";

import type { Message } from "../../protocol/types.js";
import type { Retry } from "../../state/state.js";
import en from "../../i18n/errors.en.json";
import { addTexts } from "../../i18n/index.js";
import type { TextKey } from "../../i18n/index.js";
import ko from "../../i18n/errors.ko.json";

import type { Ui } from "../base/ui-context.js";
import { secondsUntil } from "../base/format.js";
import { icon } from "../base/icons.js";
import { LightElement } from "../base/light-element.js";
import { sheet } from "../styles/errors.js";

addTexts({ en, ko });

const TITLES: Record<string, TextKey> = {
  auth: "error.auth",
  billing: "error.billing",
  rate_limit: "error.rateLimit",
  overloaded: "error.overloaded",
  connect: "error.connect",
  timeout: "error.timeout",
  too_large: "error.tooLarge",
  not_found: "error.notFound",
  limit: "error.limit",
};

/** What to do about each, in the language of the page; the message has it in the language it was asked in. */
const HINTS: Record<string, TextKey> = {
  auth: "error.hint.auth",
  billing: "error.hint.billing",
  connect: "error.hint.connect",
  cut: "error.hint.cut",
  invalid: "error.hint.invalid",
  not_found: "error.hint.not_found",
  overloaded: "error.hint.overloaded",
  protocol: "error.hint.protocol",
  rate_limit: "error.hint.rate_limit",
  server: "error.hint.server",
  timeout: "error.hint.timeout",
  too_large: "error.hint.too_large",
};

export class ClawdbotError extends LightElement {
  static override sheet = sheet;
  static override properties = {
    message: { attribute: false },
    ui: { attribute: false },
    retryText: { attribute: false },
    retry: { attribute: false },
    now: { attribute: false },
  };

  declare message: Message;
  declare ui: Ui;
  /** What the Retry button sends; without it there is no button. */
  declare retryText: string | undefined;
  /** Instead of a message: it is being tried again. */
  declare retry: Retry | undefined;
  /** Changes with each second of the wait. */
  declare now: number;

  protected override render(): TemplateResult {
    if (this.retry) return this.notice(this.retry);
    return errorCard(this.ui, this.message, this.retryText);
  }

  private notice({ reason, attempt, maxAttempts, at }: Retry): TemplateResult {
    const { t } = this.ui;
    const facts = { why: why(t, reason), attempt, max: maxAttempts, seconds: secondsUntil(at, this.now) };
    return html`<p class="notice">${icon("retry")} ${t("retry.notice", facts)}</p>`;
  }
}

function why(t: Ui["t"], kind: string): string {
  return t(TITLES[kind] ?? "error.generic");
}

/** The hint of a message, unless it is in another language than the page and the page has its own words for it. */
function hintOf({ t, locale }: Ui, { provider, error }: Message): string {
  const stored = error?.hint ?? "";
  const other = /[가-힣]/.test(stored) !== (locale === "ko");
  const kind = error?.kind ?? "";
  const made = provider === "demo" && kind === "auth"; // on request: no key is wrong
  const own = made ? undefined : HINTS[kind];
  return other && own ? t(own, { name: provider ?? "anthropic" }) : stored;
}

function errorCard(ui: Ui, message: Message, retryText: string | undefined): TemplateResult {
  const { t } = ui;
  const fault = message.error;
  const hint = hintOf(ui, message);
  const kind = fault?.kind ?? "";
  const facts = [
    ...(fault?.status ? [`HTTP ${fault.status}`] : []),
    ...(kind ? [kind] : []),
    ...(fault?.requestId ? [fault.requestId] : []),
  ].join(" · ");
  const keyTrouble = kind === "auth" || kind === "billing";
  const detail = message.errorMessage ?? "";
  return html`<div class="card error-card" role="group" aria-label=${t("error.label")}>
    <div class="card-title">${icon("warn")} ${why(t, kind)}</div>
    ${hint ? html`<p>${withCode(hint)}</p>` : nothing}
    ${
      detail || facts
        ? html`<details>
            <summary>${t("error.details")}</summary>
            <pre tabindex="0">${[detail, facts].filter(Boolean).join("\n")}</pre>
          </details>`
        : nothing
    }
    ${
      retryText === undefined && !keyTrouble
        ? nothing
        : html`<div class="card-actions">
            ${
              retryText === undefined
                ? nothing
                : html`<button type="button" class="button" @click=${() => ui.controller.send(retryText)}>
                    ${icon("retry")} ${t("action.retry")}
                  </button>`
            }
            ${
              keyTrouble
                ? html`<button type="button" class="button" @click=${() => ui.openSettings()}>
                    ${icon("key")} ${t("setup.change")}
                  </button>`
                : nothing
            }
          </div>`
    }
  </div>`;
}

/** A sentence of the gateway's: what stands between backticks is a command or a setting. */
function withCode(text: string): (string | TemplateResult)[] {
  return text.split("`").map((part, place) => (place % 2 ? html`<code>${part}</code>` : part));
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-error": ClawdbotError;
  }
}
