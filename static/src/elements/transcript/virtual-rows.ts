/**
 * Where the rows of a long transcript are, and which of them have to be there: arithmetic, no DOM.
 *
 * Rows stand in the normal flow; those far from the view are replaced by gaps of their height. A height that was not
 * measured yet is guessed, and the guess is put right when the row comes near. `anchor` names the row that has to stay
 * where it is on the screen whatever gets taller or is added above it.
 */

export interface Anchor {
  key: string;
  /** The upper edge of what it says (not of the day above it) below the upper edge of the view, in CSS pixels; negative when it begins above. */
  top: number;
}

/** What to draw, in order: a row by its index, or a gap of so many pixels. */
export type Segment = { row: number } | { gap: number; key: string };

const GUESS_PX = 90;
const PX_PER_CHARACTER = 0.42;
/** A guess beyond this would only make the scroll bar lie. */
const GUESS_MAX_PX = 4_000;

export class Strip {
  private keys: readonly string[] = [];
  private index = new Map<string, number>();
  private lengths: (at: number) => number = () => 0;
  private readonly measured = new Map<string, number>();
  private readonly heads = new Map<string, number>();
  private tops: Float64Array = new Float64Array(1);
  private stale = true;
  /** Height of what stands above the first row. */
  lead = 0;

  /** @param lengthOf characters of a row's text, for the guess */
  setRows(keys: readonly string[], lengthOf: (at: number) => number): void {
    this.keys = keys;
    this.lengths = lengthOf;
    this.index = new Map(keys.map((key, at) => [key, at]));
    this.stale = true;
  }

  get count(): number {
    return this.keys.length;
  }

  indexOf(key: string): number | undefined {
    return this.index.get(key);
  }

  /**
   * Take over what a row's height really is. True if that is news.
   * @param head how much of it is the name of the day, which moves to an older row when one comes
   */
  measure(key: string, height: number, head = 0): boolean {
    if (height <= 0) return false;
    this.heads.set(key, head);
    if (this.measured.get(key) === height) return false;
    this.measured.set(key, height);
    this.stale = true;
    return true;
  }

  heightAt(at: number): number {
    const key = this.keys[at];
    if (key === undefined) return 0;
    return this.measured.get(key) ?? Math.min(GUESS_MAX_PX, Math.round(GUESS_PX + this.lengths(at) * PX_PER_CHARACTER));
  }

  /** The upper edge of a row, from the top of everything. `count` gives the end of the last row. */
  topAt(at: number): number {
    this.refresh();
    return this.lead + (this.tops[Math.max(0, Math.min(at, this.count))] ?? 0);
  }

  /** The row at a height; the last one below all. -1 when there is none. */
  at(y: number): number {
    this.refresh();
    let low = 0;
    let high = this.count - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.topAt(middle) <= y) low = middle;
      else high = middle - 1;
    }
    return this.count === 0 ? -1 : low;
  }

  /** The anchor for a view that begins at `scrollTop`. */
  anchorFor(scrollTop: number): Anchor | null {
    const at = this.at(scrollTop);
    const key = this.keys[at];
    return key === undefined ? null : { key, top: this.topAt(at) + (this.heads.get(key) ?? 0) - scrollTop };
  }

  /** Where to scroll so that the anchor is in its place; `null` when its row is gone. */
  scrollTopFor(anchor: Anchor): number | null {
    const at = this.index.get(anchor.key);
    return at === undefined ? null : this.topAt(at) + (this.heads.get(anchor.key) ?? 0) - anchor.top;
  }

  /** The rows `[first, end)` between two heights. */
  between(from: number, to: number): [number, number] {
    if (this.count === 0) return [0, 0];
    return [this.at(from), Math.min(this.count, this.at(to) + 1)];
  }

  /** Rows `[first, end)` and the pinned ones, with gaps for all others. Gaps are named by the row behind them. */
  segments(first: number, end: number, pinned: Iterable<number>): Segment[] {
    const wanted = new Set<number>(pinned);
    for (let at = first; at < end; at++) wanted.add(at);
    const rows = [...wanted].filter((at) => at >= 0 && at < this.count).sort((a, b) => a - b);
    const made: Segment[] = [];
    let next = 0;
    for (const row of [...rows, this.count]) {
      const gap = this.topAt(row) - this.topAt(next);
      if (gap > 0) made.push({ gap, key: `gap:${this.keys[row] ?? "end"}` });
      if (row < this.count) made.push({ row });
      next = row + 1;
    }
    return made;
  }

  private refresh(): void {
    if (!this.stale) return;
    this.stale = false;
    const tops = new Float64Array(this.count + 1);
    for (let at = 0; at < this.count; at++) tops[at + 1] = (tops[at] ?? 0) + this.heightAt(at);
    this.tops = tops;
  }
}

/**
 * The empty space below the last row that lets one's own message stand at the top of the view while its answer grows
 * into that space. A message that would fill most of the view shows its end instead of its beginning.
 * @param own height of the message, `rest` of what follows it, `view` of the view, all in CSS pixels
 */
export function roomBelow(own: number, rest: number, view: number): number {
  return Math.max(0, Math.round(view - Math.min(own, view * 0.45) - rest));
}
