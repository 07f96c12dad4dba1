/**
 * `<clawdbot-control-table>`: rows of one kind with headers that sort. Of a long list only what is near the visible part
 * is drawn. In a narrow place each row becomes a card, in which every value has its column's name beside it.
 *
 * @fires control-sort `detail`: `{by, down}`, after a click on a header; the table has sorted by then
 */
import { html, nothing, unsafeCSS } from "lit";
import type { CSSResult, PropertyValues, TemplateResult } from "lit";

import { LightElement } from "../../base/light-element.js";
import type { Translate } from "../../../i18n/index.js";
import text from "../../styles/control-table.css?inline";

export interface Column<Row> {
  id: string;
  label: string;
  cell: (row: Row) => unknown;
  /** What rows are compared by; absent: this column does not sort. Nothing (`null`) comes last, either way. */
  sort?: (row: Row) => number | string | null | undefined;
  /** Numbers stand at the end. */
  align?: "end";
  /** The name of the row: its header, and the title of its card. */
  head?: boolean;
  /** The label is for screen readers only, as above buttons. */
  quiet?: boolean;
}

export interface Sort {
  by: string;
  down: boolean;
}

/** So many rows are all drawn. */
const ALL = 200;
/** Rows drawn above and below the visible part. */
const SPARE = 20;
const GUESS_PX = 44;
/** The part by which rows may differ from the height that is reckoned with. */
const TOLERANCE = 0.1;

export function sorted<Row>(rows: readonly Row[], columns: readonly Column<Row>[], sort: Sort | null): readonly Row[] {
  const by = sort && columns.find((column) => column.id === sort.by)?.sort;
  if (!by) return rows;
  const sign = sort.down ? -1 : 1;
  const order = new Intl.Collator(undefined, { numeric: true }).compare;
  return rows
    .map((row, index) => ({ row, index, value: by(row) ?? null }))
    .sort((a, b) => {
      if (a.value === null || b.value === null)
        return Number(a.value === null) - Number(b.value === null) || a.index - b.index;
      const difference =
        typeof a.value === "number" && typeof b.value === "number"
          ? a.value - b.value
          : order(String(a.value), String(b.value));
      return sign * difference || a.index - b.index;
    })
    .map(({ row }) => row);
}

export class ControlTable<Row = unknown> extends LightElement {
  static override sheet: readonly CSSResult[] = [unsafeCSS(text)];
  static override properties = {
    t: { attribute: false },
    caption: {},
    columns: { attribute: false },
    rows: { attribute: false },
    rowKey: { attribute: false },
    sort: { attribute: false },
    rowClass: { attribute: false },
    from: { state: true },
    to: { state: true },
  };

  declare t: Translate;
  /** Says what the table is about; for screen readers. */
  declare caption: string;
  declare columns: readonly Column<Row>[];
  declare rows: readonly Row[];
  /** Tells rows apart, so that what is open or focused in one stays with it. */
  declare rowKey: (row: Row) => string;
  declare sort: Sort | null;
  declare rowClass: ((row: Row) => string) | null;
  declare private from: number;
  declare private to: number;

  private order: readonly Row[] = [];
  private height = GUESS_PX;
  private frame = 0;
  private scroller: HTMLElement | null = null;

