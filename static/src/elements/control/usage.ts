/** `<clawdbot-control-usage>`: tokens and cost of a range, by day, model, session and client. */
import { html, nothing, unsafeCSS } from "lit";
import type { TemplateResult } from "lit";

import { addTexts } from "../../i18n/index.js";
import type { TextKey } from "../../i18n/index.js";
import en from "../../i18n/control-usage.en.json";
import ko from "../../i18n/control-usage.ko.json";
import { count, money } from "../base/amounts.js";
import { icon } from "../base/icons.js";
import { forms } from "../styles/lazy.js";
import usageText from "../styles/control-usage.css?inline";
import { downloadCsv } from "./base/csv.js";
import { choices, empty, stat } from "./base/parts.js";
import type { Column } from "./base/table.js";
import { ControlTab } from "./base/tab.js";
import { ControlTable } from "./base/table.js";
import {
  costOf,
  csvRow,
  edgesOf,
  isOneDay,
  isoDay,
  lastDays,
  MOST_DAYS,
  rangeOf,
  sumsBy,
  total,
} from "./usage-sums.js";
import type { Breakdown, Grouping, Range, Sum } from "./usage-sums.js";
import type { Bar } from "./usage-plot.js";
import { COUNT_TEXTS, DATE_TEXTS, GROUP_TEXTS, MEASURE_TEXTS, SPAN_TEXTS } from "./usage-texts.js";
import type { Count, Measure, Span } from "./usage-texts.js";

addTexts({ en, ko });

const SPANS = ["1", "7", "30", "90", "own"] as const;
const GROUPINGS: readonly Grouping[] = ["day", "model", "session", "client"];
/** Bars of what has no order in time. */
const MOST_BARS = 20;
/** Sessions that are named one by one. */
const NAMED = 200;
const CLIENTS: Readonly<Record<string, TextKey>> = {
  "clawdbot-webchat": "usageTab.client.webchat",
  cli: "usageTab.client.cli",
};

function define(name: string, element: CustomElementConstructor): void {
  if (!customElements.get(name)) customElements.define(name, element);
}

export class ControlUsage extends ControlTab {
  static override sheet = [...ControlTab.sheet, ...forms, unsafeCSS(usageText)];
  static override properties = {
    ...ControlTab.properties,
    own: { state: true },
    plot: { state: true },
  };

  protected override readonly events = ["session.message", "session.changed"];

  private found: Breakdown | null = null;
  private limits: readonly { text: string }[] = [];
  private edges: number[] = [];
  private span: Span = "30";
  private by: Grouping = "day";
  private measure: Measure = "cost";
  /** The dates in the fields of an own range. */
  declare private own: { from: string; to: string };
  /** The chunk with the plot. */
  declare private plot: "wanted" | "here" | "failed";

  constructor() {
    super();
    const { from, to } = lastDays(30, Date.now());
    this.own = { from: isoDay(from), to: isoDay(to - 1) };
    this.plot = "wanted";
    define("clawdbot-control-table", ControlTable);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    void import("./usage-plot.js").then(
      ({ ClawdbotUsagePlot }) => {
        define("clawdbot-usage-plot", ClawdbotUsagePlot);
        this.plot = "here";
      },
      () => (this.plot = "failed"),
    );
  }

  protected override addressChanged(query: URLSearchParams): void {
    const [from, to] = [query.get("from"), query.get("to")];
    const days = query.get("days") ?? "30";
    this.span = from !== null && to !== null ? "own" : (SPANS.find((span) => span === days) ?? "30");
    if (from !== null && to !== null) this.own = { from, to };
    this.by = GROUPINGS.find((each) => each === query.get("by")) ?? "day";
    this.measure = query.get("plot") === "tokens" ? "tokens" : "cost";
    void this.reload();
  }

  private show(change: { span?: Span; by?: Grouping; measure?: Measure; own?: { from: string; to: string } }): void {
    const { span, by, measure, own } = {
      span: this.span,
      by: this.by,
      measure: this.measure,
      own: this.own,
      ...change,
    };
    this.control.setQuery({
      ...(span === "own" ? own : { days: span === "30" ? "" : span }),
      by: by === "day" ? "" : by,
      plot: measure === "cost" ? "" : measure,
    });
  }

  private range(): Range | null {
    return this.span === "own" ? rangeOf(this.own.from, this.own.to) : lastDays(Number(this.span), Date.now());
  }

  protected override async load(): Promise<void> {
    const range = this.range();
    if (!range) return;
    const edges = edgesOf(range);
    const [found, { limits }] = await Promise.all([
      this.request("usage.breakdown", { edges, sessions: NAMED }),
      this.request("usage.status", {}),
    ]);
    this.edges = edges;
    this.limits = limits;
    this.found = found;
  }

