/**
 * `<clawdbot-hands-mode>`: what the assistant may do in notebooks and files without a question, always to be seen, and
 * the choice of it.
 */
import { html, nothing } from "lit";
import type { PropertyValues, TemplateResult } from "lit";

import { HANDS_MODES } from "../../protocol/hands.js";
import type { HandsEntry, HandsMode } from "../../protocol/hands.js";
import type { SessionEntry } from "../../protocol/types.js";
import { changeSession } from "../../state/session-commands.js";
import { currentView } from "../../state/state.js";

import type { Ui } from "../base/ui-context.js";
import { icon } from "../base/icons.js";
import { LightElement } from "../base/light-element.js";
import { showBeside } from "../base/popup.js";
import { sheet } from "../styles/hands.js";
import { menus } from "../styles/lazy.js";
import { handsIn, isAllowed, minutesLeft, MODES, notebooksIn, TIMED } from "./modes.js";
import { addHandsTexts } from "./texts.js";

addHandsTexts();

const LOOK_MS = 5_000;
const MINUTES = [15, 30, 60, 120, 240] as const;

export class ClawdbotHandsMode extends LightElement {
  static override sheet = [...menus, ...sheet];
  static override properties = {
    ui: { attribute: false },
    key: { attribute: false },
    sessions: { attribute: false },
    chosen: { state: true },
    minutes: { state: true },
    notebook: { state: true },
  };

  declare ui: Ui;
  declare key: string;
  declare sessions: readonly SessionEntry[];
  /** A mode with an end, of which it is still to be said how long and where. */
  declare private chosen: HandsMode | null;
  declare private minutes: number;
  declare private notebook: string;
  private ticker: ReturnType<typeof setInterval> | undefined;

  constructor() {
    super();
    this.key = "";
    this.sessions = [];
    this.chosen = null;
    this.minutes = 60;
    this.notebook = "";
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearInterval(this.ticker);
    this.ticker = undefined;
  }

  protected override updated(_changed: PropertyValues<this>): void {
    const { untilMs } = handsIn(this.sessions, this.key, Date.now());
    if (untilMs !== undefined) this.ticker ??= setInterval(() => this.requestUpdate(), LOOK_MS);
    else {
      clearInterval(this.ticker);
      this.ticker = undefined;
    }
  }

  // -- the chip -----------------------------------------------------------------------------------------------------
  protected override render(): TemplateResult {
    const { t } = this.ui;
    const hands = handsIn(this.sessions, this.key, Date.now());
    const name = t(MODES[hands.mode][0]);
    const left = minutesLeft(hands, Date.now());
    const time = left === null ? "" : t("hands.left", { minutes: left });
    const label = [t("hands.mode.label", { mode: name }), time, hands.notebook ?? ""].filter(Boolean).join(", ");
    return html`<button
        type="button"
        class="mode"
        data-mode=${hands.mode}
        aria-haspopup="dialog"
        aria-label=${label}
        title=${`${name}: ${t(MODES[hands.mode][1])}`}
        @click=${() => this.open(hands)}
      >
        <i aria-hidden="true"></i><span class="mode-name">${name}</span>
        ${left === null ? nothing : html`<span class="mode-time">${t("hands.leftShort", { minutes: left })}</span>`}
      </button>
      ${this.menu(hands)}`;
  }

  private open(hands: HandsEntry): void {
    this.chosen = null;
    this.notebook = hands.notebook ?? this.notebooks[0] ?? "";
    void this.updateComplete.then(() => {
      const [menu, button] = [this.querySelector<HTMLElement>(".menu"), this.querySelector<HTMLElement>(".mode")];
      if (!menu || !button) return;
      showBeside(menu, button);
      menu.querySelector<HTMLElement>("input:checked")?.focus();
    });
  }

  private get notebooks(): string[] {
    return notebooksIn(currentView(this.ui.controller.state).messages);
  }

