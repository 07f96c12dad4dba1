/** `<clawdbot-session-edit>`: name, model, thinking and place of one session. */
import { html, nothing } from "lit";
import type { TemplateResult } from "lit";

import type { SessionEntry } from "../../protocol/types.js";
import { changeSession } from "../../state/session-commands.js";
import type { SessionChange } from "../../state/session-commands.js";
import { closeOnBackdrop } from "../base/dialog.js";
import { LightElement } from "../base/light-element.js";
import { titleOf } from "../sessions/title.js";
import { forms } from "../styles/lazy.js";
import type { Control } from "./base/tab.js";

/** A row of `models.list`, as far as it is shown. */
interface ModelChoice {
  spec: string;
  name: string;
}

const LEVELS = ["off", "low", "medium", "high"] as const;

export class SessionEdit extends LightElement {
  static override sheet = forms;
  static override properties = {
    control: { attribute: false },
    entry: { state: true },
    models: { state: true },
    problem: { state: true },
  };

  declare control: Control;
  declare private entry: SessionEntry | null;
  declare private models: readonly ModelChoice[];
  declare private problem: string;

  constructor() {
    super();
    this.entry = null;
    this.models = [];
    this.problem = "";
  }

  async open(entry: SessionEntry): Promise<void> {
    this.entry = null; // with new fields: the old ones keep what was typed for another session
    await this.updateComplete;
    this.entry = entry;
    this.problem = "";
    await this.updateComplete;
    this.querySelector("dialog")?.showModal();
    const { client } = this.control.ui.controller;
    const asking = client.request("models.list", {});
    if (await this.control.ui.attempt(asking)) this.models = (await asking).models as unknown as readonly ModelChoice[];
  }

  protected override render(): TemplateResult | typeof nothing {
    const { entry } = this;
    if (!entry) return nothing;
    const { t, controller } = this.control.ui;
    const level = entry.thinkingLevel ?? "";
    const levels = [...new Set<string>([...LEVELS, ...(level === "" ? [] : [level])])];
    const specs = this.models;
    const own = entry.modelOverride ?? "";
    return html`<dialog class="dialog small" aria-labelledby="session-edit-title" @click=${closeOnBackdrop}>
      <form class="dialog-body" method="dialog" @submit=${this.save}>
        <h2 id="session-edit-title" dir="auto">${titleOf(entry, entry.key, controller.state.mainKey, t)}</h2>
        <p class="fine">${t("control.key")}: <code>${entry.key}</code></p>
        <label
          >${t("control.name")}
          <input
            name="label"
            maxlength="200"
            autocomplete="off"
            .value=${entry.label ?? ""}
            aria-describedby="session-name-hint"
          />
        </label>
        <p class="fine" id="session-name-hint">${t("sessionsTab.nameHint")}</p>
        <label
          >${t("control.model")}
          <select name="model">
            <option value="" ?selected=${own === ""}>${t("control.defaultModel")}</option>
            ${own !== "" && !specs.some(({ spec }) => spec === own) ? html`<option value=${own} selected>${own}</option>` : nothing}
            ${specs.map(({ spec, name }) => html`<option value=${spec} ?selected=${spec === own}>${name}</option>`)}
          </select>
        </label>
        <label
          >${t("sessionsTab.thinking")}
          <select name="thinking">
            <option value="" ?selected=${level === ""}>${t("sessionsTab.thinkingDefault")}</option>
            ${levels.map((each) => html`<option value=${each} ?selected=${each === level}>${each}</option>`)}
          </select>
        </label>
        <label class="check"
          ><input type="checkbox" name="pinned" .checked=${entry.pinned === true} /> ${t("sessionsTab.pin")}</label
        >
        ${this.problem === "" ? nothing : html`<p class="error" role="alert">${this.problem}</p>`}
        <div class="dialog-actions">
          <button type="button" class="button" @click=${this.close}>${t("sessionsTab.close")}</button>
          <button type="submit" class="button primary" ?disabled=${!this.control.online}>${t("control.save")}</button>
        </div>
      </form>
    </dialog>`;
  }

  private readonly close = (): void => this.querySelector("dialog")?.close();

  private readonly save = (event: SubmitEvent): void => {
    event.preventDefault();
    void this.write(event.target as HTMLFormElement);
  };

  /** Only what is another than it was: the rest may have been changed elsewhere meanwhile. */
  private async write(form: HTMLFormElement): Promise<void> {
    const { entry } = this;
    if (!entry) return;
    const given = new FormData(form);
    const text = (name: string): string => {
      const value = given.get(name);
      return typeof value === "string" ? value.trim().normalize("NFC") : "";
    };
    const change: SessionChange = {};
    if (text("label") !== (entry.label ?? "")) change.label = text("label") || null;
    if (text("model") !== (entry.modelOverride ?? "")) change.model = text("model") || null;
    if (text("thinking") !== (entry.thinkingLevel ?? "")) change.thinkingLevel = text("thinking") || null;
    const pinned = given.has("pinned");
    if (pinned !== (entry.pinned === true)) change.pinned = pinned || null;
    if (Object.keys(change).length > 0) {
      try {
        await changeSession(this.control.ui.controller.client, entry.key, change);
      } catch (error) {
        this.problem = error instanceof Error ? error.message : String(error);
        return;
      }
      this.control.ui.toast({ text: this.control.ui.t("sessionsTab.saved") });
    }
    this.close();
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-session-edit": SessionEdit;
  }
}
