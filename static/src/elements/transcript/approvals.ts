/**
 * `<clawdbot-approvals>`: commands that wait for a person's decision, above the composer. The newest question is asked
 * by keyboard too: `y` once, `a` always, `n` no, Esc "not now", which leaves the question standing.
 *
 * Typing on must not allow a call: the question takes the focus only from a composer that is empty, and a letter
 * decides only after a second without keys. Until then what is typed goes to the composer. Nor by a click that was meant
 * for what was there before: when a question comes or goes, the buttons sleep for a moment.
 */
import { html, nothing } from "lit";
import type { PropertyValues, TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";

import { isComposingKey } from "../../input/ime.js";
import type { Approval, Decision } from "../../protocol/types.js";
import en from "../../i18n/approvals.en.json";
import { entryOf } from "../../state/state.js";
import { addTexts } from "../../i18n/index.js";
import type { TextKey } from "../../i18n/index.js";
import ko from "../../i18n/approvals.ko.json";

import type { Ui } from "../base/ui-context.js";
import { secondsUntil } from "../base/format.js";
import { icon } from "../base/icons.js";
import { LightElement } from "../base/light-element.js";
import { sheet } from "../styles/tools.js";
import { visible } from "../base/reveal-hidden.js";
import { titleOf } from "../sessions/title.js";

addTexts({ en, ko });

/** So long no key may have come before one decides, and the question must have stood: in milliseconds. */
const QUIET_MS = 1_000;
/** So long the buttons sleep, in milliseconds. */
const SLEEP_MS = 500;
const KEYS: Record<string, Decision> = { y: "allow-once", a: "allow-always", n: "deny" };
const DECISIONS = {
  "allow-once": "approvals.allow-once",
  "allow-always": "approvals.allow-always",
  deny: "approvals.deny",
} as const satisfies Record<Decision, TextKey>;
const FACTS = { cwd: "approvals.cwd", host: "approvals.host", tool: "approvals.tool" } as const;
/** The Korean keyboard's letters on the same keys. */
const HANGUL: Record<string, string> = { ㅛ: "y", ㅁ: "a", ㅜ: "n" };

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
    if (!changed.has("list")) return;
    this.awake = false;
    clearTimeout(this.waking);
    this.waking = setTimeout(() => (this.awake = true), SLEEP_MS);
  }

  protected override updated(changed: PropertyValues<this>): void {
    const open = this.open();
    if (open.length > 0) this.ticker ??= setInterval(() => this.requestUpdate(), 1_000);
    else {
      clearInterval(this.ticker);
      this.ticker = undefined;
    }
    if (!changed.has("list")) return;
    const before = changed.get("list") ?? [];
    const fresh = this.list.find((each) => !before.some((old) => old.id === each.id));
    if (fresh) this.ask(fresh);
    else if (this.list.length < before.length) this.leave();
  }

  /** Ask: the focus moves to the question, unless the user is writing. */
  private ask(approval: Approval): void {
    const root = this.getRootNode() as ShadowRoot;
    this.keyAt = performance.now();
    const focused = root.activeElement as HTMLElement | null;
    if (focused?.matches("input, textarea") && (focused as HTMLTextAreaElement).value !== "") return;
    if (!this.contains(focused)) this.returnTo = focused;
    this.card(approval.id)?.focus();
  }

  private leave(): void {
    const next = this.list.at(-1);
    if (next) this.card(next.id)?.focus();
    else {
      this.returnTo?.focus();
      this.returnTo = null;
    }
  }

  private card(id: string): HTMLElement | null {
    return this.querySelector<HTMLElement>(`[data-approval="${CSS.escape(id)}"]`);
  }

  private open(): Approval[] {
    return this.list.filter((each) => each.expiresAtMs === 0 || each.expiresAtMs > Date.now());
  }

  protected override render(): TemplateResult {
    return html`${repeat(
      this.open(),
      (approval) => approval.id,
      (approval) => this.question(approval),
    )}`;
  }

  private question(approval: Approval): TemplateResult {
    const { t } = this.ui;
    const { request } = approval;
    const text = (name: string): string => (typeof request[name] === "string" ? request[name] : "");
    const seconds = secondsUntil(approval.expiresAtMs, Date.now());
    const elsewhere = text("sessionKey") !== "" && text("sessionKey") !== this.current;
    const facts = (Object.keys(FACTS) as (keyof typeof FACTS)[]).filter((name) =>
      says(name, text(name), text("command")),
    );
    const title = `approval-${approval.id}`;
    return html`<section
      class="card approval"
      role="alertdialog"
      tabindex="-1"
      aria-labelledby=${title}
      data-approval=${approval.id}
      @keydown=${(event: KeyboardEvent) => this.keydown(event, approval)}
    >
      <div class="card-title" id=${title} role="alert">${icon("warn")} ${t("approvals.title")}</div>
      ${elsewhere ? this.elsewhere(text("sessionKey")) : nothing}
      ${text("command") === "" ? nothing : html`<pre tabindex="0">${shown(text("command"))}</pre>`}
      ${told(request) ? nothing : html`<pre tabindex="0">${shown(JSON.stringify(request.arguments, null, 2))}</pre>`}
      ${
        facts.length === 0
          ? nothing
          : html`<dl>
              ${facts.map(
                (name) =>
                  html`<div>
                    <dt>${t(FACTS[name])}</dt>
                    <dd><code>${shown(text(name))}</code></dd>
                  </div>`,
              )}
            </dl>`
      }
      <div class="card-actions">
        ${this.button(approval, "allow-once", "y", true)} ${this.button(approval, "allow-always", "a", false)}
        ${this.button(approval, "deny", "n", false)}
        ${approval.expiresAtMs === 0 ? nothing : html`<span class="countdown">${t("approvals.left", { seconds })}</span>`}
      </div>
    </section>`;
  }

  /** The session that asks, as a link to it: by its title, or by its key while the session is not in the list. */
  private elsewhere(key: string): TemplateResult {
    const { t, controller } = this.ui;
    const entry = entryOf(controller.state, key);
    const title = entry ? titleOf(entry, key, controller.state.mainKey, t) : key;
    return html`<p class="fine">
      ${t("approvals.elsewhere")}
      <button type="button" class="link" @click=${() => controller.select(key)}>“${title}”</button>
    </p>`;
  }

  private button(approval: Approval, decision: Decision, key: string, primary: boolean): TemplateResult {
    return html`<button
      type="button"
      class="button ${primary ? "primary" : ""}"
      aria-keyshortcuts=${key}
      ?disabled=${this.busy === approval.id || !this.awake}
      @click=${() => void this.decide(approval, decision)}
    >
      ${this.ui.t(DECISIONS[decision])} <kbd>${key}</kbd>
    </button>`;
  }

  private keydown(event: KeyboardEvent, approval: Approval): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && !isComposingKey(event)) {
      event.preventDefault();
      event.stopPropagation();
      (this.returnTo ?? (this.getRootNode() as ShadowRoot).getElementById("composer"))?.focus();
      return;
    }
    if (event.key.length > 1 && !isComposingKey(event)) return; // Tab, Enter on a button, arrows
    const now = performance.now();
    const typing = event.repeat || now - this.keyAt < QUIET_MS;
    this.keyAt = now;
    const decision = KEYS[HANGUL[event.key] ?? event.key.toLowerCase()];
    if (event.key === " " && event.target !== event.currentTarget) return; // presses a button
    if (typing || !decision) {
      // Text: it belongs into the composer, which gets this very letter.
      (this.getRootNode() as ShadowRoot).getElementById("composer")?.focus();
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    void this.decide(approval, decision);
  }

  private async decide({ id }: Approval, decision: Decision): Promise<void> {
    if (this.busy === id) return;
    this.busy = id;
    const { client } = this.ui.controller;
    await this.ui.attempt(client.request("exec.approval.resolve", { id, decision }));
    this.busy = "";
  }
}

/** Is it something that does not stand there already? The gateway's own machine goes without saying. */
function says(fact: keyof typeof FACTS, value: string, command: string): boolean {
  if (value === "" || (fact === "host" && value === "gateway")) return false;
  return fact !== "tool" || !command.startsWith(value);
}

/** Does the command itself name all arguments? */
function told({ command, arguments: given }: Approval["request"]): boolean {
  if (given === undefined || given === null) return true;
  const bare = (text: string): string => text.replace(/\s+/g, "");
  return typeof command === "string" && bare(command).endsWith(bare(JSON.stringify(given)));
}

/** What will be done, letter by letter: nothing in it may be invisible. */
function shown(text: string): (string | TemplateResult)[] {
  return visible(text).map((piece) => (piece.escape ? html`<span class="escape">${piece.text}</span>` : piece.text));
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-approvals": ClawdbotApprovals;
  }
}
