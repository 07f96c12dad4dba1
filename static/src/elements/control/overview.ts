/** `<clawdbot-control-overview>`: the gateway at a glance, live. */
import { html, nothing, unsafeCSS } from "lit";
import type { TemplateResult } from "lit";

import { addTexts } from "../../i18n/index.js";
import en from "../../i18n/control-overview.en.json";
import ko from "../../i18n/control-overview.ko.json";
import { ago, fullTime } from "../base/format.js";
import { bytes } from "../base/format-bytes.js";
import overviewText from "../styles/control-overview.css?inline";
import { badge, command, empty, facts } from "./base/parts.js";
import type { Fact, Level } from "./base/parts.js";
import type { ResultOf } from "../../protocol/types.js";
import { icon } from "../base/icons.js";
import { duration } from "./base/numbers.js";
import { ControlTab } from "./base/tab.js";

addTexts({ en, ko });

/** `status`, as far as it is shown; an older gateway may leave out any of it. */
interface Status {
  gateway?: { version?: string; uptimeMs?: number; clients?: number; runs?: { running?: number; queued?: number } };
  sessions?: { count?: number };
  model?: { id?: string; name?: string; provider?: string };
  setup?: { provider?: string; needsKey?: boolean };
  storage?: Storage;
}

interface Storage {
  ok?: boolean;
  state?: string;
  path?: string;
  bytes?: number;
  freeBytes?: number;
  backups?: number;
  lastBackup?: { at: number; path: string; bytes: number };
  troubles?: Record<string, unknown>;
}

/** A row of `system-presence`. */
interface Present {
  host?: string;
  ip?: string;
  version?: string;
  platform?: string;
  mode?: string;
  reason?: string;
  instanceId?: string;
  roles?: string[];
  ts?: number;
}

/** `gateway.info`. */
type Info = ResultOf<"gateway.info">;

interface Failure {
  at: number;
  kind: string;
  message: string;
  provider: string;
  model: string;
  sessionKey: string;
}

/** A running reply. */
interface Active {
  runId: string;
  sessionKey: string;
  startedAt: number;
}

/** A finding of `gateway.checks`. */
interface Finding {
  source: string;
  check: string;
  level: "problem" | "hint" | "info" | "ok";
  text: string;
  fix?: string;
}

const LEVELS: Record<Finding["level"], Level> = { problem: "error", hint: "warn", info: "info", ok: "ok" };

/** Between two drawings of what grows by itself, in milliseconds. */
const TICK_MS = 30_000;
/** A copy that is older than this is worth a word. */
const OLD_BACKUP_MS = 3 * 24 * 3_600_000;

export class ControlOverview extends ControlTab {
  static override sheet = [...ControlTab.sheet, unsafeCSS(overviewText)];

  protected override readonly events = ["health", "presence", "session.queue", "session.changed"];

  private status: Status = {};
  private present: readonly Present[] = [];
  private info: Info | null = null;
  /** `null`: they were not asked for yet. */
  private findings: readonly Finding[] | null = null;
  private checkedAt = 0;
  private checking = false;
  private checkProblem = "";
  private ticking: ReturnType<typeof setInterval> | undefined;

  protected override shown(visible: boolean): void {
    clearInterval(this.ticking);
    this.ticking = visible ? setInterval(() => this.requestUpdate(), TICK_MS) : undefined;
  }

  protected override matters(name: string, payload: unknown): boolean {
    if (name === "chat") return (payload as { state?: string }).state !== "delta";
    if (name === "agent") return (payload as { stream?: string }).stream === "lifecycle";
    return super.matters(name, payload);
  }

  protected override async load(): Promise<void> {
    const [status, present, info] = await Promise.all([
      this.request("status", {}),
      this.can("system-presence") ? this.request("system-presence", {}) : [],
      this.can("gateway.info") ? this.request("gateway.info", {}) : null,
    ]);
    this.status = status;
    this.present = present as readonly Present[];
    this.info = info;
    if (this.checkedAt === 0) void this.examine();
  }

  /** The checks take seconds, so they come by themselves and only when they are asked for. */
  private async examine(): Promise<void> {
    if (!this.can("gateway.checks") || this.checking) return;
    this.checking = true;
    this.checkedAt = Date.now();
    this.requestUpdate();
    try {
      const { findings, at } = await this.request("gateway.checks", {});
      this.findings = findings as unknown as readonly Finding[];
      this.checkedAt = at;
      this.checkProblem = "";
    } catch (error) {
      this.checkProblem = error instanceof Error ? error.message : String(error);
    }
    this.checking = false;
    this.requestUpdate();
  }

