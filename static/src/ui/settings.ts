/** `<clawdbot-settings>`: the dialog of what a person can choose. Everything takes effect at once. */
import { html, nothing } from "lit";
import type { TemplateResult } from "lit";

import type { Hello } from "../core/protocol.js";
import { addTexts } from "../i18n/index.js";
import type { TextKey } from "../i18n/index.js";
import en from "../i18n/settings.en.json";
import ko from "../i18n/settings.ko.json";
import { need } from "../parts.js";

import type { Ui } from "./context.js";
import { closeOnBackdrop } from "./dialog.js";
import { icon } from "./icons.js";
import { LightElement } from "./light.js";
import type { Prefs } from "./prefs.js";
import { forms } from "./styles/lazy.js";

addTexts({ en, ko });

type Choice = readonly [value: string, label: TextKey | { name: string }];

const THEMES: Choice[] = [
  ["system", "settings.system"],
  ["light", "settings.light"],
  ["dark", "settings.dark"],
];
const SIZES: Choice[] = [
  ["small", "settings.small"],
  ["medium", "settings.medium"],
  ["large", "settings.large"],
];
const LANGUAGES: Choice[] = [
  ["", "settings.browserLanguage"],
  ["en", { name: "English" }],
  ["ko", { name: "한국어" }],
];
const SEND_KEYS: Choice[] = [
  ["enter", "settings.sendEnter"],
  ["ctrl-enter", "settings.sendCtrl"],
];

export class ClawdbotSettings extends LightElement {
  static override sheet = forms;
  static override properties = {
    ui: { attribute: false },
    hello: { attribute: false },
    canLogOut: { type: Boolean },
    onLogout: { attribute: false },
  };

  declare ui: Ui;
  declare hello: Hello | null;
  declare canLogOut: boolean;
  declare onLogout: () => void;

  open(): void {
    void need("clawdbot-setup");
    const dialog = this.querySelector("dialog");
    if (dialog && !dialog.open) dialog.showModal();
  }

  protected override render(): TemplateResult {
    const { t, prefs } = this.ui;
    return html`<dialog class="dialog settings" aria-labelledby="settings-title" @click=${closeOnBackdrop}>
      <div class="dialog-head">
        <h2 id="settings-title">${t("settings.title")}</h2>
        <button
          type="button"
          class="icon-button"
          aria-label=${t("action.close")}
          title=${t("action.close")}
          @click=${() => this.close()}
        >
          ${icon("close")}
        </button>
      </div>
      <div class="dialog-body">
        <section>
          <h3>${t("settings.look")}</h3>
          ${this.choice("theme", "settings.theme", THEMES)} ${this.choice("fontSize", "settings.fontSize", SIZES)}
          ${this.choice("locale", "settings.language", LANGUAGES)}
        </section>
        <section>
          <h3>${t("settings.writing")}</h3>
          ${this.choice("sendKey", "settings.sendKey", SEND_KEYS)}
          <label class="switch">
            <input
              type="checkbox"
              role="switch"
              .checked=${prefs.hangulSends}
              @change=${(event: Event) => {
                this.ui.setPrefs({ hangulSends: (event.target as HTMLInputElement).checked });
              }}
            />
            <span><span>${t("settings.hangul")}</span><small>${t("settings.hangulHint")}</small></span>
          </label>
        </section>
        <section>
          <h3>${t("settings.provider")}</h3>
          <clawdbot-setup plain .ui=${this.ui} .setup=${this.hello?.snapshot?.setup}></clawdbot-setup>
        </section>
        <section class="about">
          <h3>${t("settings.about")}</h3>
          <p>${t("settings.version", { version: this.hello?.server.version ?? "–" })}</p>
          ${
            this.canLogOut
              ? html`<button
                  type="button"
                  class="button"
                  @click=${() => {
                    this.close();
                    this.onLogout();
                  }}
                >
                  ${icon("exit")} ${t("settings.logout")}
                </button>`
              : nothing
          }
        </section>
      </div>
    </dialog>`;
  }

  private choice(name: keyof Prefs, title: TextKey, choices: readonly Choice[]): TemplateResult {
    const { t, prefs } = this.ui;
    return html`<fieldset class="choice">
      <legend>${t(title)}</legend>
      <div class="segments">
        ${choices.map(
          ([value, label]) =>
            html`<label
              ><input
                type="radio"
                name=${`pref-${name}`}
                .checked=${prefs[name] === value}
                @change=${() => {
                  this.ui.setPrefs({ [name]: value });
                }}
              /><span>${typeof label === "string" ? t(label) : label.name}</span></label
            >`,
        )}
      </div>
    </fieldset>`;
  }

  private close(): void {
    this.querySelector("dialog")?.close();
  }
}
