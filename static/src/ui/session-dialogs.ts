/** `<clawdbot-session-dialogs>`: what asks before it acts (delete, export), and the archived transcripts to look at. */
import { html, nothing } from "lit";
import type { TemplateResult } from "lit";

import type { ExportFormat, Transcript } from "../core/protocol.js";
import en from "../i18n/dialogs.en.json";
import ko from "../i18n/dialogs.ko.json";
import { addTexts } from "../i18n/index.js";

import type { Ui } from "./context.js";
import { closeOnBackdrop } from "./dialog.js";
import { download } from "./download.js";
import { fullTime } from "./format.js";
import { icon } from "./icons.js";
import { LightElement } from "./light.js";
import { forms } from "./styles/lazy.js";

addTexts({ en, ko });

export class ClawdbotSessionDialogs extends LightElement {
  static override sheet = forms;
  static override properties = {
    ui: { attribute: false },
    target: { state: true },
    transcripts: { state: true },
  };

  declare ui: Ui;
  declare private target: { key: string; title: string };
  /** `null` while they are being fetched. */
  declare private transcripts: Transcript[] | null;

  constructor() {
    super();
    this.target = { key: "", title: "" };
    this.transcripts = null;
  }

  confirmRemove(key: string, title: string): void {
    this.target = { key, title };
    void this.updateComplete.then(() => this.querySelector<HTMLDialogElement>("#remove-dialog")?.showModal());
  }

  async showArchive(key: string, title: string): Promise<void> {
    this.target = { key, title };
    this.transcripts = null;
    await this.updateComplete;
    const dialog = this.querySelector<HTMLDialogElement>("#archive-dialog");
    dialog?.showModal();
    const found = this.ui.controller.transcripts(key);
    if (await this.ui.attempt(found)) this.transcripts = (await found).filter((each) => each.archivedAt !== null);
    else dialog?.close();
  }

  chooseExport(key: string, title: string): void {
    this.target = { key, title };
    void this.updateComplete.then(() => this.querySelector<HTMLDialogElement>("#export-dialog")?.showModal());
  }

  private async export(format: ExportFormat): Promise<void> {
    this.querySelector<HTMLDialogElement>("#export-dialog")?.close();
    const made = this.ui.controller.exported(this.target.key, format);
    if (!(await this.ui.attempt(made))) return;
    const { filename, mediaType, content } = await made;
    download(filename, mediaType, content);
  }

  private exportDialog(): TemplateResult {
    const { t } = this.ui;
    const choice = (format: ExportFormat, name: string, what: string): TemplateResult =>
      html`<button type="button" class="export-choice" @click=${() => void this.export(format)}>
        <strong>${name}</strong><small>${what}</small>
      </button>`;
    return html`<dialog
      id="export-dialog"
      class="dialog small"
      aria-labelledby="export-title"
      @click=${closeOnBackdrop}
    >
      <form method="dialog" class="dialog-body">
        <h2 id="export-title">${t("export.title")}</h2>
        <p class="fine">${this.target.title}</p>
        <div class="export-choices">
          ${choice("markdown", "Markdown", t("export.markdown"))} ${choice("html", "HTML", t("export.html"))}
          ${choice("ipynb", "Jupyter Notebook", t("export.ipynb"))} ${choice("json", "JSON", t("export.json"))}
        </div>
        <div class="dialog-actions"><button class="button">${t("action.cancel")}</button></div>
      </form>
    </dialog>`;
  }

  protected override render(): TemplateResult {
    const { t } = this.ui;
    return html`
      ${this.exportDialog()}
      <dialog
        id="remove-dialog"
        class="dialog small"
        role="alertdialog"
        aria-labelledby="remove-title"
        aria-describedby="remove-text"
        @click=${closeOnBackdrop}
      >
        <form method="dialog" class="dialog-body" @submit=${this.removed}>
          <h2 id="remove-title">${t("remove.title")}</h2>
          <p id="remove-text">${t("remove.text", { title: this.target.title })}</p>
          <div class="dialog-actions">
            <button value="no" class="button" autofocus>${t("action.cancel")}</button>
            <button value="yes" class="button danger">${t("remove.yes")}</button>
          </div>
        </form>
      </dialog>
      <dialog id="archive-dialog" class="dialog" aria-labelledby="archive-title" @click=${closeOnBackdrop}>
        <div class="dialog-head">
          <h2 id="archive-title">${t("archive.title")}</h2>
          <button
            type="button"
            class="icon-button"
            aria-label=${t("action.close")}
            title=${t("action.close")}
            @click=${() => this.closeArchive()}
          >
            ${icon("close")}
          </button>
        </div>
        <div class="dialog-body">
          <p class="fine">${t("archive.lead", { title: this.target.title })}</p>
          ${this.archived()}
        </div>
      </dialog>
    `;
  }

  private archived(): TemplateResult | typeof nothing {
    const { t, locale } = this.ui;
    if (this.transcripts === null) return html`<p class="none">${t("transcript.loading")}</p>`;
    if (this.transcripts.length === 0) return html`<p class="none">${t("archive.none")}</p>`;
    return html`<ul class="archive">
      ${this.transcripts.map(
        (each) =>
          html`<li>
            <div>
              <strong>${each.derivedTitle ?? t("sessions.untitled")}</strong>
              <small
                >${fullTime(each.archivedAt ?? each.createdAt, locale)} ·
                ${t("archive.count", { count: each.messageCount })}</small
              >
            </div>
            <button type="button" class="button" @click=${() => void this.restore(each.sessionId)}>
              ${t("archive.restore")}
            </button>
          </li>`,
      )}
    </ul>`;
  }

  private removed(event: SubmitEvent): void {
    const yes = (event.submitter as HTMLButtonElement | null)?.value === "yes";
    const { key } = this.target;
    if (yes) void this.ui.attempt(this.ui.controller.remove(key));
  }

  private async restore(sessionId: string): Promise<void> {
    const { ui, target } = this;
    if (!(await ui.attempt(ui.controller.restore(sessionId)))) return;
    this.closeArchive();
    ui.controller.select(target.key);
    ui.toast({ text: ui.t("archive.restored") });
  }

  private closeArchive(): void {
    this.querySelector<HTMLDialogElement>("#archive-dialog")?.close();
  }
}