  protected override content(): TemplateResult {
    return html`<div class="control-grid">${this.gateway()} ${this.provider()} ${this.work()} ${this.storage()}</div>
      ${this.checks()} ${this.connected()}`;
  }

  private card(title: string, content: unknown, more: unknown = nothing): TemplateResult {
    return html`<section class="card">
      <h2>${title}</h2>
      ${content} ${more}
    </section>`;
  }

  private gateway(): TemplateResult {
    const { t, locale } = this;
    const { gateway = {} } = this.status;
    const uptime = (gateway.uptimeMs ?? 0) + (this.online ? Date.now() - this.readAt : 0);
    return this.card(
      t("overview.gateway"),
      facts([
        { label: t("overview.version"), value: gateway.version ?? "–" },
        { label: t("overview.uptime"), value: duration(uptime, locale) },
        { label: t("control.address"), value: html`<code>${this.control.ui.base}</code>`, hint: this.elsewhere() },
        ...this.access(),
      ]),
    );
  }

  /** The address on the gateway's machine, where it is another than this page's. */
  private elsewhere(): string {
    const { t, info } = this;
    const urls = [info?.url, info?.tailscaleUrl].filter((url) => url && url !== this.control.ui.base);
    return urls.length === 0 ? "" : t("overview.elsewhere", { url: urls.join(", ") });
  }

  private access(): Fact[] {
    const { t, info } = this;
    if (!info) return [];
    const mounted = info.host === "jupyter";
    const binds: Record<string, string> = {
      loopback: t("overview.bind.loopback"),
      lan: t("overview.bind.lan"),
      tailnet: t("overview.bind.tailnet"),
      custom: t("overview.bind.custom"),
    };
    const funnel =
      info.tailscale === "funnel" ? t("overview.funnel") : info.tailscale === "serve" ? t("overview.serve") : "";
    const auths: Record<string, string> = {
      token: t("overview.auth.token"),
      password: t("overview.auth.password"),
      tailscale: t("overview.auth.tailscale"),
      jupyter: t("overview.jupyterLogin"),
    };
    return [
      {
        label: t("overview.bind"),
        value: mounted ? t("overview.mounted") : (info.bind ?? "–"),
        hint: [mounted ? t("overview.mountedHint") : (binds[info.bind ?? ""] ?? ""), funnel].filter(Boolean).join(" "),
      },
      {
        label: t("control.login"),
        value: mounted ? t("overview.jupyterLogin") : (auths[info.authMode ?? ""] ?? info.authMode ?? "–"),
        hint: info.tls ? t("overview.tls") : "",
      },
    ];
  }

  private provider(): TemplateResult {
    const { t } = this;
    const { setup = {}, model = {} } = this.status;
    const rows: Fact[] = [
      {
        label: t("overview.provider"),
        value: setup.needsKey
          ? badge(t("overview.demo"), "warn")
          : badge(setup.provider ?? model.provider ?? "–", "ok"),
        hint: setup.needsKey ? t("overview.needsKey") : "",
      },
      { label: t("control.defaultModel"), value: model.name ?? model.id ?? "–" },
    ];
    const failure = this.info?.lastFailure as unknown as Failure | undefined;
    if (failure)
      rows.push({
        label: t("overview.lastError"),
        value: html`${badge(failure.kind, "error")} ${failure.message}`,
        hint: html`${[failure.provider, failure.model].filter(Boolean).join("/")} ·
          <time title=${fullTime(failure.at, this.locale)}>${ago(failure.at, Date.now(), this.locale)}</time> ·
          <a href=${this.control.href("logs", { id: failure.sessionKey, level: "warn" })}>${t("overview.inLog")}</a>`,
      });
    else if (this.info) rows.push({ label: t("overview.lastError"), value: t("overview.noError") });
    return this.card(t("control.provider"), facts(rows));
  }

  private work(): TemplateResult {
    const { t, locale } = this;
    const { gateway = {}, sessions = {} } = this.status;
    const number = new Intl.NumberFormat(locale);
    return this.card(
      t("overview.work"),
      facts([
        { label: t("overview.running"), value: number.format(gateway.runs?.running ?? 0) },
        { label: t("overview.queued"), value: number.format(gateway.runs?.queued ?? 0) },
        { label: t("control.tab.sessions"), value: number.format(sessions.count ?? 0) },
      ]),
      this.running(),
    );
  }