  // -- drawing ------------------------------------------------------------------------------------------------------
  protected override content(): TemplateResult {
    const range = this.range();
    return html`${this.bar()} ${this.limits.map(({ text }) => html`<p class="fine">${text}</p>`)}
    ${
      range
        ? this.found
          ? this.answer(this.found, range)
          : nothing
        : html`<p class="error" role="alert">${this.t("usageTab.badRange", { days: MOST_DAYS })}</p>`
    }`;
  }

  private bar(): TemplateResult {
    const { t } = this;
    const spans = SPANS.map((value) => ({ value, label: t(SPAN_TEXTS[value]) }));
    const date = (end: "from" | "to"): TemplateResult =>
      html`<label
        >${t(DATE_TEXTS[end])}
        <input
          type="date"
          .value=${this.own[end]}
          @change=${(event: Event) =>
            this.show({ own: { ...this.own, [end]: (event.target as HTMLInputElement).value } })}
      /></label>`;
    return html`<div class="control-bar">
        ${choices("usage-range", t("usageTab.range"), spans, this.span, (span) => this.show({ span }))}
        ${this.span === "own" ? html`${date("from")} ${date("to")}` : nothing}
      </div>
      <div class="control-bar">
        ${choices(
          "usage-by",
          t("usageTab.by"),
          GROUPINGS.map((value) => ({ value, label: this.groupName(value) })),
          this.by,
          (by) => this.show({ by }),
        )}
        ${choices(
          "usage-measure",
          t("usageTab.measure"),
          (["cost", "tokens"] as const).map((value) => ({ value, label: t(MEASURE_TEXTS[value]) })),
          this.measure,
          (measure) => this.show({ measure }),
        )}
      </div>`;
  }

  private groupName(by: Grouping): string {
    const range = this.range();
    return this.t(by === "day" && range && isOneDay(range) ? "usageTab.by.hour" : GROUP_TEXTS[by]);
  }

  private answer(found: Breakdown, range: Range): TemplateResult {
    const { t, locale } = this;
    const all = total(found.days);
    const whole = new Intl.NumberFormat(locale);
    const sums = sumsBy(this.by, found, this.edges);
    const zone = new Intl.DateTimeFormat(locale).resolvedOptions().timeZone;
    if (all.replies === 0) return empty(t("usageTab.none"));
    return html`<div class="control-stats">
        ${stat(t("control.cost"), this.cost(all))} ${stat(t("control.tokens"), count(all.tokens, locale))}
        ${stat(t("usageTab.replies"), whole.format(all.replies))}
        ${stat(t("control.tab.sessions"), whole.format(found.sessionCount))}
      </div>
      ${all.unpriced > 0 ? html`<p class="fine usage-note">${t("usageTab.note", { count: all.unpriced === 1 ? 1 : whole.format(all.unpriced) })}</p>` : nothing}
      <h2>
        ${t("usageTab.plot", { measure: t(MEASURE_TEXTS[this.measure]), by: this.groupName(this.by).toLocaleLowerCase(locale), range: this.rangeName(range) })}
      </h2>
      ${this.drawing(sums)} ${this.table(sums)}
      <div class="control-bar">
        <button type="button" class="button" @click=${() => this.csv(sums, range)}>
          ${icon("copy")} ${t("usageTab.csv")}
        </button>
        <span class="fine">${t("usageTab.zone", { zone })}</span>
      </div>`;
  }

  private rangeName(range: Range): string {
    const format = new Intl.DateTimeFormat(this.locale, { dateStyle: "medium" });
    return format.formatRange(range.from, range.to - 1);
  }

  private drawing(sums: readonly Sum[]): TemplateResult {
    const { t, locale, measure } = this;
    if (this.plot === "failed") return html`<p class="fine">${t("usageTab.plotFailed")}</p>`;
    const shown = this.by === "day" ? sums : sums.slice(0, MOST_BARS);
    const value = (sum: Sum): number => (measure === "cost" ? sum.cost : sum.tokens);
    const format = measure === "cost" ? this.dollars : this.counted;
    const bars = shown.map((sum, index): Bar => {
      const mark = this.by === "day" ? this.mark(sum.at ?? 0) : String(index + 1);
      return { name: this.name(sum), mark, value: value(sum) };
    });
    const most = bars.reduce((a, b) => (b.value > a.value ? b : a), bars[0] ?? { name: "–", mark: "", value: 0 });
    const facts = {
      measure: t(MEASURE_TEXTS[measure]),
      by: this.groupName(this.by).toLocaleLowerCase(locale),
      total: format(sums.reduce((sum, each) => sum + value(each), 0)),
      name: most.name,
      value: format(most.value),
    };
    if (this.plot === "wanted") return html`<div class="usage-wait"></div>`;
    return html`<clawdbot-usage-plot
      .label=${t("usageTab.plot", { ...facts, range: "" }).replace(/, $/, "")}
      .summary=${t(most.value > 0 ? "usageTab.summary" : "usageTab.summaryNone", facts)}
      .bars=${this.same(bars)}
      .format=${format}
      .theme=${`${this.control.ui.prefs.theme} ${locale}`}
    ></clawdbot-usage-plot>`;
  }

