/**
 * `<clawdbot-control-approvals>`: what waits for a decision, with everything that will be done; the permissions and
 * rules by which nothing is asked, each revocable; and who decided what.
 */
import { html, nothing, unsafeCSS } from "lit";
import type { TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";

import { addTexts } from "../../i18n/index.js";
import type { TextKey } from "../../i18n/index.js";
import approvalsEn from "../../i18n/approvals.en.json";
import approvalsKo from "../../i18n/approvals.ko.json";
import en from "../../i18n/control-approvals.en.json";
import ko from "../../i18n/control-approvals.ko.json";
import type { ApprovalsFileResult, DecidedApproval } from "../../protocol/generated.js";
import type { Answer, Grant, GrantScope, HandsRequest } from "../../protocol/hands.js";
import type { Approval } from "../../protocol/types.js";
import { entryOf } from "../../state/state.js";
import { ago, fullTime } from "../base/format.js";
import { ClawdbotApproval } from "../hands/approval.js";
import { ClawdbotDiff } from "../hands/diff-view.js";
import { plain } from "../hands/plain.js";
import { ClawdbotQuestions, isQuestion } from "../hands/questions.js";
import { defineParts } from "../hands/texts.js";
import { titleOf } from "../sessions/title.js";
import approvalsText from "../styles/control-approvals.css?inline";
import { sheet as handsSheet } from "../styles/hands.js";
import { rulesOf, whoOf, withoutRule } from "./approvals-rules.js";
import type { Rule } from "./approvals-rules.js";
import { badge, empty } from "./base/parts.js";
import type { Column } from "./base/table.js";
import { ControlTab } from "./base/tab.js";

addTexts({ en, ko });
addTexts({ en: approvalsEn, ko: approvalsKo });
defineParts({
  "clawdbot-diff": ClawdbotDiff,
  "clawdbot-approval": ClawdbotApproval,
  "clawdbot-questions": ClawdbotQuestions,
});

const SCOPES: Record<GrantScope, TextKey> = {
  once: "hands.scope.once",
  cell: "hands.scope.cell",
  notebook: "hands.scope.notebook",
  always: "hands.grant.always",
};
/** So long the buttons sleep when a question comes or goes: a click may have been meant for what was there before. */
const SLEEP_MS = 500;
const PAGE = 50;

export class ControlApprovals extends ControlTab {
  static override sheet = [...ControlTab.sheet, ...[handsSheet].flat(), unsafeCSS(approvalsText)];
  static override properties = { ...ControlTab.properties, awake: { state: true }, deciding: { state: true } };

  protected override readonly events = [
    "exec.approval.requested",
    "exec.approval.resolved",
    "exec.approvals.changed",
    "hands.grants.changed",
  ];

  declare private awake: boolean;
  declare private deciding: string;
  private waiting: readonly Approval[] = [];
  private grants: readonly Grant[] = [];
  private rules: ApprovalsFileResult | null = null;
  private decided: readonly DecidedApproval[] = [];
  /** Pages of the history on show. */
  private pages = 1;
  private more = false;
  private waking: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    super();
    this.awake = false;
    this.deciding = "";
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.waking);
  }

  protected override async load(): Promise<void> {
    const [open, grants, rules] = await Promise.all([
      this.request("exec.approval.list", {}),
      this.can("hands.grants.list") ? this.request("hands.grants.list", {}) : { grants: [] },
      this.can("exec.approvals.get") ? this.request("exec.approvals.get", {}) : null,
      this.readHistory(),
    ]);
    const before = this.waiting.map(({ id }) => id).join();
    this.waiting = open.approvals;
    if (this.waiting.map(({ id }) => id).join() !== before) this.sleep();
    this.grants = grants.grants as readonly Grant[];
    this.rules = rules;
  }

  private async readHistory(): Promise<void> {
    if (!this.can("exec.approval.history")) return;
    const rows: DecidedApproval[] = [];
    let before: number | undefined;
    for (let page = 0; page < this.pages; page++) {
      const answer = await this.request("exec.approval.history", { limit: PAGE, ...(before ? { before } : {}) });
      rows.push(...answer.approvals);
      before = answer.next;
      if (before === undefined) break;
    }
    this.decided = rows;
    this.more = before !== undefined;
  }

  private sleep(): void {
    this.awake = false;
    clearTimeout(this.waking);
    this.waking = setTimeout(() => (this.awake = true), SLEEP_MS);
  }

  // -- drawing ------------------------------------------------------------------------------------------------------
  protected override content(): TemplateResult {
    return html`${this.open()} ${this.permissions()} ${this.history()}`;
  }

  private open(): TemplateResult {
    const { t, waiting } = this;
    return html`<section>
      <h2>${t("approvalsTab.waiting")}</h2>
      <p class="sr" role="status">${t("approvalsTab.waitingCount", { count: waiting.length })}</p>
      ${waiting.length === 0 ? empty(t("approvalsTab.nothingWaits")) : nothing}
      ${repeat(
        waiting,
        ({ id }) => id,
        (each) => this.question(each),
      )}
    </section>`;
  }

  private question(approval: Approval): TemplateResult {
    const { t, locale } = this;
    const request = approval.request as HandsRequest;
    const answer = (given: Answer): void => void this.decide(approval, given);
    const busy = this.deciding === approval.id || !this.online;
    const { ui } = this.control;
    return html`<section
      class="card approval"
      role="group"
      aria-labelledby=${`approval-${approval.id}`}
      data-approval=${approval.id}
    >
      <p class="fine">
        ${this.session(request.sessionKey)}
        <time title=${fullTime(approval.createdAtMs, locale)}
          >${t("control.asked", { ago: ago(approval.createdAtMs, Date.now(), locale) })}</time
        >
      </p>
      ${
        isQuestion(request)
          ? html`<clawdbot-questions
              .ui=${ui}
              .approval=${approval}
              .awake=${this.awake}
              .busy=${busy}
              .onAnswer=${answer}
            ></clawdbot-questions>`
          : html`<clawdbot-approval
              .ui=${ui}
              .approval=${approval}
              .awake=${this.awake}
              .busy=${busy}
              .onAnswer=${answer}
            ></clawdbot-approval>`
      }
    </section>`;
  }

  private session(key: string | null | undefined): TemplateResult | typeof nothing {
    if (!key) return nothing; // a program that asks over the wire may have none
    const { state } = this.control.ui.controller;
    const entry = entryOf(state, key);
    return html`<button type="button" class="link" @click=${() => this.control.openSession(key)}>
      ${entry ? titleOf(entry, key, state.mainKey, this.t) : key}
    </button>`;
  }

  private async decide({ id }: Approval, answer: Answer): Promise<void> {
    if (this.deciding !== "") return;
    this.deciding = id;
    const done = await this.attempt(this.request("exec.approval.resolve", { id, ...answer }));
    this.deciding = "";
    if (done) this.control.ui.toast({ text: this.t("approvalsTab.decided") });
    await this.reload();
    this.querySelector<HTMLElement>("h2")?.scrollIntoView({ block: "nearest" });
  }

  // -- permissions and rules ----------------------------------------------------------------------------------------
  private permissions(): TemplateResult {
    const { t, grants } = this;
    const rules = this.rules ? rulesOf(this.rules.file) : [];
    return html`<section class="control-section">
      <h2>${t("approvalsTab.rules")}</h2>
      <p class="fine">${t("approvalsTab.rulesHint")}</p>
      ${grants.length + rules.length === 0 ? empty(t("approvalsTab.noRules")) : nothing}
      <ul class="approvals-rules">
        ${repeat(
          grants,
          ({ id }) => id,
          (each) => this.grant(each),
        )}
        ${repeat(
          rules,
          ({ agent, pattern }) => `${agent}\n${pattern}`,
          (each) => this.rule(each),
        )}
      </ul>
    </section>`;
  }

  private grant(grant: Grant): TemplateResult {
    const { t, locale } = this;
    const { tool, path, scope, by, createdAtMs, usedAtMs, sessionKey } = grant;
    const now = Date.now();
    return html`<li class="card">
      <div>
        <strong><code>${plain(tool)}</code></strong> · ${t(SCOPES[scope])}
        ${path === undefined ? nothing : html`<code class="path">${plain(path)}</code>`}
        <p class="fine">
          ${this.session(sessionKey)} ${t("approvalsTab.givenBy", { who: by, ago: ago(createdAtMs, now, locale) })} ·
          ${usedAtMs > 0 ? t("control.used", { ago: ago(usedAtMs, now, locale) }) : t("approvalsTab.unused")}
        </p>
      </div>
      ${this.revokeButton(`${tool} ${path ?? ""}`.trim(), () => this.request("hands.grants.revoke", { id: grant.id }))}
    </li>`;
  }

  private rule(rule: Rule): TemplateResult {
    const { t, locale } = this;
    return html`<li class="card">
      <div>
        <strong><code>${plain(rule.pattern)}</code></strong> · ${t("approvalsTab.always")}
        <p class="fine">
          ${rule.usedAt > 0 ? t("control.used", { ago: ago(rule.usedAt, Date.now(), locale) }) : t("approvalsTab.unused")}
        </p>
      </div>
      ${
        this.can("exec.approvals.set")
          ? this.revokeButton(rule.pattern, async () => {
              if (!this.rules) return;
              const file = withoutRule(this.rules.file, rule);
              await this.request("exec.approvals.set", { file, baseHash: this.rules.hash });
            })
          : nothing
      }
    </li>`;
  }

  private revokeButton(name: string, revoke: () => Promise<unknown>): TemplateResult {
    const { t } = this;
    const click = async (): Promise<void> => {
      if (await this.attempt(revoke())) this.control.ui.toast({ text: t("approvalsTab.revoked") });
      await this.reload();
    };
    return html`<button
      type="button"
      class="button"
      aria-label=${t("approvalsTab.revokeNamed", { name })}
      ?disabled=${!this.online}
      @click=${click}
    >
      ${t("approvalsTab.revoke")}
    </button>`;
  }

  // -- history ------------------------------------------------------------------------------------------------------
  private history(): TemplateResult | typeof nothing {
    const { t } = this;
    if (!this.can("exec.approval.history")) return nothing;
    return html`<section class="control-section">
      <h2>${t("approvalsTab.history")}</h2>
      ${
        this.decided.length === 0
          ? empty(t("approvalsTab.noHistory"))
          : html`<clawdbot-control-table
              .t=${t}
              .caption=${t("approvalsTab.history")}
              .columns=${this.columns()}
              .rows=${this.decided}
              .rowKey=${(row: DecidedApproval) => row.id}
            ></clawdbot-control-table>`
      }
      ${
        this.more
          ? html`<button
              type="button"
              class="button"
              ?disabled=${!this.online}
              @click=${() => {
                this.pages += 1;
                void this.reload();
              }}
            >
              ${t("approvalsTab.older")}
            </button>`
          : nothing
      }
    </section>`;
  }

  private columns(): readonly Column<DecidedApproval>[] {
    const { t, locale } = this;
    const now = Date.now();
    return [
      {
        id: "what",
        label: t("approvalsTab.what"),
        head: true,
        cell: ({ title, tool, path }) =>
          html`<span class="approvals-what">${plain(title === "" ? (tool ?? "") : title)}</span>
            ${path === undefined ? nothing : html`<code class="path">${plain(path)}</code>`}`,
      },
      {
        id: "decision",
        label: t("approvalsTab.decision"),
        sort: (row) => row.decision,
        cell: (row) => this.verdict(row),
      },
      { id: "who", label: t("approvalsTab.who"), sort: (row) => row.resolvedBy, cell: (row) => this.who(row) },
      {
        id: "when",
        label: t("approvalsTab.when"),
        sort: (row) => row.resolvedAtMs,
        cell: ({ resolvedAtMs }) =>
          html`<time title=${fullTime(resolvedAtMs, locale)}>${ago(resolvedAtMs, now, locale)}</time>`,
      },
      { id: "session", label: t("control.session"), cell: ({ sessionKey }) => this.session(sessionKey) },
    ];
  }

  private verdict({ decision, reason, scope }: DecidedApproval): TemplateResult {
    const { t } = this;
    if (decision === null) return badge(t(reason === "expired" ? "approvalsTab.expired" : "approvalsTab.withdrawn"));
    if (decision === "deny")
      return html`${badge(t("approvalsTab.denied"), "warn")} ${reason ? html`<small>${plain(reason)}</small>` : nothing}`;
    const further = scope !== undefined && scope !== "once";
    return html`${badge(t("approvalsTab.allowed"), "ok")}
    ${further ? html`<small>${t(SCOPES[scope])}</small>` : nothing}`;
  }

  private who({ resolvedBy }: DecidedApproval): string {
    const { key, name } = whoOf(resolvedBy);
    return key === null ? (name === "" ? "–" : name) : this.t(key, { name });
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-control-approvals": ControlApprovals;
  }
}
