/** `<clawdbot-queue>`: sends that wait for the running reply: to be changed, taken back, or read by it at its next step. */
import { html, nothing } from "lit";
import type { PropertyValues, TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";

import { isComposingKey } from "../../input/ime.js";
import type { Queued } from "../../protocol/types.js";

import { lazyIcon } from "./icons.js";
import type { Ui } from "../base/ui-context.js";
import { icon } from "../base/icons.js";
import { LightElement } from "../base/light-element.js";
import { composerParts } from "../styles/lazy-composer.js";

export class ClawdbotQueue extends LightElement {
  static override sheet = composerParts;
  static override properties = {
    ui: { attribute: false },
    sessionKey: { attribute: false },
    waiting: { attribute: false },
    live: { attribute: false },
    onTakeBack: { attribute: false },
    onDone: { attribute: false },
    editing: { state: true },
  };

  declare ui: Ui;
  declare sessionKey: string;
  declare waiting: readonly Queued[];
  /** A reply is being written, which could read them. */
  declare live: boolean;
  /** One was taken back: its text returns to its author. */
  declare onTakeBack: (queued: Queued) => void;
  /** A change is saved or dropped: the focus may go. */
  declare onDone: () => void;
  /** The run whose text is being changed. */
  declare private editing: string | null;

  constructor() {
    super();
    this.waiting = [];
    this.live = false;
    this.editing = null;
    this.onTakeBack = () => undefined;
    this.onDone = () => undefined;
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has("waiting") && !this.waiting.some((each) => each.runId === this.editing)) this.editing = null;
  }

  protected override render(): TemplateResult | typeof nothing {
    if (this.waiting.length === 0) return nothing;
    return html`<ul class="queue" aria-label=${this.ui.t("queue.label")}>
      ${repeat(
        this.waiting, // by run: what is being typed stays where it is when one before it starts
        ({ runId }) => runId,
        (each) => html`<li>${each.runId === this.editing ? this.editor(each) : this.row(each)}</li>`,
      )}
    </ul>`;
  }

  private row(queued: Queued): TemplateResult {
    const { t, controller } = this.ui;
    return html`
      <span class="queue-text">${queued.text}</span>
      ${
        this.live
          ? html`<button
              type="button"
              class="queue-now"
              aria-pressed=${queued.when === "now"}
              aria-label=${t("queue.nowWhat")}
              title=${t("queue.nowWhat")}
              @click=${() => void this.steer(queued)}
            >
              ${t("queue.now")}
            </button>`
          : nothing
      }
      ${
        controller.can("chat.queue.edit")
          ? html`<button
              type="button"
              class="icon-button small"
              aria-label=${t("queue.edit")}
              title=${t("queue.edit")}
              @click=${() => void this.begin(queued.runId)}
            >
              ${lazyIcon("edit")}
            </button>`
          : nothing
      }
      <button
        type="button"
        class="icon-button small"
        aria-label=${t("queue.cancel")}
        title=${t("queue.cancel")}
        @click=${() => void this.takeBack(queued)}
      >
        ${icon("close")}
      </button>
    `;
  }

  private editor(queued: Queued): TemplateResult {
    const { t } = this.ui;
    return html`<textarea
        rows="1"
        aria-label=${t("queue.edit")}
        .defaultValue=${queued.text}
        @keydown=${(event: KeyboardEvent) => this.keydown(event, queued)}
      ></textarea>
      <button
        type="button"
        class="icon-button small"
        aria-label=${t("action.save")}
        title=${t("action.save")}
        @click=${() => void this.save(queued)}
      >
        ${icon("check")}
      </button>
      <button
        type="button"
        class="icon-button small"
        aria-label=${t("action.cancel")}
        title=${t("action.cancel")}
        @click=${() => this.end()}
      >
        ${icon("close")}
      </button>`;
  }

  /** Let the running reply read the one that was sent last, unless it will. */
  async steerNewest(): Promise<void> {
    const newest = this.waiting.at(-1);
    if (this.live && newest && newest.when !== "now") await this.steer(newest);
  }

  /** Let the running reply read it before its next step, or after all not. */
  private async steer({ runId, when }: Queued): Promise<void> {
    const { ui, sessionKey } = this;
    const wish = when === "now" ? "next" : "now";
    const asked = ui.controller.client.request("chat.queue.edit", { sessionKey, runId, when: wish });
    if (await ui.attempt(asked)) ui.announce(ui.t(wish === "now" ? "queue.steered" : "queue.waits"));
  }

  private keydown(event: KeyboardEvent, queued: Queued): void {
    if (isComposingKey(event)) return;
    const saves = event.key === "Enter" && !event.shiftKey;
    if (!saves && event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    if (saves) void this.save(queued);
    else this.end();
  }

  private async begin(runId: string): Promise<void> {
    this.editing = runId;
    await this.updateComplete;
    const field = this.querySelector("textarea");
    field?.focus();
    field?.setSelectionRange(field.value.length, field.value.length);
  }

  private async save(queued: Queued): Promise<void> {
    const message = this.querySelector("textarea")?.value.trim().normalize("NFC") ?? "";
    if (message === "") return this.takeBack(queued);
    const params = { sessionKey: this.sessionKey, runId: queued.runId, message };
    const saved =
      message === queued.text || (await this.ui.attempt(this.ui.controller.client.request("chat.queue.edit", params)));
    if (saved) this.end();
  }

  private end(): void {
    this.editing = null;
    this.onDone();
  }

  private async takeBack(queued: Queued): Promise<void> {
    if (await this.ui.attempt(this.ui.controller.abort(queued.runId))) this.onTakeBack(queued);
    if (this.editing === null || this.editing === queued.runId) this.end();
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-queue": ClawdbotQueue;
  }
}