  /** The bars of the last drawing if these are the same: the plot is drawn anew for other ones only. */
  private same(bars: readonly Bar[]): readonly Bar[] {
    if (JSON.stringify(bars) !== JSON.stringify(this.drawn)) this.drawn = bars;
    return this.drawn;
  }

  private drawn: readonly Bar[] = [];

  private readonly dollars = (value: number): string => money(value, this.locale);
  private readonly counted = (value: number): string => count(value, this.locale);

  /** The cost of a sum: what is not known is said, and no 0. */
  private cost(sum: Sum): string {
    const cost = costOf(sum);
    if (cost === null) return this.t("control.notKnown");
    return sum.unpriced > 0 ? this.t("control.partly", { cost: this.dollars(cost) }) : this.dollars(cost);
  }

  private mark(at: number): string {
    const options: Intl.DateTimeFormatOptions =
      this.edges.length <= 26 && isOneDay({ from: this.edges[0] ?? 0, to: this.edges.at(-1) ?? 0 })
        ? { hour: "numeric" }
        : { month: "numeric", day: "numeric" };
    return new Intl.DateTimeFormat(this.locale, options).format(at);
  }

  private name(sum: Sum): string {
    const { t, by, locale } = this;
    if (sum.at !== undefined) {
      const oneDay = isOneDay({ from: this.edges[0] ?? 0, to: this.edges.at(-1) ?? 0 });
      const options: Intl.DateTimeFormatOptions = oneDay
        ? { hour: "numeric", minute: "2-digit" }
        : { weekday: "short", year: "numeric", month: "short", day: "numeric" };
      return new Intl.DateTimeFormat(locale, options).format(sum.at);
    }
    if (by === "session") {
      if (sum.id === "") return t("usageTab.others");
      const title = this.found?.titles[sum.id];
      return typeof title === "string" && title !== "" ? title : t("usageTab.gone", { key: sum.id });
    }
    if (by === "client") {
      const known = CLIENTS[sum.id];
      return sum.id === "" ? t("usageTab.noClient") : known ? t(known) : sum.id;
    }
    return sum.id;
  }

  private table(sums: readonly Sum[]): TemplateResult {
    const { t, locale, by } = this;
    const whole = new Intl.NumberFormat(locale);
    const number = (id: Count): Column<Sum> => ({
      id,
      label: t(COUNT_TEXTS[id]),
      cell: (sum) => whole.format(sum[id]),
      sort: (sum) => sum[id],
      align: "end",
    });
    const rank = new Map(sums.map((sum, index) => [sum, index + 1]));
    const columns: Column<Sum>[] = [
      ...(by === "day"
        ? []
        : [{ id: "rank", label: t("usageTab.rank"), cell: (sum: Sum) => rank.get(sum), align: "end" } as Column<Sum>]),
      {
        id: "name",
        label: this.groupName(by),
        head: true,
        cell: (sum) => this.named(sum),
        sort: (sum) => sum.at ?? this.name(sum),
      },
      number("replies"),
      number("input"),
      number("cacheRead"),
      number("cacheWrite"),
      number("output"),
      number("tokens"),
      { id: "cost", label: t("control.cost"), cell: (sum) => this.cost(sum), sort: costOf, align: "end" },
    ];
    const rows = by === "day" ? sums.filter((sum) => sum.replies > 0).reverse() : sums;
    return html`<clawdbot-control-table
      .t=${t}
      .caption=${this.groupName(by)}
      .columns=${columns}
      .rows=${rows}
      .rowKey=${(sum: Sum) => sum.id}
    ></clawdbot-control-table>`;
  }

  private named(sum: Sum): unknown {
    const name = this.name(sum);
    if (this.by !== "session" || this.found?.titles[sum.id] === undefined) return html`<span dir="auto">${name}</span>`;
    return html`<button type="button" class="link" dir="auto" @click=${() => this.control.openSession(sum.id)}>
      ${name}
    </button>`;
  }

  private csv(sums: readonly Sum[], range: Range): void {
    const { t, by } = this;
    const counts = (["replies", "input", "cacheRead", "cacheWrite", "output", "tokens"] as const).map((id) =>
      t(COUNT_TEXTS[id]),
    );
    const head = [...counts, t("usageTab.costUsd"), t("usageTab.unpriced")];
    const oneDay = isOneDay(range);
    const name = (sum: Sum): string => (sum.at === undefined || oneDay ? this.name(sum) : isoDay(sum.at)); // dates that a spreadsheet knows
    downloadCsv(
      `usage-${by}-${isoDay(range.from)}-${isoDay(range.to - 1)}.csv`,
      [this.groupName(by), ...head],
      sums.map((sum) => csvRow(name(sum), sum)),
    );
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-control-usage": ControlUsage;
  }
}
