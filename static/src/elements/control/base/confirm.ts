/** `<clawdbot-control-confirm>`: a question before something that cannot be taken back. */
import { html, nothing } from "lit";
import type { TemplateResult } from "lit";

import { closeOnBackdrop } from "../../base/dialog.js";
import { LightElement } from "../../base/light-element.js";
import type { Translate } from "../../../i18n/index.js";
import { dialogs } from "../../styles/dialogs.js";
import type { Question } from "./tab.js";

export class ControlConfirm extends LightElement {
  static override sheet = dialogs;
  static override properties = { t: { attribute: false }, question: { state: true } };

  declare t: Translate;
  declare private question: Question | null;
  private answer: (yes: boolean) => void = () => undefined;

  constructor() {
    super();
    this.question = null;
  }

  async ask(question: Question): Promise<boolean> {
    this.answer(false);
    this.question = question;
    await this.updateComplete;
    const answered = new Promise<boolean>((resolve) => (this.answer = resolve));
    this.querySelector("dialog")?.showModal();
    return answered;
  }

  protected override render(): TemplateResult | typeof nothing {
    const { question, t } = this;
    if (!question) return nothing;
    return html`<dialog
      class="dialog small"
      aria-labelledby="control-question"
      @close=${() => this.answer(false)}
      @click=${closeOnBackdrop}
    >
      <div class="dialog-body">
        <h2 id="control-question">${question.title}</h2>
        ${question.text ? html`<p>${question.text}</p>` : nothing}
        <div class="dialog-actions">
          <button type="button" class="button" autofocus @click=${() => this.close(false)}>
            ${t("control.cancel")}
          </button>
          <button
            type="button"
            class="button ${question.danger ? "danger" : "primary"}"
            @click=${() => this.close(true)}
          >
            ${question.action}
          </button>
        </div>
      </div>
    </dialog>`;
  }

  private close(yes: boolean): void {
    this.answer(yes);
    this.querySelector("dialog")?.close();
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-control-confirm": ControlConfirm;
  }
}
