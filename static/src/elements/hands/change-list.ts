/** `<clawdbot-change-list>`: all that the assistant changed in one session, newest first, in a dialog. */
import { html } from "lit";
import type { TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";

import { handsOf } from "../../state/hands.js";

import type { Ui } from "../base/ui-context.js";
import { closeOnBackdrop } from "../base/dialog.js";
import { ago, fullTime } from "../base/format.js";
import { icon } from "../base/icons.js";
import { LightElement } from "../base/light-element.js";
import { dialogs } from "../styles/dialogs.js";
import { sheet } from "../styles/hands.js";
import { ClawdbotChange } from "./change-view.js";
import { ClawdbotDiff } from "./diff-view.js";
import { defineParts } from "./texts.js";

defineParts({ "clawdbot-diff": ClawdbotDiff, "clawdbot-change": ClawdbotChange });

export class ClawdbotChangeList extends LightElement {
  static override sheet = [dialogs, ...sheet];
  static override properties = { ui: { attribute: false }, key: { state: true }, heading: { state: true } };

  declare ui: Ui;
  declare private key: string;
  declare heading: string;
  private unwatch: (() => void) | undefined;

  constructor() {
    super();
    this.key = "";
    this.heading = "";
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.unwatch?.();
    this.unwatch = undefined;
  }

  open(key: string, title: string): void {
    const store = handsOf(this.ui.controller);
    this.unwatch ??= store.watch(() => this.requestUpdate());
    this.key = key;
    this.heading = title;
    store.want(key);
    this.querySelector("dialog")?.showModal();
  }

  protected override render(): TemplateResult {
    const { t, controller } = this.ui;
    const changes = handsOf(controller).state.changes[this.key];
    return html`<dialog class="dialog change-list" aria-labelledby="change-list-title" @click=${closeOnBackdrop}>
      <div class="dialog-head">
        <h2 id="change-list-title">${t("hands.changesOf", { title: this.heading })}</h2>
        <button
          type="button"
          class="icon-button"
          aria-label=${t("action.close")}
          title=${t("action.close")}
          @click=${() => this.querySelector("dialog")?.close()}
        >
          ${icon("close")}
        </button>
      </div>
      <div class="dialog-body">
        ${
          changes === undefined
            ? html`<p class="none">${t("transcript.loading")}</p>`
            : changes.length === 0
              ? html`<p class="none">${t("hands.noChanges")}</p>`
              : html`<ul class="change-rows">
                  ${repeat(
                    changes,
                    (each) => each.id,
                    (each) =>
                      html`<li>
                        <time class="fine" title=${fullTime(each.createdAtMs, this.ui.locale)}
                          >${ago(each.createdAtMs, Date.now(), this.ui.locale)}</time
                        >
                        <clawdbot-change .ui=${this.ui} .change=${each}></clawdbot-change>
                      </li>`,
                  )}
                </ul>`
        }
      </div>
    </dialog>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-change-list": ClawdbotChangeList;
  }
}
