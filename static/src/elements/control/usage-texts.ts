/** The texts of the choices and columns in the tab of usage. */
import type { TextKey } from "../../i18n/index.js";
import type { Grouping } from "./usage-sums.js";

export type Span = "1" | "7" | "30" | "90" | "own";
export type Measure = "cost" | "tokens";
export type Count = "replies" | "input" | "output" | "cacheRead" | "cacheWrite" | "tokens";

export const SPAN_TEXTS: Readonly<Record<Span, TextKey>> = {
  "1": "usageTab.range.1",
  "7": "usageTab.range.7",
  "30": "usageTab.range.30",
  "90": "usageTab.range.90",
  own: "usageTab.range.own",
};
export const GROUP_TEXTS: Readonly<Record<Grouping, TextKey>> = {
  day: "usageTab.by.day",
  model: "control.model",
  session: "control.session",
  client: "control.client",
};
export const MEASURE_TEXTS: Readonly<Record<Measure, TextKey>> = {
  cost: "control.cost",
  tokens: "control.tokens",
};
export const COUNT_TEXTS: Readonly<Record<Count, TextKey>> = {
  replies: "usageTab.replies",
  input: "usageTab.input",
  cacheRead: "usageTab.cacheRead",
  cacheWrite: "usageTab.cacheWrite",
  output: "usageTab.output",
  tokens: "control.tokens",
};
export const DATE_TEXTS = { from: "usageTab.from", to: "usageTab.to" } as const;
