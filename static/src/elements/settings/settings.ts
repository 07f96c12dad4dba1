/** `<clawdbot-settings>`: what a person can choose, findable by name. Everything acts at once and can be reset alone. */
import { html, nothing } from "lit";
import type { TemplateResult } from "lit";
import { live } from "lit/directives/live.js";

import { titleMatches } from "../../input/hangul-search.js";
import { isComposingKey } from "../../input/ime.js";
import { addTexts } from "../../i18n/index.js";
import en from "../../i18n/settings.en.json";
import ko from "../../i18n/settings.ko.json";
import { loadElement } from "../base/lazy.js";

import type { Ui } from "../base/ui-context.js";
import { closeOnBackdrop } from "../base/dialog.js";
import { icon } from "../base/more-icons.js";
import { registerHands } from "../hands/registry.js";
import { importFile } from "../sessions/import.js";
import { LightElement } from "../base/light-element.js";
import { mayNotify } from "./web-notifications.js";
import { DEFAULTS } from "../base/preferences.js";
import { SETTINGS } from "./settings-table.js";
import type { Setting } from "./settings-table.js";
import { configure } from "../../state/setup-commands.js";
import { forms } from "../styles/lazy.js";

addTexts({ en, ko });
registerHands();

const SECTIONS = {
  look: "settings.look",
  writing: "settings.writing",
  notices: "settings.notices",
  provider: "settings.provider",
  permissions: "settings.permissions",
  conversations: "settings.conversations",
  about: "settings.about",
} as const;
type Section = keyof typeof SECTIONS;

export class ClawdbotSettings extends LightElement {
  static override sheet = forms;
  static override properties = {
    ui: { attribute: false },
    wanted: { state: true },
    autoTitle: { state: true },
    importing: { state: true },
  };

  declare ui: Ui;
  /** What is looked for. */
  declare private wanted: string;
  /** `null`: not known (yet), or not ours to change. */
  declare private autoTitle: boolean | null;
  /** How much of the file that is being imported is at the gateway, 0 to 1. */
  declare private importing: number | null;

  constructor() {
    super();
    this.wanted = "";
    this.autoTitle = null;
    this.importing = null;
  }

  /** @param at `setup`: put the cursor into the field for the key */
  open(at?: string): void {
    this.wanted = "";
    void loadElement("clawdbot-setup");
    void this.ui.controller.refreshSetup();
    void this.readConfig();
    const dialog = this.querySelector("dialog");
    if (dialog && !dialog.open) dialog.showModal();
    if (at === "setup") void this.toSetup();
  }

  private async toSetup(): Promise<void> {
    await loadElement("clawdbot-setup");
    const setup = this.querySelector("clawdbot-setup");
    await setup?.updateComplete;
    setup?.scrollIntoView({ block: "center" });
    setup?.querySelector("input")?.focus();
  }

  private async readConfig(): Promise<void> {
    try {
      const { config } = (await this.ui.controller.client.request("config.get", {})) as { config?: unknown };
      const { agents } = (config ?? {}) as { agents?: { defaults?: { autoTitle?: boolean } } };
      this.autoTitle = agents?.defaults?.autoTitle ?? true;
    } catch {
      this.autoTitle = null; // no right to, or not connected
    }
  }

  protected override render(): TemplateResult {
    const { t } = this.ui;
    const sections = (Object.keys(SECTIONS) as Section[])
      .map((section) => this.section(section))
      .filter((each) => each !== nothing);
    return html`<dialog class="dialog settings" aria-labelledby="settings-title" @click=${closeOnBackdrop}>
      <div class="dialog-head">
        <h2 id="settings-title">${t("settings.title")}</h2>
        <button
          type="button"
          class="icon-button"
          aria-label=${t("action.close")}
          title=${t("action.close")}
          @click=${this.close}
        >
          ${icon("close")}
        </button>
      </div>
      <label class="search">
        ${icon("search")}<span class="sr">${t("settings.find")}</span>
        <input
          type="search"
          placeholder=${t("settings.find")}
          .value=${live(this.wanted)}
          @input=${(event: Event) => (this.wanted = (event.target as HTMLInputElement).value)}
          @keydown=${(event: KeyboardEvent) => {
            if (event.key !== "Escape" || isComposingKey(event) || this.wanted === "") return;
            event.preventDefault(); // the first Esc empties the field, the next closes the dialog
            this.wanted = "";
          }}
        />
      </label>
      <div class="dialog-body">${sections.length > 0 ? sections : html`<p class="none">${t("settings.none")}</p>`}</div>
    </dialog>`;
  }

