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
import type { Fact } from "./base/parts.js";
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

/** Between two drawings of what grows by itself, in milliseconds. */
const TICK_MS = 30_000;
/** A copy that is older than this is worth a word. */
const OLD_BACKUP_MS = 3 * 24 * 3_600_000;

export class ControlOverview extends ControlTab {
  static override sheet = [...ControlTab.sheet, unsafeCSS(overviewText)];

  protected override readonly events = ["health", "presence", "session.queue", "session.changed"];

  private status: Status = {};
  private present: readonly Present[] = [];
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
    const [status, present] = await Promise.all([
      this.request("status", {}),
      this.can("system-presence") ? this.request("system-presence", {}) : [],
    ]);
    this.status = status;
    this.present = present as readonly Present[];
  }

  protected override content(): TemplateResult {
    return html`<div class="control-grid">${this.gateway()} ${this.provider()} ${this.work()} ${this.storage()}</div>
      ${this.connected()}`;
  }

  private card(title: string, content: unknown): TemplateResult {
    return html`<section class="card">
      <h2>${title}</h2>
      ${content}
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
        { label: t("overview.address"), value: html`<code>${this.control.ui.base}</code>` },
      ]),
    );
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
      { label: t("overview.model"), value: model.name ?? model.id ?? "–" },
    ];
    return this.card(t("overview.models"), facts(rows));
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
        { label: t("overview.sessions"), value: number.format(sessions.count ?? 0) },
      ]),
    );
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
      <h2>${t("overview.connected", { count: here.length })}</h2>
      ${
        here.length === 0
          ? empty(t("overview.nobody"))
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
