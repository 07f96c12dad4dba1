/** `<clawdbot-contexts>`: what of the page around goes along with the next message, as switches above the field. */
import { html, nothing } from "lit";
import type { TemplateResult } from "lit";

import type { Attached } from "../../state/attachments.js";
import { attachedFrom } from "../../state/host.js";
import type { ContextSource, GivenFile } from "../../state/host.js";
import en from "../../i18n/contexts.en.json";
import ko from "../../i18n/contexts.ko.json";
import { addTexts } from "../../i18n/index.js";

import type { Ui } from "../base/ui-context.js";
import { previewDialog } from "./context-preview.js";
import type { Read } from "./context-preview.js";
import { LightElement } from "../base/light-element.js";
import { composerParts } from "../styles/lazy-composer.js";

addTexts({ en, ko });

/** How long it is said what was left out of a file. */
const NOTE_MS = 8_000;

export class ClawdbotContexts extends LightElement {
  static override sheet = composerParts;
  static override properties = {
    ui: { attribute: false },
    sources: { attribute: false },
    turned: { state: true },
    asked: { state: true },
    added: { state: true },
    seen: { state: true },
  };

  declare ui: Ui;
  declare sources: readonly ContextSource[];
  /** What the person has turned on or off, by id. */
  declare private turned: Record<string, boolean>;
  /** What the home asked about: goes with the next message, alone. */
  declare private asked: readonly ContextSource[];
  /** What was given for the next message, however often the home tells anew what it has. */
  declare private added: readonly ContextSource[];
  /** What the preview shows; `null` while it is being read. */
  declare private seen: readonly Read[] | null;
  /** What was read for the message that is about to go. */
  private ready: GivenFile[] | null = null;

  constructor() {
    super();
    this.turned = {};
    this.asked = [];
    this.added = [];
    this.seen = null;
  }

  /** The next message is about these, and about nothing that is switched on besides. */
  only(sources: readonly ContextSource[]): void {
    this.asked = sources;
    this.ready = null;
  }

  /** The next message has this, too. */
  add(source: ContextSource): void {
    this.added = [...this.added.filter(({ id }) => id !== source.id), source];
    this.ready = null;
  }

  private isOn(source: ContextSource): boolean {
    return this.turned[source.id] ?? source.on;
  }

  private get chosen(): ContextSource[] {
    const usual = this.asked.length > 0 ? this.asked : this.sources.filter((source) => this.isOn(source));
    return [...usual, ...this.added];
  }

  /** What goes along, by what it is called. */
  get names(): string[] {
    return this.chosen.map(({ label }) => label);
  }

  /** Must something be read before a message can go? */
  get unread(): boolean {
    return this.ready === null && this.chosen.length > 0;
  }

  /**
   * Read what goes along. Of what cannot be read it is said why, and it is switched off: the message waits until the
   * person has seen that.
   * @returns the reasons; empty when all was read
   */
  async read(): Promise<string> {
    const read = await this.readAll();
    const problems = read.filter(({ problem }) => problem !== "");
    for (const { source } of problems) this.drop(source);
    this.ready = problems.length > 0 ? null : read.flatMap(({ files }) => files);
    return problems
      .map(({ source, problem }) => this.ui.t("contexts.unread", { name: source.label, why: problem }))
      .join(" ");
  }

  /** The message does not go after all: what was read may be another thing by then. */
  forget(): void {
    this.ready = null;
  }

  private readAll(): Promise<Read[]> {
    return Promise.all(
      this.chosen.map((source) =>
        source.read().then(
          (files): Read => ({ source, files, problem: "" }),
          (error: unknown): Read => ({ source, files: [], problem: error instanceof Error ? error.message : "" }),
        ),
      ),
    );
  }

  /** Hand over what was read; what goes with one message only is gone, and what was left out of it is said. */
  consume(): Attached[] {
    const files = this.ready ?? [];
    const notes = files.flatMap(({ note }) => note ?? []);
    if (notes.length > 0) this.ui.toast({ text: notes.join(" "), lasts: NOTE_MS });
    for (const { id, once } of this.chosen) if (once) this.turned = { ...this.turned, [id]: false };
    this.ready = null;
    this.asked = [];
    this.added = [];
    return attachedFrom(files);
  }

  private drop(source: ContextSource): void {
    this.ready = null;
    if (this.asked.includes(source)) this.asked = this.asked.filter((each) => each !== source);
    else if (this.added.includes(source)) this.added = this.added.filter((each) => each !== source);
    else this.turned = { ...this.turned, [source.id]: false };
  }

  protected override render(): TemplateResult {
    const { t } = this.ui;
    const some = this.chosen.length > 0;
    const switches = this.asked.length > 0 ? [] : this.sources.filter((source) => !source.once || this.isOn(source));
    return html`<div class="contexts">
        <ul aria-label=${t("contexts.label")}>
          ${this.asked.map((source) => this.chip(source, true, () => this.drop(source)))}
          ${switches.map((source) => {
            const on = this.isOn(source);
            return this.chip(source, on, () => {
              this.ready = null;
              this.turned = { ...this.turned, [source.id]: !on };
            });
          })}
          ${this.added.map((source) => this.chip(source, true, () => this.drop(source)))}
        </ul>
        ${
          some
            ? html`<button
                type="button"
                class="link context-preview"
                aria-haspopup="dialog"
                title=${t("contexts.previewTitle")}
                @click=${this.preview}
              >
                ${t("contexts.preview")}
              </button>`
            : nothing
        }
      </div>
      ${previewDialog(this.ui, this.seen)}`;
  }

  private chip({ label, title }: ContextSource, on: boolean, press: () => void): TemplateResult {
    return html`<li>
      <button type="button" class="context" aria-pressed=${String(on)} title=${title ?? label} @click=${press}>
        ${label}
      </button>
    </li>`;
  }

  private readonly preview = (): void => {
    this.seen = null;
    this.querySelector("dialog")?.showModal();
    void this.readAll().then((read) => (this.seen = read));
  };
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-contexts": ClawdbotContexts;
  }
}
