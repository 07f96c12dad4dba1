/** `<clawdbot-contexts>`: what of the page around goes along with the next message, as switches above the field. */
import { html } from "lit";
import type { TemplateResult } from "lit";

import type { Attached } from "../core/attachments.js";
import { attachedFrom } from "../core/host.js";
import type { ContextSource } from "../core/host.js";

import type { Ui } from "./context.js";
import { LightElement } from "./light.js";
import { composerParts } from "./styles/lazy-composer.js";

export class ClawdbotContexts extends LightElement {
  static override sheet = composerParts;
  static override properties = {
    ui: { attribute: false },
    sources: { attribute: false },
    turned: { state: true },
    asked: { state: true },
  };

  declare ui: Ui;
  declare sources: readonly ContextSource[];
  /** What the person has turned on or off, by id. */
  declare private turned: Record<string, boolean>;
  /** What the home asked about: goes with the next message, alone. */
  declare private asked: readonly ContextSource[];
  /** What was read for the message that is about to go. */
  private ready: Attached[] | null = null;

  constructor() {
    super();
    this.turned = {};
    this.asked = [];
  }

  /** The next message is about these, and about nothing that is switched on besides. */
  only(sources: readonly ContextSource[]): void {
    this.asked = sources;
    this.ready = null;
  }

  private isOn(source: ContextSource): boolean {
    return this.turned[source.id] ?? source.on;
  }

  private get chosen(): ContextSource[] {
    return this.asked.length > 0 ? [...this.asked] : this.sources.filter((source) => this.isOn(source));
  }

  /** Must something be read before a message can go? */
  get unread(): boolean {
    return this.ready === null && this.chosen.length > 0;
  }

  /** Read what goes along. What cannot be read is told, and the message goes without it. */
  async read(): Promise<void> {
    const { chosen, ui } = this;
    const read = await Promise.allSettled(chosen.map((source) => source.read()));
    this.ready = read.flatMap((each, index) => {
      if (each.status === "fulfilled") return attachedFrom(each.value);
      const name = chosen[index]?.label ?? "";
      ui.toast({ text: ui.t("contexts.unread", { name }), kind: "error" });
      return [];
    });
  }

  /** Hand over what was read; what goes with one message only is turned off. */
  take(): Attached[] {
    const taken = this.ready ?? [];
    this.ready = null;
    for (const { id, once } of this.chosen) if (once) this.turned = { ...this.turned, [id]: false };
    this.asked = [];
    return taken;
  }

  protected override render(): TemplateResult {
    if (this.asked.length > 0) return this.question();
    const shown = this.sources.filter((source) => !source.once || this.isOn(source));
    return html`<ul class="contexts" aria-label=${this.ui.t("contexts.label")}>
      ${shown.map((source) => {
        const on = this.isOn(source);
        return html`<li>
          <button
            type="button"
            class="context"
            aria-pressed=${String(on)}
            title=${source.title ?? source.label}
            @click=${() => (this.turned = { ...this.turned, [source.id]: !on })}
          >
            ${source.label}
          </button>
        </li>`;
      })}
    </ul>`;
  }

  /** What the home asked about, with a way back to the switches. */
  private question(): TemplateResult {
    return html`<ul class="contexts" aria-label=${this.ui.t("contexts.label")}>
      ${this.asked.map(
        (source) =>
          html`<li>
            <button
              type="button"
              class="context"
              aria-pressed="true"
              title=${source.title ?? source.label}
              @click=${() => (this.asked = this.asked.filter((each) => each !== source))}
            >
              ${source.label}
            </button>
          </li>`,
      )}
    </ul>`;
  }
}
