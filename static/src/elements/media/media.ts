/**
 * `<clawdbot-media>`: something attached to a message. Pictures with a large view, players for sound and film, a first
 * look into text and documents; and, on request, what the assistant was given of it.
 */
import { html, nothing } from "lit";
import type { TemplateResult } from "lit";

import type { ContentBlock } from "../../protocol/types.js";
import { saw } from "../../state/turn-commands.js";
import type { Saw } from "../../state/turn-commands.js";
import { xsrf } from "../../client/xsrf.js";
import { addTexts } from "../../i18n/index.js";
import en from "../../i18n/media.en.json";
import ko from "../../i18n/media.ko.json";

import type { Ui } from "../base/ui-context.js";
import { bytes } from "../base/format-bytes.js";
import { elapsed } from "../base/amounts.js";
import { icon } from "../base/more-icons.js";
import { LightElement } from "../base/light-element.js";
import { sheet } from "../styles/media.js";

addTexts({ en, ko });

/** Of a text file so much is shown, in bytes. */
const PREVIEW_BYTES = 64 * 1024;
/** These are shown as they are; of anything else there is one line, which can be opened. */
const SHOWN = new Set(["image", "audio", "video"]);
/** The frame that a picture is fitted into, in CSS pixels. */
const PICTURE_PX = { width: 320, height: 256 };

export class ClawdbotMedia extends LightElement {
  static override sheet = sheet;
  static override properties = {
    block: { attribute: false },
    ui: { attribute: false },
    messageId: { attribute: false },
    text: { state: true },
    seen: { state: true },
    broken: { state: true },
    expanded: { state: true },
  };

  declare block: ContentBlock;
  declare ui: Ui;
  declare messageId: string | undefined;
  /** The beginning of a text file, once it was asked for. */
  declare private text: string | null;
  declare private seen: Saw | "asking" | null;
  /** It could not be shown: the browser does not know it, or it is gone. */
  declare private broken: boolean;
  /** What belongs to the line of a file is on show. */
  declare private expanded: boolean;

  constructor() {
    super();
    this.text = null;
    this.seen = null;
    this.broken = false;
    this.expanded = false;
  }

  private get address(): string {
    return new URL(`media/${encodeURIComponent(this.block.mediaId ?? "")}`, this.ui.base).href;
  }

  private get name(): string {
    return this.block.name ?? this.block.mediaId ?? "";
  }

  protected override render(): TemplateResult {
    const { block, broken } = this;
    return html`<figure class="media" data-kind=${block.type}>
      ${
        SHOWN.has(block.type) && !broken
          ? html`${this.content()} ${this.caption()} ${this.notes()} ${this.expanded ? this.saw() : nothing}`
          : this.line()
      }
    </figure>`;
  }

  /** The name of what is shown, and what the assistant was given of it on request. */
  private caption(): TemplateResult {
    return html`<figcaption>
      ${icon("attach")}<span class="file-name">${this.name}</span><small>${this.length()}</small>
      ${this.messageId === undefined ? nothing : this.moreButton(`${this.ui.t("media.saw")}: ${this.name}`)}
    </figcaption>`;
  }

  private moreButton(label: string): TemplateResult {
    const { expanded } = this;
    return html`<button
      type="button"
      class="icon-button small"
      aria-expanded=${String(expanded)}
      aria-label=${label}
      title=${label}
      @click=${() => (this.expanded = !expanded)}
    >
      ${icon("eye")}
    </button>`;
  }

  /** One line for a file; its beginning, and what the assistant was given, on request. */
  private line(): TemplateResult {
    const { expanded, broken } = this;
    const more = this.moreButton(this.ui.t("media.details", { name: this.name }));
    return html`<div class="attachment">${this.file()} ${broken && this.messageId === undefined ? nothing : more}</div>
      ${this.notes()} ${expanded ? html`${broken ? nothing : this.content()} ${this.saw()}` : nothing}`;
  }

  private content(): TemplateResult {
    const { block, address } = this;
    const fail = (): void => void (this.broken = true);
    const fitted = fit(block);
    switch (block.type) {
      case "image":
        return html`<button
          type="button"
          class="picture"
          aria-label=${this.ui.t("media.enlarge", { name: this.name })}
          @click=${() => this.enlarge(address)}
        >
          <img
            src=${`${address}/thumbnail`}
            alt=${this.name}
            width=${fitted?.width ?? nothing}
            height=${fitted?.height ?? nothing}
            loading="lazy"
            @error=${fail}
          />
        </button>`;
      case "audio":
        return html`<audio controls preload="metadata" src=${address} aria-label=${this.name} @error=${fail}></audio>`;
      case "video":
        return html`<video
          controls
          playsinline
          preload="metadata"
          src=${address}
          aria-label=${this.name}
          @error=${fail}
        ></video>`;
      case "file":
      case "notebook":
        return html`<details open @toggle=${this.preview}>
          <summary>${this.ui.t("media.preview")}</summary>
          <pre tabindex="0">${this.text ?? this.ui.t("transcript.loading")}</pre>
        </details>`;
      default:
        return this.document();
    }
  }

