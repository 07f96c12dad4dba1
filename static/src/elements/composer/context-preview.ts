/** The preview of what goes along with a message: each file with its size, as the assistant will get it. */
import { html, nothing } from "lit";
import type { TemplateResult } from "lit";
import { until } from "lit/directives/until.js";

import type { ContextSource, GivenFile } from "../../state/host.js";

import { bytes } from "../base/format-bytes.js";
import type { Ui } from "../base/ui-context.js";
import { closeOnBackdrop } from "../base/dialog.js";
import { icon } from "../base/icons.js";

/** What a source gave, or why it gave nothing. */
export interface Read {
  source: ContextSource;
  files: readonly GivenFile[];
  /** Empty: it could be read. */
  problem: string;
}

/** A file with its bytes, wherever they are. */
interface Shown {
  size: number | null;
  text?: string;
  picture?: string;
}

const TEXT = /^(?:text\/|application\/(?:json|x-ipynb\+json|xml)$)|^$/;

export function previewDialog(ui: Ui, read: readonly Read[] | null): TemplateResult {
  const { t } = ui;
  return html`<dialog class="dialog context-dialog" aria-labelledby="context-dialog-title" @click=${closeOnBackdrop}>
    <div class="dialog-head">
      <h2 id="context-dialog-title">${t("contexts.previewTitle")}</h2>
      <button
        type="button"
        class="icon-button"
        aria-label=${t("action.close")}
        title=${t("action.close")}
        @click=${(event: Event) => (event.currentTarget as HTMLElement).closest("dialog")?.close()}
      >
        ${icon("close")}
      </button>
    </div>
    <div class="dialog-body">
      ${read === null ? html`<p role="status">${t("transcript.loading")}</p>` : body(ui, read)}
    </div>
  </dialog>`;
}

function body(ui: Ui, read: readonly Read[]): TemplateResult {
  const files = read.flatMap((each) => each.files);
  const all = Promise.all(files.map((file) => shown(ui, file)));
  const total = all.then((each) => ui.t("contexts.total", { size: sum(ui, each) }));
  return html`<p class="fine" role="status">${until(total, nothing)}</p>
    ${read.map(
      ({ source, files: own, problem }) =>
        html`<section>
          <h3>${source.title ?? source.label}</h3>
          ${problem === "" ? nothing : html`<p class="problem">${ui.t("contexts.unreadable", { why: problem })}</p>`}
          ${own.map((file) =>
            until(
              shown(ui, file).then((seen) => figure(ui, file, seen)),
              nothing,
            ),
          )}
        </section>`,
    )}`;
}

function figure(ui: Ui, { fileName, note }: GivenFile, { size, text, picture }: Shown): TemplateResult {
  return html`<figure>
    <figcaption>
      <span>${fileName}</span>${size === null ? nothing : html`<small>${bytes(size, ui.locale)}</small>`}
    </figcaption>
    ${note === undefined ? nothing : html`<p class="fine">${note}</p>`}
    ${picture === undefined ? nothing : html`<img src=${picture} alt=${fileName} />`}
    ${text === undefined ? nothing : html`<pre tabindex="0" dir="auto" aria-label=${fileName}>${text}</pre>`}
  </figure>`;
}

function sum({ locale }: Ui, each: readonly Shown[]): string {
  return bytes(
    each.reduce((size, one) => size + (one.size ?? 0), 0),
    locale,
  );
}

async function shown(ui: Ui, { content, mediaId, mimeType }: GivenFile): Promise<Shown> {
  if (content !== undefined) return fromBytes(bytesOf(content), mimeType, `data:${mimeType};base64,${content}`);
  if (mediaId === undefined || !ui.http) return { size: null };
  const address = new URL(`media/${encodeURIComponent(mediaId)}`, ui.base).href;
  const response = await fetch(address).catch(() => null);
  if (!response?.ok) return { size: null };
  const type = response.headers.get("Content-Type")?.split(";")[0] ?? mimeType;
  return fromBytes(new Uint8Array(await response.arrayBuffer()), type, address);
}

function fromBytes(data: Uint8Array, mimeType: string, address: string): Shown {
  if (mimeType.startsWith("image/")) return { size: data.length, picture: address };
  return TEXT.test(mimeType) ? { size: data.length, text: new TextDecoder().decode(data) } : { size: data.length };
}

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}