  private running(): TemplateResult | typeof nothing {
    const active = (this.info?.active ?? []) as unknown as readonly Active[];
    if (active.length === 0) return nothing;
    const now = Date.now();
    return html`<ul class="overview-runs">
      ${active.map(
        (run) =>
          html`<li>
            <button type="button" class="link" @click=${() => this.control.openSession(run.sessionKey)}>
              ${run.sessionKey}
            </button>
            <span class="fine">${duration(now - run.startedAt, this.locale)}</span>
          </li>`,
      )}
    </ul>`;
  }

  private checks(): TemplateResult | typeof nothing {
    const { t, findings, locale } = this;
    if (!this.can("gateway.checks")) return nothing;
    const told = (findings ?? []).filter((each) => each.level !== "ok");
    const well = (findings ?? []).length - told.length;
    const order = ["problem", "hint", "info"];
    told.sort((a, b) => order.indexOf(a.level) - order.indexOf(b.level));
    return html`<section class="control-section">
      <h2>${t("overview.checks")}</h2>
      <div class="control-bar">
        <button
          type="button"
          class="button"
          ?disabled=${this.checking || !this.online}
          @click=${() => void this.examine()}
        >
          ${icon("retry")} ${t("overview.checkAgain")}
        </button>
        <span class="fine" role="status">
          ${
            this.checking
              ? t("overview.checking")
              : findings === null
                ? ""
                : t("overview.checked", { count: well, age: ago(this.checkedAt, Date.now(), locale) })
          }
        </span>
      </div>
      ${this.checkProblem === "" ? nothing : html`<p role="alert">${badge(this.checkProblem, "error")}</p>`}
      ${findings !== null && told.length === 0 ? html`<p>${badge(t("overview.clean"), "ok")}</p>` : nothing}
      <ul class="overview-findings">
        ${told.map(
          (each) =>
            html`<li class="card" data-level=${each.level}>
              <p>${badge(this.levelName(each.level), LEVELS[each.level])} ${each.text}</p>
              ${each.fix ? html`<p class="fine">→ ${this.fix(each.fix)}</p>` : nothing}
            </li>`,
        )}
      </ul>
    </section>`;
  }

  private levelName(level: Finding["level"]): string {
    const { t } = this;
    return level === "problem" ? t("overview.problem") : level === "hint" ? t("overview.hint") : t("overview.note");
  }

  /** A remedy that is a command can be copied; one in words cannot. */
  private fix(text: string): unknown {
    return /^(?:clawdbot|jupyter|pip|chmod|export) /.test(text) ? command(this.control.ui, text) : text;
  }

  private storage(): TemplateResult {
    const { t, locale } = this;
    const { storage = {} } = this.status;
    const { lastBackup } = storage;
    const now = Date.now();
    const rows: Fact[] = [
      {
        label: t("overview.state"),
        value: storage.ok === false ? badge(storage.state ?? "?", "error") : badge(t("overview.ok"), "ok"),
        hint: storage.troubles ? Object.keys(storage.troubles).join(", ") : "",
      },
    ];
    if (storage.bytes !== undefined)
      rows.push({
        label: t("overview.size"),
        value: bytes(storage.bytes, locale),
        hint: storage.freeBytes === undefined ? "" : t("overview.free", { size: bytes(storage.freeBytes, locale) }),
      });
    if (storage.backups !== undefined)
      rows.push({
        label: t("overview.backup"),
        value: lastBackup
          ? html`<time title=${fullTime(lastBackup.at, locale)}>${ago(lastBackup.at, now, locale)}</time>`
          : badge(t("overview.noBackup"), "warn"),
        hint: lastBackup && now - lastBackup.at < OLD_BACKUP_MS ? "" : command(this.control.ui, "clawdbot backup"),
      });
    return this.card(t("overview.storage"), facts(rows));
  }

  private connected(): TemplateResult {
    const { t, locale } = this;
    const here = this.present.filter((each) => each.reason !== "disconnect" && each.mode !== "gateway");
    const now = Date.now();
    return html`<section class="control-section">
      <h2>${t("control.connected", { count: here.length })}</h2>
      ${
        here.length === 0
          ? empty(t("overview.noClients"))
          : html`<ul class="overview-clients">
              ${here.map(
                (each) =>
                  html`<li class="card">
                    <strong>${each.host ?? each.instanceId ?? "?"}</strong>
                    <span class="fine"
                      >${[each.mode, each.platform, each.version, each.ip].filter(Boolean).join(" · ")}</span
                    >
                    ${each.ts === undefined ? nothing : html`<span class="fine">${ago(each.ts, now, locale)}</span>`}
                  </li>`,
              )}
            </ul>`
      }
    </section>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-control-overview": ControlOverview;
  }
}