  private document(): TemplateResult {
    return html`<details open>
      <summary>${this.ui.t("media.firstPage")}</summary>
      <img
        class="page"
        loading="lazy"
        alt=${this.ui.t("media.firstPageOf", { name: this.name })}
        src=${`${this.address}/thumbnail`}
        @error=${(event: Event) => ((event.target as HTMLElement).hidden = true)}
      />
    </details>`;
  }

  private file(): TemplateResult {
    const { block } = this;
    const { t, locale } = this.ui;
    const facts = [
      ...(block.pages ? [t("media.pages", { count: block.pages })] : []),
      ...(block.size === undefined ? [] : [bytes(block.size, locale)]),
    ];
    return html`<a class="file" href=${this.address} download=${this.name}>
      ${icon("file")}<span class="file-name">${this.name}</span><small>${facts.join(" · ")}</small>
    </a>`;
  }

  private length(): string {
    const { durationMs } = this.block;
    return durationMs === undefined ? "" : elapsed(durationMs, this.ui.locale);
  }

  private notes(): TemplateResult | typeof nothing {
    const { notes = [] } = this.block;
    return notes.length === 0 ? nothing : html`<p class="fine">${notes.map((note) => note.text).join(" ")}</p>`;
  }

  private async preview(event: Event): Promise<void> {
    if (!(event.currentTarget as HTMLDetailsElement).open || this.text !== null) return;
    try {
      const url = new URL(this.address);
      const response = await fetch(url, { headers: { ...xsrf(url), Range: `bytes=0-${PREVIEW_BYTES - 1}` } });
      if (!response.ok) throw new Error(String(response.status));
      const text = (await response.text()).slice(0, PREVIEW_BYTES);
      this.text = text.length < (this.block.size ?? 0) ? `${text}\n…` : text;
    } catch {
      this.text = this.ui.t("media.gone");
    }
  }

  // -- what the assistant was given ---------------------------------------------------------------------------------
  private saw(): TemplateResult | typeof nothing {
    if (this.messageId === undefined) return nothing;
    return html`<details class="saw" ?open=${SHOWN.has(this.block.type)} @toggle=${this.askSaw}>
      <summary>${this.ui.t("media.saw")}</summary>
      ${this.sawParts()}
    </details>`;
  }

  private async askSaw(event: Event): Promise<void> {
    if (!(event.currentTarget as HTMLDetailsElement).open || this.seen !== null) return;
    const { ui, messageId, block } = this;
    this.seen = "asking";
    const turn = messageId === undefined ? undefined : { sessionKey: ui.controller.state.current, messageId };
    const asked = saw(ui.controller.client, block.mediaId ?? "", turn);
    this.seen = (await ui.attempt(asked)) ? await asked : null;
  }

  private sawParts(): TemplateResult | typeof nothing {
    const { seen, ui } = this;
    if (seen === null) return nothing;
    if (seen === "asking") return html`<p class="fine">${ui.t("transcript.loading")}</p>`;
    const image = (id: string): string => new URL(`media/${encodeURIComponent(id)}`, ui.base).href;
    return html`${(seen.notes ?? []).map((note) => html`<p class="fine">${note.text}</p>`)}
    ${seen.parts.map((part) => {
      if (part.type === "image" && part.mediaId)
        return html`<img class="page" loading="lazy" alt=${part.label ?? this.name} src=${image(part.mediaId)} />`;
      if (part.type === "document")
        return html`<p class="fine">${ui.t("media.sawDocument", { count: part.pages ?? 0 })}</p>`;
      return html`<pre tabindex="0">${part.text}${part.truncated ? "\n…" : ""}</pre>`;
    })}
    ${seen.transcriber ? html`<p class="fine">${ui.t("media.transcriber", { name: seen.transcriber })}</p>` : nothing}`;
  }

  // -- large --------------------------------------------------------------------------------------------------------
  private enlarge(address: string): void {
    const pictures = [...(this.closest(".column")?.querySelectorAll<ClawdbotMedia>("clawdbot-media") ?? [])]
      .filter((each) => each.block.type === "image")
      .map((each) => ({ address: each.address, name: each.name }));
    const at = pictures.findIndex((each) => each.address === address);
    void import("./lightbox.js").then(({ lightbox }) => lightbox(this, this.ui, pictures, Math.max(0, at)));
  }
}

/** The size of a picture in its frame: so wide is its button, before it has come. */
function fit({ width, height }: ContentBlock): { width: number; height: number } | null {
  if (!width || !height) return null;
  const scale = Math.min(1, PICTURE_PX.width / width, PICTURE_PX.height / height);
  return { width: Math.round(width * scale), height: Math.round(height * scale) };
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-media": ClawdbotMedia;
  }
}
