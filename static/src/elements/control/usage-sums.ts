/** The arithmetic of the usage tab: where days begin, sums by one thing, and the same as lines of CSV. */
import type { ResultOf } from "../../protocol/types.js";
import type { CsvRow } from "./base/csv.js";

export type Breakdown = ResultOf<"usage.breakdown">;
type Row = Breakdown["days"][number];
export type Grouping = "day" | "model" | "session" | "client";

/** The longest range that can be asked for. */
export const MOST_DAYS = 3660;

export interface Range {
  /** Local midnights, in milliseconds; `to` is the day after the last one. */
  from: number;
  to: number;
}

export interface Sum {
  /** The beginning of the day, or the name of the model, the key of the session, the id of the client. */
  id: string;
  /** Of a day: when it begins. */
  at?: number;
  input: number;
  output: number;
  cacheRead: number;
  cacheWrite: number;
  tokens: number;
  cost: number;
  replies: number;
  unpriced: number;
}

function midnight(ms: number, days = 0): number {
  const date = new Date(ms);
  return new Date(date.getFullYear(), date.getMonth(), date.getDate() + days).getTime();
}

/** The last `days` days, today included. */
export function lastDays(days: number, now: number): Range {
  return { from: midnight(now, 1 - days), to: midnight(now, 1) };
}

/** The range of two dates as fields give them (`2026-11-30`), both included; `null` for none. */
export function rangeOf(from: string, to: string): Range | null {
  const low = new Date(`${from}T00:00`).getTime();
  const high = new Date(`${to}T00:00`).getTime();
  if (Number.isNaN(low) || Number.isNaN(high)) return null;
  const range = { from: midnight(low), to: midnight(high, 1) };
  return range.to > range.from && Math.round((range.to - range.from) / 86_400_000) <= MOST_DAYS ? range : null;
}

/** A day as a date field has it. */
export function isoDay(ms: number): string {
  const date = new Date(ms);
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${String(date.getFullYear()).padStart(4, "0")}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

export function isOneDay({ from, to }: Range): boolean {
  return midnight(from, 1) === to;
}

/** Where the days of a range begin, and its end; of a single day, its hours. Days of 23 and 25 hours are days. */
export function edgesOf(range: Range): number[] {
  const edges: number[] = [];
  if (isOneDay(range)) for (let at = range.from; at < range.to; at += 3_600_000) edges.push(at);
  else for (let at = range.from; at < range.to; at = midnight(at, 1)) edges.push(at);
  return [...edges, range.to];
}

function none(id: string): Sum {
  return {
    id,
    input: 0,
    output: 0,
    cacheRead: 0,
    cacheWrite: 0,
    tokens: 0,
    cost: 0,
    replies: 0,
    unpriced: 0,
  };
}

function add(sum: Sum, row: Row): void {
  sum.input += row.input;
  sum.output += row.output;
  sum.cacheRead += row.cacheRead;
  sum.cacheWrite += row.cacheWrite;
  sum.tokens += row.input + row.output + row.cacheRead + row.cacheWrite;
  sum.cost += row.cost;
  sum.replies += row.replies;
  sum.unpriced += row.unpriced;
}

export function total(rows: readonly Row[]): Sum {
  const sum = none("");
  for (const row of rows) add(sum, row);
  return sum;
}

/** Days in their order, all of them; else what cost most comes first. `""` is what has no name, or the sum of others. */
export function sumsBy(by: Grouping, found: Breakdown, edges: readonly number[]): Sum[] {
  if (by === "day") {
    const days = edges.slice(0, -1).map((at) => ({ ...none(String(at)), at }));
    for (const row of found.days) {
      const day = days[row.day ?? -1];
      if (day) add(day, row);
    }
    return days;
  }
  const sums = new Map<string, Sum>();
  for (const row of by === "session" ? found.sessions : found.days) {
    const id = by === "model" ? `${row.provider}/${row.model}` : ((by === "client" ? row.client : row.session) ?? "");
    const sum = sums.get(id) ?? none(id);
    sums.set(id, sum);
    add(sum, row);
  }
  return [...sums.values()].sort((a, b) => b.cost - a.cost || b.tokens - a.tokens);
}

/** A sum whose price is not known has no cost, rather than none. */
export function costOf(sum: Sum): number | null {
  return sum.replies > 0 && sum.unpriced === sum.replies ? null : sum.cost;
}

export function csvRow(name: string, sum: Sum): CsvRow {
  const cost = costOf(sum);
  return [
    name,
    sum.replies,
    sum.input,
    sum.cacheRead,
    sum.cacheWrite,
    sum.output,
    sum.tokens,
    cost === null ? null : Math.round(cost * 1e6) / 1e6,
    sum.unpriced,
  ];
}
