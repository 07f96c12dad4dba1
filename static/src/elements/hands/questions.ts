/** `<clawdbot-questions>`: questions of the assistant, or of a cell that runs (`input()`), answered in their card. */
import { html, nothing } from "lit";
import type { PropertyValues, TemplateResult } from "lit";

import { isComposingKey } from "../../input/ime.js";
import type { Approval } from "../../protocol/types.js";
import type { Answer, HandsRequest, Question } from "../../protocol/hands.js";

import type { Ui } from "../base/ui-context.js";
import { icon } from "../base/more-icons.js";
import { LightElement } from "../base/light-element.js";
import { sheet } from "../styles/hands.js";
import { nameOf, plain } from "./plain.js";
import { questionTitle } from "./titles.js";

/** The questions of a request: `input()` has one, answered with any text, also an empty one. */
export function questionsOf(request: HandsRequest): readonly Question[] {
  if (request.kind === "input") return [{ id: "value", text: request.prompt ?? "", free: true }];
  return request.questions ?? [];
}

/** Is it answered by words instead of a yes? */
export function isQuestion({ kind }: HandsRequest): boolean {
  return kind === "question" || kind === "input";
}

/** May the answer be something else than a choice? A question without choices always. */
function isFree({ choices, free }: Question): boolean {
  return free === true || !choices?.length;
}

/** What each question was answered with; `null`: one is open. */
export function answersOf(
  questions: readonly Question[],
  given: ReadonlyMap<string, string>,
  mayBeEmpty: boolean,
): Record<string, string> | null {
  const answers = questions.map(({ id }) => [id, given.get(id) ?? (mayBeEmpty ? "" : undefined)] as const);
  const open = answers.some(([, text]) => text === undefined || (text.trim() === "" && !mayBeEmpty));
  return open ? null : (Object.fromEntries(answers) as Record<string, string>);
}

export class ClawdbotQuestions extends LightElement {
  static override sheet = sheet;
  static override properties = {
    ui: { attribute: false },
    approval: { attribute: false },
    awake: { attribute: false },
    busy: { attribute: false },
    onAnswer: { attribute: false },
    given: { state: true },
    other: { state: true },
  };

  declare ui: Ui;
  declare approval: Approval;
  declare awake: boolean;
  declare busy: boolean;
  declare onAnswer: (answer: Answer) => void;
  /** Question → answer so far. */
  declare private given: ReadonlyMap<string, string>;
  /** Questions that are answered in own words beside their choices. */
  declare private other: ReadonlySet<string>;

  constructor() {
    super();
    this.awake = false;
    this.busy = false;
    this.onAnswer = () => undefined;
    this.given = new Map();
    this.other = new Set();
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    const before = changed.get("approval");
    if (!before || before.id === this.approval.id) return;
    this.given = new Map();
    this.other = new Set();
  }

  private get request(): HandsRequest {
    return this.approval.request;
  }

  protected override render(): TemplateResult {
    const { request, ui } = this;
    const { t } = ui;
    const input = request.kind === "input";
    const answers = answersOf(questionsOf(request), this.given, input);
    return html`<form
      @submit=${(event: Event) => {
        event.preventDefault();
        if (answers && this.awake && !this.busy) this.onAnswer({ decision: "allow-once", answers });
      }}
    >
      <div class="card-title" id=${`approval-${this.approval.id}`}>
        ${icon("quote")} <span>${plain(questionTitle(ui, request, null))}</span>
      </div>
      ${input && request.path ? html`<p class="fine">${plain(nameOf(request.path))}</p>` : nothing}
      <div class="approval-body questions">${questionsOf(request).map((each) => this.question(each))}</div>
      <div class="approval-foot">
        <div class="card-actions">
          <button type="submit" class="button primary" ?disabled=${!answers || this.busy || !this.awake}>
            ${t("hands.answer")}
          </button>
          <button
            type="button"
            class="button"
            ?disabled=${this.busy || !this.awake}
            @click=${() => this.onAnswer({ decision: "deny" })}
          >
            ${t(input ? "hands.noInput" : "hands.noAnswer")}
          </button>
        </div>
      </div>
    </form>`;
  }

  private question(question: Question): TemplateResult {
    const { id, text, choices = [] } = question;
    const own = this.other.has(id);
    if (choices.length === 0)
      return html`<label class="question"><span>${plain(text)}</span> ${this.field(question)}</label>`;
    return html`<fieldset class="question">
      <legend>${plain(text)}</legend>
      ${choices.map((choice) => this.option(id, plain(choice), !own && this.given.get(id) === choice, () => this.choose(id, choice)))}
      ${
        isFree(question)
          ? html`${this.option(id, [this.ui.t("hands.other")], own, () => void this.ownWords(id))}
            ${own ? html`<label><span class="sr">${this.ui.t("hands.other")}</span> ${this.field(question)}</label>` : nothing}`
          : nothing
      }
    </fieldset>`;
  }

  private option(id: string, text: unknown[], checked: boolean, chosen: () => void): TemplateResult {
    return html`<label class="option"
      ><input type="radio" name=${`answer-${this.approval.id}-${id}`} .checked=${checked} @change=${chosen} />
      <span>${text}</span></label
    >`;
  }

  private field({ id }: Question): TemplateResult {
    const secret = this.request.kind === "input" && this.request.password === true;
    return html`<input
      type=${secret ? "password" : "text"}
      data-answer=${id}
      autocomplete="off"
      .value=${this.given.get(id) ?? ""}
      @input=${(event: Event) => this.set(id, (event.target as HTMLInputElement).value)}
      @keydown=${(event: KeyboardEvent) => {
        if (event.key === "Enter" && isComposingKey(event)) event.preventDefault(); // ends a syllable
      }}
    />`;
  }

  private choose(id: string, choice: string): void {
    const other = new Set(this.other);
    other.delete(id);
    this.other = other;
    this.set(id, choice);
  }

  private async ownWords(id: string): Promise<void> {
    this.other = new Set([...this.other, id]);
    this.set(id, "");
    await this.updateComplete;
    this.querySelector<HTMLElement>(`[data-answer="${CSS.escape(id)}"]`)?.focus();
  }

  private set(id: string, text: string): void {
    this.given = new Map([...this.given, [id, text]]);
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-questions": ClawdbotQuestions;
  }
}
