/** What a call showed while it ran and what came of it: text as it comes, results of cells, pictures, answers. */
import { html, nothing } from "lit";
import type { TemplateResult } from "lit";

import type { CellResult, Progress, ResultImage } from "../../protocol/hands.js";
import type { ToolStep } from "../../protocol/types.js";
import type { TextKey } from "../../i18n/index.js";

import type { Ui } from "../base/ui-context.js";
import { elapsed } from "../base/amounts.js";
import { icon } from "../base/icons.js";
import { webAddress } from "../content/citations.js";
import { cellName } from "./cell-operations.js";
import { plain } from "./plain.js";

/** The newest of what is printed that is shown, in characters. */
const TAIL = 4_000;
/** Kinds of pictures that a browser shows and that are no documents. */
const PICTURES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);
const STATUS: Record<string, TextKey> = {
  ok: "hands.result.ok",
  error: "hands.result.error",
  aborted: "hands.result.aborted",
};

/** Where a run is, and the end of what it has printed. */
export function progressOf(log: readonly Progress[]): { at: Progress | undefined; tail: string } {
  const at = log.findLast((each) => each.cell !== undefined || each.index !== undefined);
  const tail = log
    .filter((each) => each.text !== undefined && (at?.cell === undefined || each.cell === at.cell))
    .map((each) => each.text ?? "")
    .join("")
    .slice(-TAIL);
  return { at, tail };
}

/** Of a call at work: the cell that runs and the end of what it prints. */
export function progressView(ui: Ui, { log = [] }: ToolStep): TemplateResult | typeof nothing {
  if (log.length === 0) return nothing;
  const { at, tail } = progressOf(log);
  return html`${at ? html`<p class="fine">${ui.t("hands.runs", { name: cellName(ui, at) })}</p>` : nothing}
  ${tail === "" ? nothing : html`<pre class="tail" tabindex="0" aria-label=${ui.t("tools.output")}>${plain(tail)}</pre>`}`;
}

/** Of a call that is done: what is better shown than its text. */
export function resultView(ui: Ui, { details, images = [], found }: ToolStep): TemplateResult {
  const { t } = ui;
  const answers = Object.entries(details?.answers ?? {});
  return html`${found === undefined ? nothing : pages(ui, found)}
  ${
    details?.results?.length
      ? html`<ul class="results">
          ${details.results.map((each) => html`<li data-status=${each.status ?? ""}>${result(ui, each)}</li>`)}
        </ul>`
      : nothing
  }
  ${
    answers.length === 0
      ? nothing
      : html`<dl class="answers">
          ${answers.map(
            ([id, answer]) =>
              html`<div>
                <dt>${plain(details?.questions?.find((each) => each.id === id)?.text ?? id)}</dt>
                <dd>${plain(answer)}</dd>
              </div>`,
          )}
        </dl>`
  }
  ${images
    .filter(isPicture)
    .map(
      (image) =>
        html`<img
          class="result-image"
          loading="lazy"
          decoding="async"
          alt=${t("hands.result.image")}
          src=${`data:${image.mimeType};base64,${image.data}`}
        />`,
    )}`;
}

/** What a search of the web found, or the page that was read: links to other places, and what says why there are none. */
function pages({ t }: Ui, found: unknown): TemplateResult {
  const all = (Array.isArray(found) ? found : [found]) as Record<string, unknown>[];
  const error = all.map((each) => each.error_code).find((code) => typeof code === "string");
  if (error !== undefined) return html`<p class="fine">${t("tools.webFailed", { reason: error })}</p>`;
  const links = all.flatMap(({ title, url }) => {
    const address = webAddress(url);
    return address ? [{ address, title: typeof title === "string" && title !== "" ? title : address.host }] : [];
  });
  if (links.length === 0) return html`<p class="fine">${t("tools.webNothing")}</p>`;
  return html`<ul class="results">
    ${links.map(
      ({ address, title }) =>
        html`<li>
          <a href=${address.href} target="_blank" rel="noopener noreferrer nofollow">${plain(title)}</a>
          <span class="fine">${address.host}</span>
        </li>`,
    )}
  </ul>`;
}

function isPicture({ mimeType, data }: ResultImage): boolean {
  return PICTURES.has(mimeType) && typeof data === "string" && /^[A-Za-z0-9+/=]+$/.test(data);
}

function result(ui: Ui, each: CellResult): TemplateResult {
  const { t, locale } = ui;
  const status = each.status ?? "";
  const key = STATUS[status];
  return html`${icon(status === "ok" ? "check" : status === "error" ? "warn" : "stop")}
    <span class="op-name">${cellName(ui, each)}</span>
    <span class="fine"
      >${[
        key ? t(key) : status,
        ...(typeof each.executionCount === "number" ? [`[${each.executionCount}]`] : []),
        ...(each.ms === undefined ? [] : [elapsed(each.ms, locale)]),
      ].join(" · ")}</span
    >
    ${each.text ? html`<pre class="tail" tabindex="0">${plain(each.text.slice(-TAIL))}</pre>` : nothing}`;
}
