/** What the test of a provider came to, in words; and what can be wrong with one before it is asked. */
import { html } from "lit";
import type { TemplateResult } from "lit";

import type { Locale, TextKey, Translate } from "../../i18n/index.js";
import type { ModelsTestResult } from "../../protocol/generated.js";
import { elapsed } from "../base/amounts.js";
import { icon } from "../base/icons.js";

/** The result, and the model that was asked; empty: the provider was asked for its models. */
export type Tested = ModelsTestResult & { model: string };

const LONGEST = 200;

export function outcome(tested: Tested, t: Translate, locale: Locale): TemplateResult {
  const { ok, model, reply, usage, models, error } = tested;
  if (!ok) return html`<p class="fault">${icon("warn")} ${wordsOf(error ?? {})}</p>`;
  const time = elapsed(tested.ms ?? 0, locale);
  if (reply === undefined)
    return html`<p class="models-ok">${icon("check")} ${t("modelsTab.listed", { count: models ?? 0, time })}</p>`;
  const tokens = Number(usage?.input ?? 0) + Number(usage?.output ?? 0);
  return html`<p class="models-ok">${icon("check")} ${t("modelsTab.answered", { model, time, tokens })}</p>
    <blockquote>${reply === "" ? t("modelsTab.emptyReply") : shortened(reply)}</blockquote>`;
}

/** Why a provider failed, and what helps. */
export function wordsOf({ message, hint }: Readonly<Record<string, unknown>>): string {
  return [message, hint].filter((each) => typeof each === "string" && each !== "").join(" ");
}

function shortened(text: string): string {
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}

/** USD per million tokens; two figures of a small one, no cents where there are none. */
export function dollars(usd: number, locale: Locale): string {
  const digits = Number.isInteger(usd) ? 0 : usd >= 0.1 ? 2 : 3;
  return new Intl.NumberFormat(locale, {
    style: "currency",
    currency: "USD",
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  }).format(usd);
}

/** The first field that is wrong, and why. */
export function nameFault(name: string, address: string): { field: "name" | "baseUrl"; text: TextKey } | null {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(name)) return { field: "name", text: "modelsTab.wrongName" };
  if (!/^https?:\/\/[^\s/]+/.test(address)) return { field: "baseUrl", text: "modelsTab.wrongAddress" };
  return null;
}
