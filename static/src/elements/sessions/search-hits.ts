/** `<clawdbot-search-hits>`: the messages that have the words in the search field, under the sessions that have them. */
import { search } from "../../state/session-files.js";
import { html, nothing } from "lit";
import type { PropertyValues, TemplateResult } from "lit";

import type { SearchHit } from "../../protocol/types.js";
import { addTexts } from "../../i18n/index.js";
import en from "../../i18n/search.en.json";
import ko from "../../i18n/search.ko.json";

import type { Ui } from "../base/ui-context.js";
import { ago } from "../base/format.js";
import { LightElement } from "../base/light-element.js";
import { sheet } from "../styles/search.js";
import { titleOf } from "./title.js";

addTexts({ en, ko });

/** A search waits until nothing was typed for so long, in milliseconds. */
const PAUSE_MS = 180;

/** A snippet as plain and highlighted pieces; `highlights` are ascending `[start, end]`. */
export function pieces(snippet: string, highlights: readonly (readonly number[])[]): { text: string; hit: boolean }[] {
  const made: { text: string; hit: boolean }[] = [];
  let at = 0;
  for (const [low = 0, high = 0] of highlights) {
    if (low > at) made.push({ text: snippet.slice(at, low), hit: false });
    made.push({ text: snippet.slice(low, high), hit: true });
    at = high;
  }
  if (at < snippet.length) made.push({ text: snippet.slice(at), hit: false });
  return made;
}

export class ClawdbotSearchHits extends LightElement {
  static override sheet = sheet;
  static override properties = {
    query: {},
    ui: { attribute: false },
    onOpen: { attribute: false },
    hits: { state: true },
    more: { state: true },
    failed: { state: true },
  };

  declare query: string;
  declare ui: Ui;
  /** `null` before the first answer. */
  declare private hits: SearchHit[] | null;
  /** Where the next page begins. */
  declare private more: number | undefined;
  declare private failed: boolean;

  declare onOpen: (hit: SearchHit, title: string) => void;

  private timer: ReturnType<typeof setTimeout> | undefined;
  /** Only the answer to the newest question counts. */
  private asked = 0;

  constructor() {
    super();
    this.query = "";
    this.hits = null;
    this.failed = false;
    this.onOpen = () => undefined;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.timer);
    this.asked++;
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has("query")) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.search(), PAUSE_MS);
  }

  private async search(before?: number): Promise<void> {
    const number = ++this.asked;
    try {
      const { hits, next } = await search(this.ui.controller.client, this.query, before);
      if (number !== this.asked) return;
      this.hits = before === undefined ? hits : [...(this.hits ?? []), ...hits];
      this.more = next;
      this.failed = false;
      this.ui.announce(this.ui.t("search.count", { count: `${this.hits.length}${next === undefined ? "" : "+"}` }));
    } catch {
      if (number === this.asked) this.failed = true;
    }
  }

  protected override render(): TemplateResult | typeof nothing {
    const { t } = this.ui;
    if (this.failed) return html`<p class="none">${t("search.failed")}</p>`;
    if (this.hits === null) return nothing;
    if (this.hits.length === 0) return html`<p class="none">${t("search.none")}</p>`;
    return html`<p class="hits-title" id="hits-title">${t("search.messages")}</p>
      <ul class="hits" aria-labelledby="hits-title">
        ${this.hits.map((hit) => this.hit(hit))}
      </ul>
      ${
        this.more === undefined
          ? nothing
          : html`<button type="button" class="button more-hits" @click=${() => void this.search(this.more)}>
              ${t("search.more")}
            </button>`
      }`;
  }

  private hit(hit: SearchHit): TemplateResult {
    const { t, locale, controller } = this.ui;
    const title = titleOf(hit, hit.sessionKey, controller.state.mainKey, t);
    return html`<li>
      <button type="button" class="hit" @click=${() => this.onOpen(hit, title)}>
        <span class="hit-head">
          <span class="session-title">${title}</span>
          ${hit.archived ? html`<span class="badge">${t("search.archived")}</span>` : nothing}
          <span class="hit-time">${ago(hit.timestamp, Date.now(), locale)}</span>
        </span>
        <span class="hit-text" dir="auto"
          >${pieces(hit.snippet, hit.highlights).map((piece) => (piece.hit ? html`<mark>${piece.text}</mark>` : piece.text))}</span
        >
      </button>
    </li>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-search-hits": ClawdbotSearchHits;
  }
}