  /** Does what is looked for stand in one of these texts? */
  private hit(...texts: string[]): boolean {
    return texts.some((text) => titleMatches(text, this.wanted));
  }

  private section(name: Section): TemplateResult | typeof nothing {
    const { t } = this.ui;
    const title = t(SECTIONS[name]);
    const rows = [
      ...SETTINGS.filter((each) => each.section === name && this.hit(title, ...this.words(each))).map((each) =>
        this.row(each),
      ),
      ...this.special(name, title),
    ];
    if (rows.length === 0) return nothing;
    return html`<section class=${name}>
      <h3>${title}</h3>
      ${rows}
    </section>`;
  }

  private words({ label, hint, choices }: Setting): string[] {
    const { t } = this.ui;
    const names = (choices ?? []).map(([, text]) => (typeof text === "string" ? t(text) : text.name));
    return [t(label), ...(hint ? [t(hint)] : []), ...names];
  }

  // -- rows of this browser -----------------------------------------------------------------------------------------
  private row(setting: Setting): TemplateResult {
    return html`<div class="setting">
      ${setting.choices ? this.choice(setting, setting.choices) : this.toggle(setting)} ${this.resetButton(setting)}
    </div>`;
  }

  private resetButton({ name, label }: Setting): TemplateResult | typeof nothing {
    const { t, prefs, setPrefs } = this.ui;
    if (prefs[name] === DEFAULTS[name]) return nothing;
    const text = t("settings.reset", { name: t(label) });
    return html`<button
      type="button"
      class="icon-button small"
      aria-label=${text}
      title=${text}
      @click=${() => {
        setPrefs({ [name]: DEFAULTS[name] });
      }}
    >
      ${icon("restart")}
    </button>`;
  }

  private toggle({ name, label, hint }: Setting): TemplateResult {
    const { t, prefs } = this.ui;
    return this.switch(t(label), hint ? t(hint) : "", prefs[name] === true, (on) => void this.turn(name, on));
  }

  private async turn(name: Setting["name"], on: boolean): Promise<void> {
    // Permission is asked for here and nowhere else: it was this press that wanted it.
    if (name === "notify" && on && !(await mayNotify())) {
      this.ui.toast({ text: this.ui.t("settings.notifyDenied"), kind: "error" });
      this.requestUpdate();
      return;
    }
    this.ui.setPrefs({ [name]: on });
  }

  private switch(label: string, hint: string, on: boolean, turned: (on: boolean) => void): TemplateResult {
    return html`<label class="switch">
      <input
        type="checkbox"
        role="switch"
        .checked=${live(on)}
        @change=${(event: Event) => turned((event.target as HTMLInputElement).checked)}
      />
      <span><span>${label}</span>${hint ? html`<small>${hint}</small>` : nothing}</span>
    </label>`;
  }

  private choice({ name, label }: Setting, choices: NonNullable<Setting["choices"]>): TemplateResult {
    const { t, prefs } = this.ui;
    return html`<fieldset class="choice">
      <legend>${t(label)}</legend>
      <div class="segments">
        ${choices.map(
          ([value, text]) =>
            html`<label
              ><input
                type="radio"
                name=${`pref-${name}`}
                .checked=${prefs[name] === value}
                @change=${() => {
                  this.ui.setPrefs({ [name]: value });
                }}
              /><span>${typeof text === "string" ? t(text) : text.name}</span></label
            >`,
        )}
      </div>
    </fieldset>`;
  }

  // -- rows of the gateway ------------------------------------------------------------------------------------------
  private special(section: Section, title: string): TemplateResult[] {
    const { t, controller } = this.ui;
    const { hello } = controller.state;
    if (
      section === "provider" &&
      controller.can("models.setKey") &&
      this.hit(title, t("setup.title"), t("setup.label"))
    )
      return [html`<clawdbot-setup plain .ui=${this.ui} .setup=${hello?.snapshot?.setup}></clawdbot-setup>`];
    if (section === "permissions") {
      if (!controller.can("hands.grants.list") || !this.hit(title, t("settings.permissionsHint"))) return [];
      void loadElement("clawdbot-grants");
      return [
        html`<p class="fine">${t("settings.permissionsHint")}</p>
          <clawdbot-grants .ui=${this.ui}></clawdbot-grants>`,
      ];
    }
    if (section === "conversations") return this.conversations(title);
    if (section !== "about" || !this.hit(title, t("settings.logout"), t("settings.shortcuts"))) return [];
    return [
      html`<p>${t("settings.version", { version: hello?.server.version ?? "–" })}</p>
        ${hello?.user?.via === "signin" ? html`<p>${t("settings.user", { name: hello.user.name })}</p>` : nothing}
        <div class="card-actions">
          <button type="button" class="button" @click=${() => void this.shortcuts()}>${t("settings.shortcuts")}</button>
          ${this.ui.http && controller.can("config.get") && !controller.off("settings") ? this.allSettings() : nothing}
          ${
            this.ui.canLogOut()
              ? html`<button type="button" class="button" @click=${this.logOut}>
                    ${icon("exit")} ${t("settings.logout")}
                  </button>
                  ${
                    controller.can("auth.logoutEverywhere")
                      ? html`<button type="button" class="button" @click=${this.logOutEverywhere}>
                          ${t("settings.logoutEverywhere")}
                        </button>`
                      : nothing
                  }`
              : nothing
          }
        </div>`,
    ];
  }