  constructor() {
    super();
    this.caption = "";
    this.columns = [];
    this.rows = [];
    this.rowKey = String;
    this.sort = null;
    this.rowClass = null;
    this.from = 0;
    this.to = ALL;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.scroller = this.closest(".pane");
    this.scroller?.addEventListener("scroll", this.scrolled, { passive: true });
    window.addEventListener("resize", this.scrolled);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.scroller?.removeEventListener("scroll", this.scrolled);
    window.removeEventListener("resize", this.scrolled);
    cancelAnimationFrame(this.frame);
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has("rows") || changed.has("sort") || changed.has("columns"))
      this.order = sorted(this.rows, this.columns, this.sort);
  }

  protected override updated(): void {
    for (const cell of this.querySelectorAll<HTMLElement>(".spacer td")) cell.style.height = `${cell.dataset.height}px`;
    const drawn = [...this.querySelectorAll<HTMLElement>("tbody > tr[data-row]")];
    const mean = drawn.reduce((sum, row) => sum + row.offsetHeight, 0) / drawn.length;
    // A little more or less is no reason to move what is below: rows that still load differ from those that are here.
    if (mean > 0 && Math.abs(mean - this.height) > this.height * TOLERANCE) this.height = mean;
    // In the next frame: were it at once, two heights that lead to each other would hold the page up for good.
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(this.scrolled);
  }

  private readonly scrolled = (): void => this.window();

  /** Which rows are near the visible part. */
  private window(): void {
    const { scroller, order, height } = this;
    let from = 0;
    let to = order.length;
    const body = this.querySelector("tbody");
    if (order.length > ALL && scroller && body) {
      const above = scroller.getBoundingClientRect().top - body.getBoundingClientRect().top;
      const first = Math.floor(above / height);
      from = Math.max(0, Math.min(order.length - SPARE, first - SPARE));
      to = Math.min(order.length, Math.max(first, 0) + Math.ceil(scroller.clientHeight / height) + SPARE);
      // Small steps are not worth a drawing.
      if (Math.abs(from - this.from) < SPARE / 2 && Math.abs(to - this.to) < SPARE / 2 && to <= order.length) return;
    }
    this.from = from;
    this.to = to;
  }

  protected override render(): TemplateResult {
    const { columns, order, from } = this;
    const all = order.length <= ALL;
    const to = all ? order.length : Math.min(order.length, this.to);
    const above = all ? 0 : Math.min(from, to) * this.height;
    const below = all ? 0 : (order.length - to) * this.height;
    // The roles stay when the display of a row becomes that of a card, which takes them away in browsers.
    return html`<table role="table" class="control-table" aria-rowcount=${order.length + 1}>
      <caption class="sr">
        ${this.caption}
      </caption>
      <thead role="rowgroup">
        <tr role="row" aria-rowindex="1">
          ${columns.map((column) => this.header(column))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        ${
          above > 0
            ? html`<tr aria-hidden="true" class="spacer">
                <td data-height=${above}></td>
              </tr>`
            : nothing
        }
        ${order.slice(all ? 0 : from, to).map((row, index) => this.row(row, (all ? 0 : from) + index))}
        ${
          below > 0
            ? html`<tr aria-hidden="true" class="spacer">
                <td data-height=${below}></td>
              </tr>`
            : nothing
        }
      </tbody>
    </table>`;
  }

  private header(column: Column<Row>): TemplateResult {
    const { sort } = this;
    const on = sort?.by === column.id;
    const label = column.quiet ? html`<span class="sr">${column.label}</span>` : column.label;
    return html`<th
      role="columnheader"
      scope="col"
      data-align=${column.align ?? "start"}
      aria-sort=${on ? (sort.down ? "descending" : "ascending") : nothing}
    >
      ${
        column.sort
          ? html`<button type="button" class="control-sort" @click=${() => this.sortBy(column)}>
              ${label}<span aria-hidden="true">${on ? (sort.down ? "↓" : "↑") : ""}</span>
            </button>`
          : label
      }
    </th>`;
  }

  private row(row: Row, index: number): TemplateResult {
    return html`<tr
      role="row"
      data-row=${this.rowKey(row)}
      class=${this.rowClass?.(row) ?? nothing}
      aria-rowindex=${index + 2}
    >
      ${this.columns.map((column) =>
        column.head
          ? html`<th role="rowheader" scope="row">${column.cell(row)}</th>`
          : html`<td
              role="cell"
              data-align=${column.align ?? "start"}
              data-label=${column.quiet ? nothing : column.label}
            >
              ${column.cell(row)}
            </td>`,
      )}
    </tr>`;
  }

  private sortBy(column: Column<Row>): void {
    const { sort } = this;
    // The first click shows what is most: the newest, the largest, or the beginning of the alphabet.
    const first = this.order.map((row) => column.sort?.(row)).find((value) => value !== null && value !== undefined);
    this.sort =
      sort?.by === column.id ? { by: column.id, down: !sort.down } : { by: column.id, down: typeof first === "number" };
    this.dispatchEvent(new CustomEvent("control-sort", { detail: this.sort, bubbles: true }));
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-control-table": ControlTable;
  }
}
