/** `<clawdbot-attachments>`: the files of a draft as chips, with how far each is, what is wrong with it, and a way out. */
import { html, nothing, svg } from "lit";
import type { PropertyValues, TemplateResult } from "lit";

import type { Problem } from "../../state/attachment-rules.js";
import type { Item, Uploads } from "../../state/uploads.js";

import { lazyIcon } from "./icons.js";
import type { Ui } from "../base/ui-context.js";
import { bytes } from "../base/format-bytes.js";
import { icon } from "../base/icons.js";
import { LightElement } from "../base/light-element.js";
import { composerParts } from "../styles/lazy-composer.js";

/** Why a file cannot go, in words. */
function problemText({ t, locale }: Ui, problem: Problem): string {
  const size = (count: number): string => bytes(count, locale);
  switch (problem.code) {
    case "too-large":
    case "too-much":
      return t(problem.code === "too-large" ? "attach.tooLarge" : "attach.tooMuch", {
        size: size(problem.size),
        max: size(problem.max),
      });
    case "too-many":
      return t("attach.tooMany", { max: problem.max });
    case "wrong-type":
      return t("attach.wrongType", { extension: problem.extension === "" ? "?" : `.${problem.extension}` });
    case "empty":
      return t("attach.empty");
    case "unreadable":
      return t("attach.unreadable");
    case "lost":
      return t("attach.lost");
    case "refused":
      return problem.message;
  }
}

export class ClawdbotAttachments extends LightElement {
  static override sheet = composerParts;
  static override properties = {
    ui: { attribute: false },
    uploads: { attribute: false },
    items: { attribute: false },
    onInsert: { attribute: false },
  };

  declare ui: Ui;
  declare uploads: Uploads;
  /** The uploads' items: a new list at each change. */
  declare items: readonly Item[];
  /** Put a pasted text into the message instead. */
  declare onInsert: (item: Item) => void;

  /** Addresses of pictures that are shown from the file itself. */
  private readonly previews = new Map<number, string>();

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    for (const url of this.previews.values()) URL.revokeObjectURL(url);
    this.previews.clear();
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has("items")) return;
    for (const [id, url] of this.previews) {
      if (this.items.some((item) => item.id === id)) continue;
      URL.revokeObjectURL(url);
      this.previews.delete(id);
    }
  }

  protected override render(): TemplateResult | typeof nothing {
    if (this.items.length === 0) return nothing;
    return html`<ul class="chips" aria-label=${this.ui.t("attach.label")}>
      ${this.items.map((item) => this.chip(item))}
    </ul>`;
  }

  private chip(item: Item): TemplateResult {
    const { ui } = this;
    const { t } = ui;
    const underway = item.state === "waiting" || item.state === "sending";
    const again =
      item.problem && (item.problem.code === "lost" || (item.problem.code === "refused" && item.problem.again));
    return html`<li class="chip" data-state=${item.state}>
      ${this.picture(item)}
      <span class="chip-text">
        <span class="chip-name" title=${item.name}>${item.pasted ? t("attach.pasted") : item.name}</span>
        <small>${item.problem ? problemText(ui, item.problem) : this.detail(item)}</small>
      </span>
      ${again ? this.button("retry", t("attach.retry", { name: item.name }), () => this.uploads.retry(item.id)) : nothing}
      ${item.pasted ? this.button("insert", t("attach.asText"), () => this.onInsert(item)) : nothing}
      ${this.button(
        "close",
        t(underway ? "attach.cancel" : "attach.remove", { name: item.name }),
        () => this.uploads.remove(item.id),
        underway ? ring(item.progress) : nothing,
      )}
    </li>`;
  }

  private button(
    name: "retry" | "insert" | "close",
    label: string,
    run: () => void,
    around: TemplateResult | typeof nothing = nothing,
  ): TemplateResult {
    return html`<button type="button" class="icon-button small" aria-label=${label} title=${label} @click=${run}>
      ${around}${name === "insert" ? lazyIcon(name) : icon(name)}
    </button>`;
  }

  private detail(item: Item): string {
    const { t, locale } = this.ui;
    const size = item.size > 0 ? bytes(item.size, locale) : "";
    if (item.state === "waiting") return t("attach.waiting");
    if (item.state === "sending") return t("attach.sending", { percent: Math.floor(item.progress * 100), size });
    return item.attached && "path" in item.attached ? item.attached.path : size;
  }

  private picture(item: Item): TemplateResult {
    const source = item.kind === "image" ? this.source(item) : null;
    return html`<span class="chip-picture"
      >${lazyIcon(item.kind)}${
        source === null
          ? nothing
          : html`<img
              src=${source}
              alt=""
              @error=${(event: Event) => (event.target as HTMLElement).remove() /* the icon is below */}
            />`
      }</span
    >`;
  }

  private source(item: Item): string | null {
    if (item.file) {
      const known = this.previews.get(item.id) ?? URL.createObjectURL(item.file);
      this.previews.set(item.id, known);
      return known;
    }
    const { base, http } = this.ui;
    if (!http || !item.attached || !("mediaId" in item.attached)) return null;
    return new URL(`media/${item.attached.mediaId}/thumbnail`, base).href;
  }
}

function ring(fraction: number): TemplateResult {
  return svg`<svg class="ring" viewBox="0 0 36 36" aria-hidden="true" focusable="false"><circle cx="18" cy="18" r="15.5" pathLength="100"></circle><circle cx="18" cy="18" r="15.5" pathLength="100" stroke-dasharray=${`${Math.max(3, Math.round(fraction * 100))} 100`}></circle></svg>`;
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-attachments": ClawdbotAttachments;
  }
}
