/**
 * `<clawdbot-control-logs>`: the gateway's log as it grows. Only the rows in view are drawn and only the newest lines are
 * kept, so that a flood costs no more than a trickle.
 */
import { html, nothing, unsafeCSS } from "lit";
import type { TemplateResult } from "lit";

import { addTexts } from "../../i18n/index.js";
import type { TextKey } from "../../i18n/index.js";
import en from "../../i18n/control-logs.en.json";
import ko from "../../i18n/control-logs.ko.json";
import { copyText } from "../base/clipboard.js";
import { download } from "../base/download.js";
import { icon } from "../base/more-icons.js";
import logsText from "../styles/control-logs.css?inline";
import { badge, choices, copyButton, empty, facts } from "./base/parts.js";
import type { Level } from "./base/parts.js";
import { ControlTab } from "./base/tab.js";
import { LogBuffer } from "./log-lines.js";
import type { LogFilter, LogLevel, LogLine } from "./log-lines.js";

addTexts({ en, ko });

const ROW_PX = 26;
const SPARE = 10;
const BATCH = 5_000;
const BATCH_BYTES = 1_000_000;
const NAMES = {
  debug: "logs.debug",
  info: "logs.info",
  warn: "logs.warn",
  error: "logs.error",
} as const satisfies Record<LogLevel, TextKey>;
const MARKS: Record<LogLevel, Level> = { debug: "info", info: "info", warn: "warn", error: "error" };

export class ControlLogs extends ControlTab {
  static override sheet = [...ControlTab.sheet, unsafeCSS(logsText)];
  static override properties = {
    filter: { state: true },
    paused: { state: true },
    chosen: { state: true },
    top: { state: true },
  };

  declare private filter: LogFilter;
  declare private paused: boolean;
  declare private chosen: LogLine | null;
  /** Where the list is scrolled to. */
  declare private top: number;

  // The log has no event; a second is what a reader takes for now.
  protected override readonly pollMs = 1_000;

  private readonly buffer = new LogBuffer();
  private cursor: number | undefined;
  private file = "";
  private following = true;
  private rows = 30;

  constructor() {
    super();
    this.filter = { level: "debug", text: "", id: "" };
    this.paused = false;
    this.chosen = null;
    this.top = 0;
  }

  protected override async load(): Promise<void> {
    if (this.paused && this.cursor !== undefined) return;
    const at = this.cursor === undefined ? {} : { cursor: this.cursor };
    const news = await this.request("logs.tail", { ...at, limit: BATCH, maxBytes: BATCH_BYTES });
    if (news.reset) this.buffer.clear();
    this.buffer.add(news.lines);
    this.cursor = news.cursor;
    this.file = news.file;
  }

  protected override addressChanged(query: URLSearchParams): void {
    const level = query.get("level");
    const levels: readonly string[] = ["debug", "info", "warn", "error"];
    this.filter = {
      level: level !== null && levels.includes(level) ? (level as LogLevel) : "debug",
      text: query.get("text") ?? "",
      id: query.get("id") ?? "",
    };
    this.buffer.filter(this.filter);
  }

  private sift(change: Partial<LogFilter>): void {
    this.filter = { ...this.filter, ...change };
    this.buffer.filter(this.filter);
    const { level, text, id } = this.filter;
    this.control.setQuery({ level: level === "debug" ? "" : level, text, id });
  }

  protected override content(): TemplateResult {
    const { t, filter, buffer, chosen } = this;
    const { matching, lines } = buffer;
    const number = new Intl.NumberFormat(this.locale);
    return html`<div class="control-bar">
        ${choices(
          "log-level",
          t("logs.level"),
          [
            { value: "debug", label: t("logs.all") },
            { value: "info", label: t("logs.info") },
            { value: "warn", label: t("logs.warn") },
            { value: "error", label: t("logs.error") },
          ],
          filter.level,
          (level) => this.sift({ level }),
        )}
        <input
          type="search"
          .value=${filter.text}
          placeholder=${t("logs.text")}
          aria-label=${t("logs.text")}
          @input=${(event: Event) => this.sift({ text: (event.target as HTMLInputElement).value })}
        />
        <input
          type="search"
          .value=${filter.id}
          placeholder=${t("logs.id")}
          aria-label=${t("logs.id")}
          @input=${(event: Event) => this.sift({ id: (event.target as HTMLInputElement).value })}
        />
      </div>
      <div class="control-bar">
        <button
          type="button"
          class="button"
          aria-pressed=${this.paused ? "true" : "false"}
          @click=${() => {
            this.paused = !this.paused;
            if (!this.paused) void this.reload();
          }}
        >
          ${t(this.paused ? "control.continue" : "control.pause")}
        </button>
        <button type="button" class="button" @click=${this.copy}>${icon("copy")} ${t("logs.copy")}</button>
        <button type="button" class="button" @click=${this.save}>${icon("download")} ${t("logs.download")}</button>
        <span class="fine" role="status">
          ${t("logs.count", { shown: number.format(matching.length), all: number.format(lines.length) })}
          ${buffer.dropped > 0 ? t("logs.dropped", { count: number.format(buffer.dropped) }) : nothing}
        </span>
      </div>
      ${matching.length === 0 ? empty(t(lines.length === 0 ? "logs.none" : "logs.noMatch")) : this.list(matching)}
      ${chosen ? this.details(chosen) : html`<p class="fine">${t("logs.file", { file: this.file })}</p>`}`;
  }

