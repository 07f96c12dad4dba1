/**
 * `<clawdbot-approvals>`: questions that wait for a person, above the composer. The newest is answered by keyboard too:
 * `y` once, `a` always, `n` no, Esc "not now", which leaves the question standing.
 *
 * Typing on must not allow anything: the question takes the focus only from a composer that is empty, and a letter
 * decides only after a second without keys. Until then what is typed goes to the composer. Nor by a click that was meant
 * for what was there before: when a question comes or goes, the buttons sleep for a moment. A question never takes the
 * focus from outside the chat, nor from another question. One of another session is a line that can be opened.
 */
import { html } from "lit";
import type { PropertyValues, TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";

import { isComposingKey } from "../../input/ime.js";
import type { Approval } from "../../protocol/types.js";
import type { Answer, HandsRequest } from "../../protocol/hands.js";
import { entryOf } from "../../state/state.js";
import { addTexts } from "../../i18n/index.js";
import approvalsEn from "../../i18n/approvals.en.json";
import approvalsKo from "../../i18n/approvals.ko.json";

import type { Ui } from "../base/ui-context.js";
import { icon } from "../base/icons.js";
import { LightElement } from "../base/light-element.js";
import { titleOf } from "../sessions/title.js";
import { sheet } from "../styles/hands.js";
import { ClawdbotApproval } from "./approval.js";
import { ClawdbotDiff } from "./diff-view.js";
import { plain } from "./plain.js";
import { previewOf } from "./preview.js";
import { ClawdbotQuestions, isQuestion } from "./questions.js";
import { defineParts } from "./texts.js";
import { questionTitle } from "./titles.js";

addTexts({ en: approvalsEn, ko: approvalsKo });
defineParts({
  "clawdbot-diff": ClawdbotDiff,
  "clawdbot-approval": ClawdbotApproval,
  "clawdbot-questions": ClawdbotQuestions,
});

/** So long no key may have come before one decides, and the question must have stood: in milliseconds. */
const QUIET_MS = 1_000;
/** So long the buttons sleep, in milliseconds. */
const SLEEP_MS = 500;
const KEYS = new Set(["y", "a", "n"]);
/** The Korean keyboard's letters on the same keys. */
const HANGUL: Record<string, string> = { ㅛ: "y", ㅁ: "a", ㅜ: "n" };
/** Where letters are text or move a choice. */
const FIELDS = "textarea, select, input:not([type=checkbox])";

export class ClawdbotApprovals extends LightElement {
  static override sheet = sheet;
  static override properties = {
    list: { attribute: false },
    ui: { attribute: false },
    current: { attribute: false },
    busy: { state: true },
    awake: { state: true },
  };

  declare list: readonly Approval[];
  declare ui: Ui;
  /** The session on show: a question from another says so. */
  declare current: string;
  declare private busy: string;
  /** What is to be seen has stood for a while. */
  declare private awake: boolean;
  private waking: ReturnType<typeof setTimeout> | undefined;
  private ticker: ReturnType<typeof setInterval> | undefined;
  private keyAt = 0;
  private returnTo: HTMLElement | null = null;

  constructor() {
    super();
    this.list = [];
    this.current = "";
    this.busy = "";
    this.awake = false;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearInterval(this.ticker);
    this.ticker = undefined;
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has("list") && !changed.has("current")) return;
    this.awake = false;
    clearTimeout(this.waking);
    this.waking = setTimeout(() => (this.awake = true), SLEEP_MS);
  }

  protected override updated(changed: PropertyValues<this>): void {
    if (this.open().some((each) => each.expiresAtMs > 0))
      this.ticker ??= setInterval(() => this.requestUpdate(), 1_000);
    else {
      clearInterval(this.ticker);
      this.ticker = undefined;
    }
    if (!changed.has("list")) return;
    const before = changed.get("list") ?? [];
    const fresh = this.list.find((each) => !this.elsewhere(each) && !before.some((old) => old.id === each.id));
    if (fresh) this.ask(fresh);
    else if (this.list.length < before.length) this.leave();
  }

  /** Ask: the focus moves to the question, unless the person is writing, answering, or not in the chat at all. */
  private ask(approval: Approval): void {
    this.keyAt = performance.now();
    const root = this.getRootNode() as ShadowRoot;
    const focused = root.activeElement as HTMLElement | null;
    const away = !focused && document.activeElement !== document.body;
    const writing = focused?.matches("input, textarea") && (focused as HTMLTextAreaElement).value !== "";
    if (away || writing || (focused && this.contains(focused))) return;
    if (!focused && this.ui.mode === "panel") return;
    this.returnTo = focused;
    this.card(approval.id)?.focus();
  }

  /** A question is gone: if the focus went with it, the next question has it, or what had it before. */
  private leave(): void {
    const focused = (this.getRootNode() as ShadowRoot).activeElement;
    if (focused && !this.contains(focused)) return;
    if (!focused && document.activeElement !== document.body && document.activeElement !== null) return;
    const next = this.open().findLast((each) => !this.elsewhere(each));
    if (next) this.card(next.id)?.focus();
    else if (this.returnTo) {
      this.returnTo.focus();
      this.returnTo = null;
    }
  }

  private card(id: string): HTMLElement | null {
    return this.querySelector<HTMLElement>(`[data-approval="${CSS.escape(id)}"]`);
  }

  /** Questions that still wait; a time of 0 is no end. */
  private open(): Approval[] {
    return this.list.filter((each) => each.expiresAtMs === 0 || each.expiresAtMs > Date.now());
  }

  private elsewhere({ request }: Approval): boolean {
    const key = (request as HandsRequest).sessionKey;
    return key !== undefined && key !== "" && key !== this.current;
  }

  // -- drawing ------------------------------------------------------------------------------------------------------
  protected override render(): TemplateResult {
    const open = this.open();
    const of = (elsewhere: boolean): Approval[] => open.filter((each) => this.elsewhere(each) === elsewhere);
    return html`<p class="sr" role="alert">${this.said(of(false))}</p>
      ${repeat(
        [...of(true), ...of(false)],
        (approval) => approval.id,
        (approval) => (this.elsewhere(approval) ? this.line(approval) : this.question(approval)),
      )}`;
  }

  /** What a screen reader is told of the questions here. */
  private said(here: readonly Approval[]): string {
    const last = here.at(-1);
    return last ? this.asked(last) : "";
  }

  private asked({ request }: Approval): string {
    return questionTitle(this.ui, request, previewOf(request));
  }

  private question(approval: Approval): TemplateResult {
    return html`<section
      class="card approval"
      role="alertdialog"
      tabindex="-1"
      aria-labelledby=${`approval-${approval.id}`}
      data-approval=${approval.id}
      @keydown=${(event: KeyboardEvent) => this.keydown(event, approval)}
    >
      ${this.inside(approval)}
    </section>`;
  }

  private inside(approval: Approval): TemplateResult {
    const { ui, awake } = this;
    const answer = (given: Answer): void => void this.decide(approval, given);
    const busy = this.busy === approval.id;
    return isQuestion(approval.request)
      ? html`<clawdbot-questions
          .ui=${ui}
          .approval=${approval}
          .awake=${awake}
          .busy=${busy}
          .onAnswer=${answer}
        ></clawdbot-questions>`
      : html`<clawdbot-approval
          .ui=${ui}
          .approval=${approval}
          .awake=${awake}
          .busy=${busy}
          .onAnswer=${answer}
        ></clawdbot-approval>`;
  }

  /** A question of another session: a line with a link to it, which can be opened and answered here. */
  private line(approval: Approval): TemplateResult {
    const { t, controller } = this.ui;
    const key = (approval.request as HandsRequest).sessionKey ?? "";
    const entry = entryOf(controller.state, key);
    const title = entry ? titleOf(entry, key, controller.state.mainKey, t) : key;
    return html`<details class="card approval elsewhere" data-approval=${approval.id}>
      <summary>
        ${icon("warn")} <span class="elsewhere-text">${plain(this.asked(approval))}</span>
        <span class="fine">${t("approvals.elsewhere")}</span>
        <button
          type="button"
          class="link"
          @click=${(event: Event) => {
            event.preventDefault();
            controller.select(key);
          }}
        >
          “${title}”
        </button>
      </summary>
      ${this.inside(approval)}
    </details>`;
  }

  // -- answering ----------------------------------------------------------------------------------------------------
  private keydown(event: KeyboardEvent, approval: Approval): void {
    const target = event.target as HTMLElement;
    const composing = isComposingKey(event);
    const part = target.closest("clawdbot-approval");
    if (target.matches("textarea.editor")) {
      const ends = event.key === "Escape" || (event.key === "Enter" && (event.ctrlKey || event.metaKey));
      if (!ends || composing) return;
      event.preventDefault();
      event.stopPropagation();
      part?.closeEditor();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && !composing) {
      event.preventDefault();
      event.stopPropagation();
      (this.returnTo ?? (this.getRootNode() as ShadowRoot).getElementById("composer"))?.focus();
      return;
    }
    if (target.matches(FIELDS)) return;
    if (event.key.length > 1 && !composing) return; // Tab, Enter on a button, arrows
    if (event.key === " " && target !== event.currentTarget) return; // presses a button
    const now = performance.now();
    const typing = event.repeat || now - this.keyAt < QUIET_MS;
    this.keyAt = now;
    const key = HANGUL[event.key] ?? event.key.toLowerCase();
    if (typing || !KEYS.has(key) || isQuestion(approval.request)) {
      // Text: it belongs into the composer, which gets this very letter.
      (this.getRootNode() as ShadowRoot).getElementById("composer")?.focus();
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    this.card(approval.id)?.querySelector("clawdbot-approval")?.key(key);
  }

  private async decide({ id }: Approval, answer: Answer): Promise<void> {
    if (this.busy === id) return;
    this.busy = id;
    await this.ui.attempt(this.ui.controller.client.request("exec.approval.resolve", { id, ...answer }));
    this.busy = "";
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-approvals": ClawdbotApprovals;
  }
}