  /** To the Control UI, which may be around this very chat; beside a notebook it is a page of its own. */
  private allSettings(): TemplateResult {
    const { ui } = this;
    const around = ui.mode === "page" && document.querySelector("clawdbot-control") !== null;
    return html`<a
      class="button"
      href=${around ? "#/config" : `${ui.base}#/config`}
      target=${ui.mode === "page" ? "_self" : "_blank"}
      rel="noopener"
      @click=${this.close}
      >${ui.t("settings.control")}</a
    >`;
  }

  private conversations(title: string): TemplateResult[] {
    const { t } = this.ui;
    const rows: TemplateResult[] = [];
    if (
      this.autoTitle !== null &&
      this.ui.controller.can("config.patch") &&
      this.hit(title, t("settings.autoTitle"), t("settings.autoTitleHint"))
    )
      rows.push(
        this.switch(
          t("settings.autoTitle"),
          t("settings.autoTitleHint"),
          this.autoTitle,
          (on) => void this.setAutoTitle(on),
        ),
      );
    if (this.ui.controller.can("sessions.import") && this.hit(title, t("settings.import"), t("settings.importHint")))
      rows.push(
        html`<div class="file-row">
          <span><span id="import-label">${t("settings.import")}</span><small>${t("settings.importHint")}</small></span>
          <label class="button" ?data-busy=${this.importing !== null}>
            ${icon("upload")} ${t("settings.choose")}
            <input
              type="file"
              class="sr"
              multiple
              accept=".json,.jsonl,.ndjson,application/json"
              aria-labelledby="import-label"
              ?disabled=${this.importing !== null}
              @change=${this.import}
            />
          </label>
          ${
            this.importing === null
              ? nothing
              : html`<progress aria-label=${t("settings.importing")} .value=${this.importing}></progress>`
          }
        </div>`,
      );
    return rows;
  }

  private async setAutoTitle(on: boolean): Promise<void> {
    // Back at the default there is nothing to keep in the file.
    const changing = configure(this.ui.controller.client, { agents: { defaults: { autoTitle: on ? null : false } } });
    if (await this.ui.attempt(changing)) this.autoTitle = on;
    this.requestUpdate();
  }

  private async import(event: Event): Promise<void> {
    const field = event.target as HTMLInputElement;
    const files = [...(field.files ?? [])];
    field.value = "";
    const { t, toast, controller } = this.ui;
    this.importing = 0;
    for (const file of files) {
      this.importing = 0;
      const result = await importFile(controller, file, (part) => (this.importing = part));
      if (result.ok) {
        toast({ text: t("import.done", { name: result.name, count: result.messages }) });
        if (result.keys[0] !== undefined && files.length === 1) controller.select(result.keys[0]);
      } else if (result.reason === "too-large")
        toast({ text: t("import.tooLarge", { name: result.name }), kind: "error", lasts: 12_000 });
      else if (result.reason === "lost") toast({ text: t("action.lost"), kind: "error" });
      else
        toast({ text: t("import.failed", { name: result.name, reason: result.detail }), kind: "error", lasts: 8_000 });
    }
    this.importing = null;
  }

  private async shortcuts(): Promise<void> {
    this.close();
    (await this.ui.part("clawdbot-shortcuts"))?.open();
  }

  /** All browsers: the gateway closes this page's socket too, and the page asks for a login. */
  private async logOutEverywhere(): Promise<void> {
    const ended = this.ui.controller.client.request("auth.logoutEverywhere", {});
    if (await this.ui.attempt(ended)) this.close();
  }

  private logOut(): void {
    this.close();
    this.ui.logOut();
  }

  private close(): void {
    this.querySelector("dialog")?.close();
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-settings": ClawdbotSettings;
  }
}