  // -- the menu -----------------------------------------------------------------------------------------------------
  private menu(hands: HandsEntry): TemplateResult {
    const { t } = this.ui;
    return html`<div
      class="menu mode-menu"
      popover="auto"
      role="dialog"
      tabindex="-1"
      aria-label=${t("hands.mode.title")}
      @keydown=${(event: KeyboardEvent) => {
        if (event.key !== "Escape") return;
        event.stopPropagation();
        this.close();
      }}
    >
      <fieldset>
        <legend>${t("hands.mode.title")}</legend>
        ${HANDS_MODES.map((mode) => this.option(mode, hands))}
      </fieldset>
    </div>`;
  }

  private option(mode: HandsMode, hands: HandsEntry): TemplateResult {
    const { t } = this.ui;
    const [name, what] = MODES[mode];
    const allowed = isAllowed(mode, hands.cap);
    const checked = (this.chosen ?? hands.mode) === mode;
    return html`<label class="mode-row" data-mode=${mode} ?data-disabled=${!allowed}>
        <input
          type="radio"
          name="hands-mode"
          .checked=${checked}
          ?disabled=${!allowed}
          @change=${() => this.choose(mode)}
        />
        <span
          ><span>${t(name)}</span
          ><small>${t(what)}</small
          >${allowed ? nothing : html`<small class="capped">${t("hands.capped", { mode: t(MODES[hands.cap][0]) })}</small>`}</span
        >
      </label>
      ${this.chosen === mode ? this.terms(mode) : nothing}`;
  }

  private choose(mode: HandsMode): void {
    if (TIMED.has(mode)) this.chosen = mode;
    else void this.set({ handsMode: mode });
  }

  /** Of a mode with an end: where and how long. */
  private terms(mode: HandsMode): TemplateResult {
    const { t } = this.ui;
    const missing = mode === "notebook" && this.notebook.trim() === "";
    return html`<form
      class="terms"
      @submit=${(event: Event) => {
        event.preventDefault();
        const where = mode === "notebook" ? { handsNotebook: this.notebook.trim() } : {};
        if (!missing) void this.set({ handsMode: mode, ...where, handsMinutes: this.minutes });
      }}
    >
      ${
        mode === "notebook"
          ? html`<label
              >${t("hands.mode.where")}
              <input
                list="hands-notebooks"
                spellcheck="false"
                autocomplete="off"
                placeholder="analysis.ipynb"
                .value=${this.notebook}
                @input=${(event: Event) => (this.notebook = (event.target as HTMLInputElement).value)}
              />
              <datalist id="hands-notebooks">
                ${this.notebooks.map((path) => html`<option value=${path}></option>`)}
              </datalist>
            </label>`
          : html`<p class="danger-text">${icon("warn")} ${t("hands.mode.sure")}</p>`
      }
      <label
        >${t("hands.mode.howLong")}
        <select @change=${(event: Event) => (this.minutes = Number((event.target as HTMLSelectElement).value))}>
          ${MINUTES.map(
            (minutes) =>
              html`<option value=${minutes} ?selected=${minutes === this.minutes}>
                ${t("hands.minutes", { minutes })}
              </option>`,
          )}
        </select></label
      >
      <button type="submit" class="button ${mode === "unattended" ? "danger" : "primary"}" ?disabled=${missing}>
        ${t("hands.mode.begin")}
      </button>
    </form>`;
  }

  private async set(change: { handsMode: HandsMode; handsNotebook?: string; handsMinutes?: number }): Promise<void> {
    const { controller, t } = this.ui;
    if (await this.ui.attempt(changeSession(controller.client, this.key, change))) {
      this.ui.announce(t("hands.mode.label", { mode: t(MODES[change.handsMode][0]) }));
      this.close();
    } else this.requestUpdate();
    this.chosen = null;
  }

  private close(): void {
    this.querySelector<HTMLElement>(".menu")?.hidePopover();
    this.querySelector<HTMLElement>(".mode")?.focus();
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-hands-mode": ClawdbotHandsMode;
  }
}
