/**
 * `<clawdbot-tools>`: calls of tools that follow each other. A line each: what is done, to what, how it stands, how long
 * it takes; arguments and output folded away. Several calls are folded together, with their failures counted.
 */
import { html, nothing } from "lit";
import type { PropertyValues, TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";

import type { ToolStep } from "../../protocol/types.js";
import { addTexts } from "../../i18n/index.js";
import type { TextKey } from "../../i18n/index.js";
import en from "../../i18n/tools.en.json";
import ko from "../../i18n/tools.ko.json";

import type { Ui } from "../base/ui-context.js";
import { elapsed } from "../base/amounts.js";
import { icon } from "../base/icons.js";
import { LightElement } from "../base/light-element.js";
import { progressView, resultView } from "../hands/result-view.js";
import { addHandsTexts } from "../hands/texts.js";
import { sheet } from "../styles/hands.js";
import { visible } from "../base/reveal-hidden.js";

addTexts({ en, ko });
addHandsTexts();

/** So many calls are folded into one line. */
const FOLD = 3;
/** Output beyond this is shown on request, in characters. */
const OUTPUT_SHOWN = 4_000;

const VERBS: Record<string, TextKey> = {
  read: "tools.read",
  write: "tools.write",
  edit: "tools.edit",
  exec: "tools.exec",
  bash: "tools.exec",
  shell: "tools.exec",
  search: "tools.search",
  fetch: "tools.fetch",
  web_search: "tools.search",
  web_fetch: "tools.fetch",
  list: "tools.list",
  notebook_list: "tools.list",
  notebook_read: "tools.read",
  cell_output: "tools.read",
  notebook_search: "tools.search",
  notebook_edit: "tools.edit",
  notebook_create: "tools.create",
  kernel_variables: "tools.variables",
  variable_inspect: "tools.variables",
  docs_lookup: "tools.lookUp",
  package_list: "tools.list",
  file_list: "tools.list",
  file_read: "tools.read",
  file_search: "tools.search",
  file_write: "tools.write",
  file_patch: "tools.edit",
  cell_run: "tools.exec",
  run_wait: "tools.wait",
  run_interrupt: "tools.interrupt",
  kernel_restart: "tools.restart",
  kernel_execute: "tools.exec",
  try_code: "tools.try",
  plan: "tools.plan",
  ask_person: "tools.ask",
};
/** The argument that names what a tool works on. */
const TARGETS = ["path", "file", "file_path", "command", "cmd", "query", "url", "name", "key", "text"];

/** What a call works on, in one line. */
function targetOf({ args, title }: ToolStep): string {
  if (title) return title;
  if (typeof args === "string") return firstLine(args);
  if (typeof args !== "object" || args === null) return "";
  const facts = args as Record<string, unknown>;
  const named = TARGETS.map((name) => facts[name]).find((value) => typeof value === "string");
  const any = named ?? Object.values(facts).find((value) => typeof value === "string" || typeof value === "number");
  return any === undefined ? "" : firstLine(String(any));
}

function firstLine(text: string): string {
  const line = text.trim().split("\n", 1)[0] ?? "";
  return line.length > 120 ? `${line.slice(0, 119)}…` : line;
}

/** What is said of a call that a person ended: in its line, and within. */
const ENDED = {
  denied: ["tools.denied", "tools.deniedWhat"],
  stopped: ["tools.stopped", "tools.stoppedWhat"],
} as const;

/** What was not allowed, or stopped by a person, is no failure. */
function isFailure({ isError, denied, stopped }: ToolStep): boolean {
  return isError === true && !denied && !stopped;
}

export class ClawdbotTools extends LightElement {
  static override sheet = sheet;
  static override properties = {
    steps: { attribute: false },
    ui: { attribute: false },
    whole: { state: true },
  };

  declare steps: readonly ToolStep[];
  declare ui: Ui;
  /** Calls whose whole output is shown. */
  declare private whole: ReadonlySet<string>;
  private ticker: ReturnType<typeof setInterval> | undefined;

  constructor() {
    super();
    this.whole = new Set();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearInterval(this.ticker);
    this.ticker = undefined;
  }

  protected override updated(_changed: PropertyValues<this>): void {
    const running = this.steps.some((step) => step.phase !== undefined && step.phase !== "result");
    if (running) this.ticker ??= setInterval(() => this.requestUpdate(), 1_000);
    else {
      clearInterval(this.ticker);
      this.ticker = undefined;
    }
  }

  protected override render(): TemplateResult {
    const { steps } = this;
    const cards = repeat(
      steps,
      (step, at) => step.toolCallId ?? at,
      (step) => this.card(step),
    );
    if (steps.length < FOLD) return html`${cards}`;
    const { t } = this.ui;
    const failed = steps.filter(isFailure).length;
    const running = steps.find((step) => step.phase !== undefined && step.phase !== "result");
    return html`<details class="tool-group" ?open=${running?.log !== undefined}>
      <summary>
        ${icon("chevron")}<span>${t("tools.count", { count: steps.length })}</span>
        ${failed > 0 ? html`<strong class="tool-failed">${t("tools.failures", { count: failed })}</strong>` : nothing}
        ${running ? html`<span class="tool-target">${this.verb(running)} ${this.plain(targetOf(running))}</span>` : nothing}
      </summary>
      ${cards}
    </details>`;
  }

  private card(step: ToolStep): TemplateResult {
    const { t } = this.ui;
    const running = step.phase !== undefined && step.phase !== "result";
    const done = step.phase === "result";
    const failed = isFailure(step);
    const ended = step.denied ? "denied" : step.stopped ? "stopped" : null;
    const state = running ? "running" : (ended ?? (failed ? "failed" : done ? "done" : "unknown"));
    const ms = running ? Date.now() - (step.startedAt ?? Date.now()) : step.durationMs;
    const args = typeof step.args === "string" ? step.args : JSON.stringify(step.args ?? {}, null, 2);
    return html`<details class="tool" data-state=${state} ?open=${running && step.log !== undefined}>
      <summary>
        ${running ? html`<span class="spinner"></span>` : icon(failed ? "warn" : ended ? "stop" : done ? "check" : "gear")}
        <span class="tool-verb">${this.verb(step)}</span>
        <code class="tool-target">${this.plain(targetOf(step))}</code>
        ${failed ? html`<strong class="tool-failed">${t("tools.failed")}</strong>` : nothing}
        ${ended ? html`<span class="tool-denied">${t(ENDED[ended][0])}</span>` : nothing}
        ${ms === undefined ? nothing : html`<span class="tool-time">${elapsed(ms, this.ui.locale)}</span>`}
      </summary>
      <div class="tool-body">
        ${running ? progressView(this.ui, step) : resultView(this.ui, step)}
        <p class="fine">${t("tools.arguments")} · ${step.name}</p>
        <pre tabindex="0">${this.plain(args)}</pre>
        ${
          // What the model is told then is not for people to read.
          ended
            ? html`<p class="fine">${t(ENDED[ended][1])}</p>`
            : step.output === undefined
              ? nothing
              : this.output(step, step.output)
        }
      </div>
    </details>`;
  }

  private output(step: ToolStep, output: string): TemplateResult {
    const { t } = this.ui;
    const id = step.toolCallId ?? "";
    const cut = output.length > OUTPUT_SHOWN && !this.whole.has(id);
    return html`<p class="fine">${t("tools.output")}</p>
      <pre tabindex="0" class=${step.isError ? "tool-error" : ""}>
${this.plain(cut ? output.slice(0, OUTPUT_SHOWN) : output)}</pre>
      ${
        cut
          ? html`<button type="button" class="link" @click=${() => (this.whole = new Set([...this.whole, id]))}>
              ${t("tools.all", { count: output.length.toLocaleString(this.ui.locale) })}
            </button>`
          : nothing
      }`;
  }

  private verb(step: ToolStep): string {
    const key = VERBS[step.name ?? ""];
    return key ? this.ui.t(key) : (step.name ?? "");
  }

  private plain(text: string): (string | TemplateResult)[] {
    return visible(text).map((piece) => (piece.escape ? html`<span class="escape">${piece.text}</span>` : piece.text));
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-tools": ClawdbotTools;
  }
}