  private list(lines: readonly LogLine[]): TemplateResult {
    const { t, chosen } = this;
    const from = Math.max(0, Math.floor(this.top / ROW_PX) - SPARE);
    const to = Math.min(lines.length, from + this.rows + 2 * SPARE);
    return html`<div
      class="log-list"
      role="listbox"
      tabindex="0"
      aria-label=${t("logs.list")}
      aria-activedescendant=${chosen ? `log-${chosen.id}` : nothing}
      @scroll=${this.scrolled}
      @keydown=${this.key}
    >
      <div class="log-space" style="height: ${lines.length * ROW_PX}px">
        ${lines.slice(from, to).map(
          (line, index) =>
            html`<div
              role="option"
              class="log-line"
              id="log-${line.id}"
              data-level=${line.level}
              aria-selected=${line === chosen ? "true" : "false"}
              aria-setsize=${lines.length}
              aria-posinset=${from + index + 1}
              style="top: ${(from + index) * ROW_PX}px"
              @click=${() => (this.chosen = line)}
            >
              <span class="time">${line.time.slice(11, 23)}</span>
              <span class="level">${t(NAMES[line.level])}</span>
              <span class="text"><b>${line.subsystem}</b> ${line.message}</span>
            </div>`,
        )}
      </div>
    </div>`;
  }

  private details(line: LogLine): TemplateResult {
    const { t, control } = this;
    const { run, session } = line;
    const rows = [
      { label: t("logs.time"), value: line.time === "" ? "–" : new Date(line.time).toLocaleString(this.locale) },
      { label: t("logs.level"), value: badge(t(NAMES[line.level]), MARKS[line.level]) },
      { label: t("logs.from"), value: line.subsystem },
      { label: t("logs.message"), value: html`<pre class="log-message">${line.message}</pre>` },
      ...(run === undefined
        ? []
        : [
            {
              label: t("logs.run"),
              value: html`<button type="button" class="link" @click=${() => this.sift({ id: run })}>${run}</button>`,
            },
          ]),
      ...(session === undefined
        ? []
        : [
            {
              label: t("control.session"),
              value: html`<button type="button" class="link" @click=${() => control.openSession(session)}>
                ${session}
              </button>`,
            },
          ]),
    ];
    return html`<section class="card log-details" aria-label=${t("logs.details")}>
      ${copyButton(control.ui, line.raw, t("logs.copyLine"))}${facts(rows)}
    </section>`;
  }

  private readonly scrolled = (event: Event): void => {
    const list = event.target as HTMLElement;
    this.top = list.scrollTop;
    this.following = list.scrollHeight - list.clientHeight - list.scrollTop < ROW_PX;
  };

  private key(event: KeyboardEvent): void {
    const { matching } = this.buffer;
    const at = this.chosen ? matching.indexOf(this.chosen) : matching.length;
    const steps: Record<string, number> = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: matching.length - 1 };
    const to = steps[event.key];
    const line = to === undefined ? undefined : matching[Math.max(0, Math.min(matching.length - 1, to))];
    if (!line) return;
    event.preventDefault();
    this.chosen = line;
    const list = event.currentTarget as HTMLElement;
    const y = matching.indexOf(line) * ROW_PX;
    if (y < list.scrollTop) list.scrollTop = y;
    else if (y + ROW_PX > list.scrollTop + list.clientHeight) list.scrollTop = y + ROW_PX - list.clientHeight;
  }

  private get text(): string {
    return this.buffer.matching.map((line) => line.raw).join("\n");
  }

  private async copy(): Promise<void> {
    const { t } = this;
    const done = await copyText(this.text);
    this.control.ui.toast({ text: t(done ? "control.copied" : "control.copyFailed"), kind: done ? "info" : "error" });
  }

  private save(): void {
    download(
      `clawdbot-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}.jsonl`,
      "application/x-ndjson",
      this.text,
    );
  }

  protected override updated(): void {
    const list = this.querySelector<HTMLElement>(".log-list");
    if (!list) return;
    this.rows = Math.ceil(list.clientHeight / ROW_PX);
    if (this.following && !this.paused) list.scrollTop = list.scrollHeight;
    // Lines that fell out at the front move the rest up.
    if (list.scrollTop !== this.top) this.top = list.scrollTop;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-control-logs": ControlLogs;
  }
}
