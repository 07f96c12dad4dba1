/**
 * Keeps the transcript's scroll position right: at the end while the reader follows, else with the row the reader looks
 * at where it is. It measures the rows that are there and tells which have to be.
 *
 * All corrections happen in the callback of a ResizeObserver, that is after layout and before paint, so none is seen.
 * The browser's own scroll anchoring is off: two of them would correct each other.
 */
import { Follow } from "./auto-scroll.js";
import { roomBelow, Strip } from "./virtual-rows.js";
import type { Anchor } from "./virtual-rows.js";

/** Rows are kept ready this many view heights beyond the view, and fetched when fewer than the second are. */
const READY = 1.25;
const NEEDED = 0.5;
/** Up to so many rows are simply all there. */
const ALL_ROWS = 40;

export interface ViewportEvents {
  /** Other rows have to be there. */
  onRange: () => void;
  onFollow: () => void;
  /** The reader comes near the first row. */
  onNearTop: () => void;
}

export class Viewport {
  readonly strip = new Strip();
  readonly follow: Follow;
  /** The rows to have, `[first, end)`. */
  range: [number, number] = [0, 0];
  private anchor: Anchor | null = null;
  /** The row of one's own newest message, to stand at the top of the view. */
  private own: string | null = null;
  private height = 0;
  /** Where the page itself has put the view last: its scroll event is no news. */
  private placedTop = -1;
  private readonly observer: ResizeObserver;
  private readonly watched = new Set<Element>();

  constructor(
    private readonly scroller: HTMLElement,
    private readonly lead: HTMLElement,
    private readonly room: HTMLElement,
    private readonly events: ViewportEvents,
  ) {
    this.follow = new Follow(scroller, () => {
      this.remember();
      events.onFollow();
    });
    this.observer = new ResizeObserver((entries) => this.resized(entries));
    this.observer.observe(scroller);
    this.observer.observe(lead);
    scroller.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.height = scroller.clientHeight;
  }

  stop(): void {
    this.observer.disconnect();
    this.watched.clear();
  }

  /** The rows are others now. Call before drawing; `range` then is right for them. */
  setRows(keys: readonly string[], lengthOf: (at: number) => number): void {
    this.strip.setRows(keys, lengthOf);
    this.range = this.wantedRange(READY);
  }

  /** These row elements are in the document now; each has its key in `data-key`. */
  watch(rows: Iterable<Element>): void {
    const now = new Set(rows);
    for (const row of this.watched) {
      if (now.has(row)) continue;
      this.observer.unobserve(row);
      this.watched.delete(row);
    }
    for (const row of now) {
      if (this.watched.has(row)) continue;
      this.observer.observe(row);
      this.watched.add(row);
    }
  }

  /** The reader has just said something: to the end, with that message at the top of the view. */
  toEnd(own: string | null = this.own): void {
    this.own = own;
    this.follow.resume();
    this.settle();
  }

  /** Another session is on show. */
  begin(): void {
    this.own = null;
    this.anchor = null;
    this.toEnd(null);
  }

  /** Put a row at `top` pixels below the upper edge of the view and keep it there. */
  show(key: string, top: number): void {
    this.follow.release();
    this.anchor = { key, top };
    this.settle();
  }

  get viewHeight(): number {
    return this.height;
  }

  /** Put the view where it has to be. */
  settle(): void {
    if (this.height === 0) return; // hidden: nothing has a size now
    this.makeRoom();
    if (this.follow.following) {
      this.move(this.strip.count === 0 ? 0 : this.scroller.scrollHeight - this.scroller.clientHeight);
    } else {
      const top = this.anchor && this.strip.scrollTopFor(this.anchor);
      if (top === null) this.remember();
      else if (Math.abs(top - this.scroller.scrollTop) >= 1) this.move(top);
    }
    this.checkRange();
  }

  private move(top: number): void {
    this.scroller.scrollTop = top;
    this.placedTop = this.scroller.scrollTop;
    this.follow.placed();
  }

  /** Remember what the reader looks at. */
  private remember(): void {
    this.anchor = this.strip.anchorFor(this.scroller.scrollTop);
  }

  private scrolled(): void {
    if (this.height === 0) return;
    const ours = Math.abs(this.scroller.scrollTop - this.placedTop) < 1;
    this.placedTop = -1;
    this.follow.scrolled();
    if (!ours && !this.follow.following) this.remember();
    this.checkRange();
    if (!this.follow.following && this.scroller.scrollTop < this.height) this.events.onNearTop();
  }

  private resized(entries: readonly ResizeObserverEntry[]): void {
    for (const { target, borderBoxSize } of entries) {
      const height = borderBoxSize[0]?.blockSize ?? 0;
      if (target === this.scroller) this.height = this.scroller.clientHeight;
      else if (target === this.lead) this.strip.lead = height;
      else if (this.height > 0) this.strip.measure((target as HTMLElement).dataset.key ?? "", height, headOf(target));
    }
    this.settle();
  }

  private makeRoom(): void {
    const at = this.own === null ? undefined : this.strip.indexOf(this.own);
    const own = at === undefined ? 0 : this.strip.heightAt(at);
    const rest = at === undefined ? 0 : this.strip.topAt(this.strip.count) - this.strip.topAt(at + 1);
    const room = at === undefined ? 0 : roomBelow(own, rest, this.height);
    const style = `${room}px`;
    if (this.room.style.height !== style) this.room.style.height = style;
  }

  private wantedRange(beyond: number): [number, number] {
    const { strip, height } = this;
    if (strip.count <= ALL_ROWS) return [0, strip.count];
    const extra = beyond * (height || 800);
    const total = strip.topAt(strip.count);
    const top = this.follow.following
      ? Math.max(0, total - height)
      : ((this.anchor && strip.scrollTopFor(this.anchor)) ?? this.scroller.scrollTop);
    return strip.between(top - extra, top + height + extra);
  }

  private checkRange(): void {
    const [first, end] = this.wantedRange(NEEDED);
    if (first >= this.range[0] && end <= this.range[1]) return;
    this.range = this.wantedRange(READY);
    this.events.onRange();
  }
}

/** The height of the name of the day above a turn. */
function headOf(row: Element): number {
  return row.childElementCount > 1 ? (row.firstElementChild?.clientHeight ?? 0) : 0;
}
