/** `<clawdbot-session-dialogs>`: export, earlier conversations to look at, and how the model is asked in one session. */
import { changeSession } from "../../state/session-commands.js";
import { restore, transcripts } from "../../state/session-files.js";
import { html, nothing } from "lit";
import type { TemplateResult } from "lit";

import { RequestRefused } from "../../client/gateway-client.js";
import type { ExportFormat, Transcript } from "../../protocol/types.js";
import { entryOf } from "../../state/state.js";
import en from "../../i18n/dialogs.en.json";
import ko from "../../i18n/dialogs.ko.json";
import { addTexts } from "../../i18n/index.js";

import type { Ui } from "../base/ui-context.js";
import { closeOnBackdrop } from "../base/dialog.js";
import { fullTime } from "../base/format.js";
import { icon } from "../base/more-icons.js";
import { LightElement } from "../base/light-element.js";
import { forms } from "../styles/lazy.js";
import { saveConversation } from "./save.js";

addTexts({ en, ko });

export class ClawdbotSessionDialogs extends LightElement {
  static override sheet = forms;
  static override properties = {
    ui: { attribute: false },
    target: { state: true },
    transcripts: { state: true },
    problem: { state: true },
  };

  declare ui: Ui;
  declare private target: { key: string; title: string };
  /** `null` while they are being fetched. */
  declare private transcripts: Transcript[] | null;
  /** Why the options were not taken. */
  declare private problem: string;

  constructor() {
    super();
    this.target = { key: "", title: "" };
    this.transcripts = null;
    this.problem = "";
  }

  async showEarlier(key: string, title: string): Promise<void> {
    this.target = { key, title };
    this.transcripts = null;
    await this.updateComplete;
    const dialog = this.querySelector<HTMLDialogElement>("#archive-dialog");
    dialog?.showModal();
    const found = transcripts(this.ui.controller.client, key);
    if (await this.ui.attempt(found)) this.transcripts = (await found).filter((each) => each.archivedAt !== null);
    else dialog?.close();
  }

  /** Instructions and temperature of a session. */
  async showOptions(key: string, title: string): Promise<void> {
    this.target = { key, title };
    this.problem = "";
    await this.updateComplete;
    const entry = entryOf(this.ui.controller.state, key);
    const dialog = this.querySelector<HTMLDialogElement>("#options-dialog");
    const prompt = dialog?.querySelector("textarea");
    const temperature = dialog?.querySelector<HTMLInputElement>("#session-temperature");
    if (!dialog || !prompt || !temperature) return;
    prompt.value = entry?.systemPrompt ?? "";
    temperature.value = entry?.temperature === undefined ? "" : String(entry.temperature);
    dialog.showModal();
  }

  chooseExport(key: string, title: string): void {
    this.target = { key, title };
    void this.updateComplete.then(() => this.querySelector<HTMLDialogElement>("#export-dialog")?.showModal());
  }

  private async export(format: ExportFormat): Promise<void> {
    this.querySelector<HTMLDialogElement>("#export-dialog")?.close();
    await this.ui.attempt(saveConversation(this.ui, this.target.key, format));
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
      ${this.exportDialog()} ${this.optionsDialog()}
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
            <button type="button" class="button" @click=${() => void this.openTranscript(each)}>
              ${t("archive.read")}
            </button>
            <button type="button" class="button" @click=${() => void this.restore(each.sessionId)}>
              ${t("archive.restore")}
            </button>
          </li>`,
      )}
    </ul>`;
  }

  private optionsDialog(): TemplateResult {
    const { t } = this.ui;
    return html`<dialog id="options-dialog" class="dialog" aria-labelledby="options-title" @click=${closeOnBackdrop}>
      <form method="dialog" class="dialog-body options" @submit=${this.optionsGiven}>
        <h2 id="options-title">${t("options.title")}</h2>
        <label for="session-prompt">${t("options.prompt")}</label>
        <textarea id="session-prompt" rows="7" maxlength="100000" placeholder=${t("options.promptHint")}></textarea>
        <label for="session-temperature">${t("options.temperature")}</label>
        <input
          id="session-temperature"
          type="number"
          min="0"
          max="2"
          step="0.1"
          inputmode="decimal"
          placeholder=${t("options.temperatureNone")}
          aria-describedby="temperature-hint"
        />
        <p id="temperature-hint" class="fine">${t("options.temperatureHint")}</p>
        <p class="problem" role="alert">${this.problem}</p>
        <div class="dialog-actions">
          <button value="no" class="button" formnovalidate>${t("action.cancel")}</button>
          <button value="yes" class="button primary">${t("setup.save")}</button>
        </div>
      </form>
    </dialog>`;
  }

  private async optionsGiven(event: SubmitEvent): Promise<void> {
    if ((event.submitter as HTMLButtonElement | null)?.value !== "yes") return;
    event.preventDefault(); // it stays open until the gateway has taken it
    const dialog = this.querySelector<HTMLDialogElement>("#options-dialog");
    const prompt = dialog?.querySelector("textarea")?.value.trim() ?? "";
    const temperature = dialog?.querySelector<HTMLInputElement>("#session-temperature")?.value ?? "";
    const changing = changeSession(this.ui.controller.client, this.target.key, {
      systemPrompt: prompt === "" ? null : prompt,
      temperature: temperature === "" ? null : Number(temperature),
    });
    try {
      const { notes } = await changing;
      dialog?.close();
      for (const text of notes ?? []) this.ui.toast({ text, lasts: 8_000 });
    } catch (error) {
      const refused = error instanceof RequestRefused;
      this.problem = refused ? this.ui.t("action.refused", { reason: error.message }) : this.ui.t("action.lost");
    }
  }

  private async openTranscript({ sessionId, derivedTitle }: Transcript): Promise<void> {
    const reader = await this.ui.part("clawdbot-reader");
    await reader?.open({ sessionId, key: this.target.key, title: derivedTitle ?? this.target.title });
  }

  private async restore(sessionId: string): Promise<void> {
    const { ui, target } = this;
    if (!(await ui.attempt(restore(ui.controller.client, sessionId)))) return;
    this.closeArchive();
    ui.controller.select(target.key);
    ui.toast({ text: ui.t("archive.restored") });
  }

  private closeArchive(): void {
    this.querySelector<HTMLDialogElement>("#archive-dialog")?.close();
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-session-dialogs": ClawdbotSessionDialogs;
  }
}
