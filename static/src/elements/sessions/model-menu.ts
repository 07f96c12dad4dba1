/** `<clawdbot-model-menu>`: which model answers in a session, and how much it thinks before. */
import { html, nothing } from "lit";
import type { TemplateResult } from "lit";

import { changeSession } from "../../state/session-commands.js";
import type { SessionChange } from "../../state/session-commands.js";
import { entryOf } from "../../state/state.js";
import { addTexts } from "../../i18n/index.js";
import type { TextKey } from "../../i18n/index.js";
import en from "../../i18n/menus.en.json";
import ko from "../../i18n/menus.ko.json";

import type { Ui } from "../base/ui-context.js";
import { count } from "../base/amounts.js";
import { icon } from "../base/more-icons.js";
import { LightElement } from "../base/light-element.js";
import { showBeside } from "../base/popup.js";
import { menus } from "../styles/lazy.js";

addTexts({ en, ko });

/** A row of `models.list`, as far as it is shown. */
interface Model {
  id: string;
  name: string;
  spec: string;
  provider: string;
  contextWindow?: number;
  reasoning?: boolean;
  isDefault?: boolean;
}

const LEVELS: readonly (readonly [level: string, label: TextKey])[] = [
  ["off", "thinking.level.off"],
  ["minimal", "thinking.level.minimal"],
  ["low", "thinking.level.low"],
  ["medium", "thinking.level.medium"],
  ["high", "thinking.level.high"],
];

export class ClawdbotModelMenu extends LightElement {
  static override sheet = menus;
  static override properties = {
    ui: { attribute: false },
    key: { state: true },
    models: { state: true },
    failed: { state: true },
  };

  declare ui: Ui;
  declare private key: string;
  /** `null` until the gateway has told them. */
  declare private models: Model[] | null;
  declare private failed: boolean;
  private button: HTMLElement | null = null;

  constructor() {
    super();
    this.key = "";
    this.models = null;
    this.failed = false;
  }

  open(key: string, button: HTMLElement): void {
    this.key = key;
    this.button = button;
    void this.load();
    void this.updateComplete.then(() => this.show());
  }

  private show(): void {
    const popup = this.querySelector<HTMLElement>(".menu");
    if (!popup || !this.button) return;
    showBeside(popup, this.button);
    (popup.querySelector<HTMLElement>("input:checked") ?? popup).focus();
  }

  private async load(): Promise<void> {
    try {
      const { models } = await this.ui.controller.client.request("models.list", {});
      this.models = models as unknown as Model[];
      this.failed = false;
    } catch {
      this.failed = true;
    }
    await this.updateComplete;
    if (this.querySelector(".menu:popover-open")) this.show();
  }

  private set(change: SessionChange): void {
    const run = async (): Promise<void> => {
      const changing = changeSession(this.ui.controller.client, this.key, change);
      if (!(await this.ui.attempt(changing))) return;
      for (const text of (await changing).notes ?? []) this.ui.toast({ text });
    };
    void run();
  }

  protected override render(): TemplateResult {
    const { t, controller } = this.ui;
    const entry = entryOf(controller.state, this.key);
    const level = entry?.thinkingLevel ?? "off";
    return html`<div
      class="menu model-menu"
      popover="auto"
      role="dialog"
      tabindex="-1"
      aria-label=${t("model.title")}
      @keydown=${(event: KeyboardEvent) => {
        if (event.key !== "Escape") return;
        event.stopPropagation();
        this.close();
      }}
    >
      <fieldset>
        <legend>${t("model.label")}</legend>
        ${this.list(entry?.modelOverride)}
      </fieldset>
      <fieldset class="levels">
        <legend>${t("thinking.level")}</legend>
        <div class="segments">
          ${LEVELS.map(
            ([name, label]) =>
              html`<label
                ><input
                  type="radio"
                  name="thinking-level"
                  .checked=${level === name}
                  @change=${() => this.set({ thinkingLevel: name })}
                /><span>${t(label)}</span></label
              >`,
          )}
        </div>
      </fieldset>
      <button type="button" class="more" @click=${this.options}>${icon("sliders")} ${t("menu.options")}</button>
    </div>`;
  }

  private list(chosen: string | undefined): TemplateResult {
    const { t } = this.ui;
    if (this.failed) return html`<p class="none">${t("model.failed")}</p>`;
    if (this.models === null) return html`<p class="none">${t("transcript.loading")}</p>`;
    const standard = this.models.find((model) => model.isDefault);
    return html`<div class="models">
      ${this.model(t("model.automatic"), standard?.name ?? "", chosen === undefined, null)}
      ${this.models.map((model) => this.model(model.name, this.facts(model), chosen === model.spec, model.spec))}
    </div>`;
  }

  private model(name: string, facts: string, checked: boolean, spec: string | null): TemplateResult {
    return html`<label class="model-row">
      <input type="radio" name="model" .checked=${checked} @change=${() => this.set({ model: spec })} />
      <span><span>${name}</span>${facts ? html`<small>${facts}</small>` : nothing}</span>
    </label>`;
  }

  private facts(model: Model): string {
    const { t, locale } = this.ui;
    const window = model.contextWindow ? t("model.window", { size: count(model.contextWindow, locale) }) : "";
    return [model.provider, window].filter(Boolean).join(" · ");
  }

  private options(): void {
    const { key } = this;
    this.close();
    void this.ui.part("clawdbot-session-dialogs").then((dialogs) => dialogs?.showOptions(key, ""));
  }

  private close(): void {
    this.querySelector<HTMLElement>(".menu")?.hidePopover();
    this.button?.focus();
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-model-menu": ClawdbotModelMenu;
  }
}
