/**
 * `<clawdbot-control-config-raw>`: the file as a text. The field keeps its text by itself, so that one of megabytes is
 * neither copied nor looked through with each key.
 */
import { html, nothing } from "lit";
import type { PropertyValues, TemplateResult } from "lit";

import { RequestRefused } from "../../client/gateway-client.js";
import { icon } from "../base/icons.js";
import { LightElement } from "../base/light-element.js";
import type { Control } from "./base/tab.js";
import type { Snapshot } from "./config-fields.js";

/** Characters that the gateway takes. */
export const MOST = 1_000_000;

export class ControlConfigRaw extends LightElement {
  static override properties = {
    control: { attribute: false },
    snapshot: { attribute: false },
    writable: { attribute: false },
    onRead: { attribute: false },
    changed: { state: true },
    fault: { state: true },
    saving: { state: true },
  };

  declare control: Control;
  declare snapshot: Snapshot;
  declare writable: boolean;
  /** Read the file again. */
  declare onRead: () => Promise<void>;
  /** The text is another than the one that was read. */
  declare private changed: boolean;
  declare private fault: string;
  declare private saving: boolean;
  /** What the text was made from. */
  private base: Snapshot | null = null;

  constructor() {
    super();
    this.changed = false;
    this.fault = "";
    this.saving = false;
  }

  private get field(): HTMLTextAreaElement | null {
    return this.querySelector<HTMLTextAreaElement>("textarea.raw");
  }

  /** The file has become another one while this text was changed. */
  private get behind(): boolean {
    return this.changed && this.base !== null && this.base.hash !== this.snapshot.hash;
  }

  protected override updated(changed: PropertyValues<this>): void {
    if (!changed.has("snapshot") || this.changed) return;
    this.fill();
  }

  private fill(): void {
    const { field, snapshot } = this;
    this.base = snapshot;
    this.changed = false;
    if (field && field.value !== snapshot.raw) field.value = snapshot.raw ?? "";
  }

  protected override render(): TemplateResult {
    const { t } = this.control.ui;
    const { snapshot } = this;
    // What was typed stays, also when the file breaks meanwhile.
    if (snapshot.raw === null && !this.changed) return html`<p class="control-note">${t("configTab.unreadable")}</p>`;
    return html`<p class="fine" id="raw-help">${t("configTab.rawHelp")}</p>
      ${snapshot.comments ? html`<p class="control-note">${icon("warn")} ${t("configTab.comments")}</p>` : nothing}
      <textarea
        class="raw"
        aria-label=${t("configTab.raw")}
        aria-describedby="raw-help raw-fault"
        aria-invalid=${this.fault === "" ? nothing : "true"}
        spellcheck="false"
        autocapitalize="off"
        rows="24"
        ?readonly=${!this.writable || !this.control.online || this.saving}
        @input=${() => {
          this.changed = true;
          this.fault = "";
        }}
      ></textarea>
      <p class="fault" id="raw-fault" role="alert">
        ${this.fault === "" ? nothing : html`${icon("warn")} ${this.fault}`}
      </p>
      ${this.behind ? this.both() : nothing}
      ${
        this.changed
          ? html`<div class="card-actions">
              <button type="button" class="button" @click=${() => this.fill()}>${t("configTab.discard")}</button>
              <button
                type="button"
                class="button primary"
                ?disabled=${!this.control.online || this.saving || this.behind}
                @click=${() => void this.save()}
              >
                ${t("configTab.saveFile")}
              </button>
            </div>`
          : nothing
      }`;
  }

  private both(): TemplateResult {
    const { t } = this.control.ui;
    return html`<div class="config-both" role="alert">
      <p>${icon("warn")} ${t("configTab.fileChanged")}</p>
      <h3>${t("configTab.theirs")}</h3>
      <pre tabindex="0">${this.snapshot.raw ?? t("configTab.unreadable")}</pre>
      <div class="card-actions">
        <button type="button" class="button" @click=${() => this.fill()}>${t("configTab.takeTheirs")}</button>
        <button
          type="button"
          class="button"
          @click=${() => {
            this.base = this.snapshot;
            this.requestUpdate();
          }}
        >
          ${t("configTab.keepMine")}
        </button>
      </div>
    </div>`;
  }

  private async save(): Promise<void> {
    const { t } = this.control.ui;
    const { field, base } = this;
    if (!field || !base) return;
    const raw = field.value;
    if (raw.length > MOST) {
      this.fault = t("configTab.tooLarge", { most: MOST.toLocaleString(this.control.ui.locale) });
      return;
    }
    this.saving = true;
    try {
      await this.control.ui.controller.client.request("config.set", {
        raw: raw === "" ? "{}" : raw,
        baseHash: base.hash,
      });
      this.changed = false;
      this.fault = "";
      this.control.ui.toast({ text: t("configTab.saved") });
      await this.onRead();
    } catch (error) {
      if (error instanceof RequestRefused && error.reason === "STALE") await this.onRead();
      else this.fault = this.words(error);
      field.focus();
    } finally {
      this.saving = false;
    }
  }

  private words(error: unknown): string {
    const { t } = this.control.ui;
    if (!(error instanceof RequestRefused)) return t("configTab.unsure");
    const { setting, problem, suggestion } = error.details ?? {};
    if (typeof problem !== "string") return error.message;
    const where = typeof setting === "string" ? `${setting}: ` : "";
    const near = typeof suggestion === "string" ? ` (${t("configTab.meant", { value: suggestion })})` : "";
    return `${where}${problem}${near}`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-control-config-raw": ControlConfigRaw;
  }
}
