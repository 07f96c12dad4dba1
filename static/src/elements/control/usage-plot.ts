/**
 * `<clawdbot-usage-plot>`: bars of one measure. For those who do not see them it is a slider over the values, which
 * arrow keys walk through; all values stand in the table that belongs to it.
 */
import { html, nothing, unsafeCSS } from "lit";
import type { PropertyValues, TemplateResult } from "lit";
import UPlot from "uplot";
import chartText from "uplot/dist/uPlot.min.css?inline";

import { LightElement } from "../base/light-element.js";
import usageText from "../styles/control-usage.css?inline";

export interface Bar {
  /** As it is read out. */
  name: string;
  /** As it stands below the plot. */
  mark: string;
  value: number;
}

const HEIGHT_PX = 220;
/** Widest bar, and the part of its place that a bar takes. */
const BAR_PX = 48;
const BAR_PART = 0.7;
/** Room for one mark below the plot. */
const MARK_PX = 64;
const TICK_PX = 76;
const MARKS_PX = 30;

export class ClawdbotUsagePlot extends LightElement {
  static override sheet = [unsafeCSS(chartText), unsafeCSS(usageText)];
  static override properties = {
    label: {},
    summary: {},
    bars: { attribute: false },
    format: { attribute: false },
    theme: {},
    at: { state: true },
  };

  declare label: string;
  declare summary: string;
  declare bars: readonly Bar[];
  declare format: (value: number) => string;
  /** Drawn anew when it changes. */
  declare theme: string;
  /** The bar that is read out. */
  declare private at: number;

  private chart: UPlot | null = null;
  private sizes: ResizeObserver | null = null;
  private readonly dark = matchMedia("(prefers-color-scheme: dark)");

  constructor() {
    super();
    this.label = this.summary = this.theme = "";
    this.bars = [];
    this.format = String;
    this.at = -1;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.dark.addEventListener("change", this.redraw);
    if (this.hasUpdated) this.draw();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.dark.removeEventListener("change", this.redraw);
    this.sizes?.disconnect();
    this.chart?.destroy();
    this.chart = null;
  }

  private readonly redraw = (): void => this.chart?.redraw(false, true);

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has("bars")) this.at = Math.min(this.at, this.bars.length - 1);
  }

  protected override updated(changed: PropertyValues<this>): void {
    if (changed.has("bars") || changed.has("format")) this.draw();
    else if (changed.has("theme")) this.redraw();
  }

  /** A colour of the theme, as the canvas understands it: the values of variables are not resolved. */
  private color(property: "color" | "caretColor" | "columnRuleColor"): string {
    const place = this.querySelector(".usage-bars");
    return place ? getComputedStyle(place)[property] : "gray";
  }

  private draw(): void {
    const place = this.querySelector<HTMLElement>(".usage-bars");
    if (!place) return;
    const data: UPlot.AlignedData = [this.bars.map((_, index) => index), this.bars.map((bar) => bar.value)];
    this.chart?.destroy();
    this.chart = new UPlot(this.options(place.clientWidth), data, place);
    this.sizes?.disconnect();
    this.sizes = new ResizeObserver(() => {
      if (place.clientWidth > 0 && place.clientWidth !== this.chart?.width)
        this.chart?.setSize({ width: place.clientWidth, height: HEIGHT_PX });
    });
    this.sizes.observe(place);
  }

  private options(width: number): UPlot.Options {
    const axis = {
      stroke: () => this.color("color"),
      grid: { stroke: () => this.color("columnRuleColor"), width: 1 },
      ticks: { show: false },
      font: `12px ${getComputedStyle(this).fontFamily}`,
    };
    return {
      width: Math.max(width, 100),
      height: HEIGHT_PX,
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, y: false, points: { show: false } },
      scales: {
        x: { time: false, range: [-0.5, Math.max(0.5, this.bars.length - 0.5)] },
        y: { range: (_, __, most) => [0, most > 0 ? most * 1.05 : 1] },
      },
      axes: [
        {
          ...axis,
          size: MARKS_PX,
          grid: { show: false },
          splits: (chart) => {
            const step = Math.max(1, Math.ceil(this.bars.length / Math.max(1, (chart.width - TICK_PX) / MARK_PX)));
            return this.bars.map((_, index) => index).filter((index) => index % step === 0);
          },
          values: (_, splits) => splits.map((index) => this.bars[index]?.mark ?? ""),
        },
        { ...axis, size: TICK_PX, values: (_, splits) => splits.map((value) => this.format(value)) },
      ],
      series: [
        {},
        {
          fill: () => this.color("caretColor"),
          stroke: () => this.color("caretColor"),
          width: 0,
          points: { show: false },
          ...(UPlot.paths.bars ? { paths: UPlot.paths.bars({ size: [BAR_PART, BAR_PX], radius: 0.15 }) } : {}),
        },
      ],
      hooks: {
        setCursor: [
          (chart) => {
            if (chart.cursor.idx !== null && chart.cursor.idx !== undefined) this.at = chart.cursor.idx;
          },
        ],
      },
    };
  }

  private readonly keys = (event: KeyboardEvent): void => {
    const last = this.bars.length - 1;
    const to = {
      ArrowLeft: this.at - 1,
      ArrowDown: this.at - 1,
      ArrowRight: this.at + 1,
      ArrowUp: this.at + 1,
      Home: 0,
      End: last,
    }[event.key];
    if (to === undefined || !this.chart) return;
    event.preventDefault();
    this.at = Math.max(0, Math.min(last, to));
    const left = this.chart.valToPos(this.at, "x");
    this.chart.setCursor({ left, top: 0 }, false);
  };

  protected override render(): TemplateResult {
    const bar = this.bars[this.at];
    return html`<figure class="usage-figure">
      <div
        class="usage-bars"
        role="slider"
        tabindex="0"
        aria-label=${this.label}
        aria-describedby="usage-summary"
        aria-orientation="horizontal"
        aria-valuemin="0"
        aria-valuemax=${Math.max(0, this.bars.length - 1)}
        aria-valuenow=${Math.max(0, this.at)}
        aria-valuetext=${bar ? `${bar.name}: ${this.format(bar.value)}` : this.summary}
        @keydown=${this.keys}
      ></div>
      <figcaption>
        <span aria-hidden="true" class="usage-readout"
          >${bar ? `${bar.name}: ${this.format(bar.value)}` : nothing}</span
        >
        <span id="usage-summary">${this.summary}</span>
      </figcaption>
    </figure>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-usage-plot": ClawdbotUsagePlot;
  }
}
