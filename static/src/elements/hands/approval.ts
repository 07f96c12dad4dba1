/**
 * `<clawdbot-approval>`: one question for permission. What will be done stands there letter by letter; it can be taken
 * whole or in part, changed before the yes, or refused with a reason that the model reads.
 */
import { html, nothing } from "lit";
import type { PropertyValues, TemplateResult } from "lit";

import type { Approval } from "../../protocol/types.js";
import type { Answer, GrantScope, HandsRequest, Preview } from "../../protocol/hands.js";
import type { TextKey } from "../../i18n/index.js";
import { isComposingKey } from "../../input/ime.js";

import type { Ui } from "../base/ui-context.js";
import { secondsUntil } from "../base/format.js";
import { icon } from "../base/icons.js";
import { LightElement } from "../base/light-element.js";
import { sheet } from "../styles/hands.js";
import { countOf, firstChoice, no, scopesOf, yes } from "./decision.js";
import type { Choice } from "./decision.js";
import { plain } from "./plain.js";
import { previewOf, previewView } from "./preview.js";
import type { PreviewActs } from "./preview.js";
import { questionTitle } from "./titles.js";

const FACTS = { cwd: "approvals.cwd", host: "approvals.host", tool: "approvals.tool" } as const;
const SCOPES: Record<GrantScope, TextKey> = {
  once: "hands.scope.once",
  cell: "hands.scope.cell",
  notebook: "hands.scope.notebook",
  always: "hands.scope.always",
};
const YES: Record<Preview["type"], TextKey> = {
  edit: "hands.yes.edit",
  run: "hands.yes.run",
  code: "hands.yes.run",
  file: "hands.yes.file",
  plan: "hands.yes.plan",
};

export class ClawdbotApproval extends LightElement {
  static override sheet = sheet;
  static override properties = {
    ui: { attribute: false },
    approval: { attribute: false },
    awake: { attribute: false },
    busy: { attribute: false },
    onAnswer: { attribute: false },
    choice: { state: true },
    editing: { state: true },
    reasoning: { state: true },
  };

  declare ui: Ui;
  declare approval: Approval;
  /** What is to be seen has stood for a while: the buttons work. */
  declare awake: boolean;
  declare busy: boolean;
  declare onAnswer: (answer: Answer) => void;
  declare private choice: Choice;
  /** The index of what is being changed. */
  declare private editing: number | null;
  /** The field for a reason is open. */
  declare private reasoning: boolean;

  constructor() {
    super();
    this.awake = false;
    this.busy = false;
    this.onAnswer = () => undefined;
    this.editing = null;
    this.reasoning = false;
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    const before = changed.get("approval");
    if (changed.has("approval") && before?.id !== this.approval.id) {
      this.choice = firstChoice(this.request);
      this.editing = null;
      this.reasoning = false;
    }
  }

  private get request(): HandsRequest {
    return this.approval.request;
  }

  // -- what the list around asks for --------------------------------------------------------------------------------
  /** A key that was meant as an answer; false: it is none here. */
  key(key: string): boolean {
    if (this.busy || !this.awake) return false;
    if (key === "n") this.onAnswer(no(this.choice));
    else if (key === "y") this.accept();
    else if (key === "a") this.always();
    else return false;
    return true;
  }

  private accept(): void {
    const preview = previewOf(this.request);
    if (countOf(preview, this.choice).accepted > 0) this.onAnswer(yes(preview, this.choice));
  }

  /** For a question without scopes it is an answer; with them a choice, which shows what it would be for. */
  private always(): void {
    const scopes = scopesOf(this.request);
    if (this.request.choices === undefined) {
      this.onAnswer({ decision: "allow-always" });
      return;
    }
    if (!scopes.includes("always")) return;
    this.choice = { ...this.choice, scope: "always" };
    void this.updateComplete.then(() => this.querySelector<HTMLElement>(".pattern")?.focus());
  }

  // -- drawing ------------------------------------------------------------------------------------------------------
  protected override render(): TemplateResult {
    const { request, ui } = this;
    const preview = previewOf(request);
    return html`<div class="card-title" id=${`approval-${this.approval.id}`}>
        ${icon("warn")} <span>${plain(questionTitle(ui, request, preview))}</span>
      </div>
      <div class="approval-body">
        ${
          preview
            ? previewView(ui, preview, { ...this.choice, editing: this.editing }, this.acts(preview))
            : this.command(request)
        }
      </div>
      ${this.foot(preview)}`;
  }

  private command(request: HandsRequest): TemplateResult {
    const text = (name: string): string => textIn(request, name);
    const facts = (Object.keys(FACTS) as (keyof typeof FACTS)[]).filter((name) =>
      says(name, text(name), text("command")),
    );
    return html`${text("command") === "" ? nothing : html`<pre tabindex="0">${plain(text("command"))}</pre>`}
    ${told(request) ? nothing : html`<pre tabindex="0">${plain(JSON.stringify(request.arguments, null, 2))}</pre>`}
    ${
      facts.length === 0
        ? nothing
        : html`<dl>
            ${facts.map(
              (name) =>
                html`<div>
                  <dt>${this.ui.t(FACTS[name])}</dt>
                  <dd><code>${plain(text(name))}</code></dd>
                </div>`,
            )}
          </dl>`
    }`;
  }

  private foot(preview: Preview | null): TemplateResult {
    const { t } = this.ui;
    const { choice, approval } = this;
    const asleep = this.busy || !this.awake;
    const { accepted, all } = countOf(preview, choice);
    const partly = accepted < all;
    const label = partly
      ? t("hands.yes.some", { accepted, all })
      : preview && choice.scope === "once"
        ? t(YES[preview.type])
        : t(choice.scope === "once" ? "approvals.allow-once" : "hands.yes.more");
    return html`<div class="approval-foot">
      ${this.request.excepted ? html`<p class="fine">${t("hands.excepted")}</p>` : nothing} ${this.scopes()}
      ${this.reasoning || partly ? this.reason(partly) : nothing}
      <div class="card-actions">
        <button
          type="button"
          class="button primary"
          aria-keyshortcuts="y"
          ?disabled=${asleep || accepted === 0}
          @click=${() => this.accept()}
        >
          ${label} <kbd>y</kbd>
        </button>
        ${
          this.request.choices === undefined
            ? html`<button
                type="button"
                class="button"
                aria-keyshortcuts="a"
                ?disabled=${asleep}
                @click=${() => this.always()}
              >
                ${t("approvals.allow-always")} <kbd>a</kbd>
              </button>`
            : nothing
        }
        <button
          type="button"
          class="button"
          aria-keyshortcuts="n"
          ?disabled=${asleep}
          @click=${() => this.onAnswer(no(choice))}
        >
          ${t("approvals.deny")} <kbd>n</kbd>
        </button>
        ${
          this.reasoning || partly || this.request.kind === undefined
            ? nothing
            : html`<button type="button" class="link" @click=${() => void this.openReason()}>${t("hands.why")}</button>`
        }
        ${
          approval.expiresAtMs > 0 && secondsUntil(approval.expiresAtMs, Date.now()) < 3_600
            ? html`<span class="countdown"
                >${t("approvals.left", { seconds: secondsUntil(approval.expiresAtMs, Date.now()) })}</span
              >`
            : nothing
        }
      </div>
    </div>`;
  }

  private scopes(): TemplateResult | typeof nothing {
    const { t } = this.ui;
    const scopes = scopesOf(this.request);
    if (scopes.length < 2) return nothing;
    const { choice } = this;
    return html`<div class="scopes">
      <label
        >${t("hands.scope")}
        <select
          .value=${choice.scope}
          @change=${(event: Event) =>
            (this.choice = { ...choice, scope: (event.target as HTMLSelectElement).value as GrantScope })}
        >
          ${scopes.map(
            (scope) => html`<option value=${scope} ?selected=${scope === choice.scope}>${t(SCOPES[scope])}</option>`,
          )}
        </select></label
      >
      ${
        choice.scope === "always"
          ? html`<label
              >${t("hands.pattern")}
              <input
                class="pattern"
                spellcheck="false"
                autocapitalize="off"
                autocomplete="off"
                .value=${choice.pattern}
                @input=${(event: Event) =>
                  (this.choice = { ...choice, pattern: (event.target as HTMLInputElement).value })}
              />
            </label>`
          : nothing
      }
    </div>`;
  }

  private reason(partly: boolean): TemplateResult {
    return html`<label class="reason"
      >${this.ui.t(partly ? "hands.reasonSome" : "hands.reason")}
      <input
        class="reason-text"
        autocomplete="off"
        maxlength="4000"
        .value=${this.choice.reason}
        @input=${(event: Event) => (this.choice = { ...this.choice, reason: (event.target as HTMLInputElement).value })}
        @keydown=${(event: KeyboardEvent) => {
          if (event.key !== "Enter" || isComposingKey(event) || partly || this.busy || !this.awake) return;
          event.preventDefault();
          this.onAnswer(no(this.choice));
        }}
      />
    </label>`;
  }

  private async openReason(): Promise<void> {
    this.reasoning = true;
    await this.updateComplete;
    this.querySelector<HTMLElement>(".reason-text")?.focus();
  }

  // -- choosing -----------------------------------------------------------------------------------------------------
  private acts(preview: Preview): PreviewActs {
    return {
      accept: (at, on) => {
        const refused = new Set(this.choice.refused);
        if (on) refused.delete(at);
        else refused.add(at);
        this.choice = { ...this.choice, refused };
      },
      edit: (at) => void this.openEditor(at),
      change: (at, text, proposed) => {
        const edited = new Map(this.choice.edited);
        if (text === proposed) edited.delete(at);
        else edited.set(at, text);
        this.choice = { ...this.choice, edited };
      },
      done: () => this.closeEditor(),
      reset: (at) => {
        const edited = new Map(this.choice.edited);
        edited.delete(at);
        this.choice = { ...this.choice, edited };
        this.closeEditor(preview.type === "edit" ? at : 0);
      },
    };
  }

  private async openEditor(at: number): Promise<void> {
    this.editing = at;
    await this.updateComplete;
    const field = this.querySelector<HTMLTextAreaElement>(`[data-editor="${at}"]`);
    field?.focus();
    field?.setSelectionRange(0, 0);
  }

  /** Esc and Ctrl+Enter in the editor do this, too; the change stays. */
  closeEditor(at = this.editing): void {
    this.editing = null;
    void this.updateComplete.then(() => this.querySelector<HTMLElement>(`[data-edit="${at ?? 0}"]`)?.focus());
  }
}

function textIn(request: HandsRequest, name: string): string {
  const value = (request as Record<string, unknown>)[name];
  return typeof value === "string" ? value : "";
}

/** Is it something that does not stand there already? The gateway's own machine goes without saying. */
function says(fact: keyof typeof FACTS, value: string, command: string): boolean {
  if (value === "" || (fact === "host" && value === "gateway")) return false;
  return fact !== "tool" || !command.startsWith(value);
}

/** Does the command itself name all arguments? */
function told({ command, arguments: given }: HandsRequest): boolean {
  if (given === undefined || given === null) return true;
  const bare = (text: string): string => text.replace(/\s+/g, "");
  return typeof command === "string" && bare(command).endsWith(bare(JSON.stringify(given)));
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-approval": ClawdbotApproval;
  }
}
