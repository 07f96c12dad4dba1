/** What a person has chosen about a question so far, and the answer that it makes. Pure: the card draws it. */
import type { Answer, GrantScope, HandsRequest, Preview } from "../../protocol/hands.js";

export interface Choice {
  /** Indexes of `preview.cells` that are refused. */
  refused: ReadonlySet<number>;
  /** Index → the text in the place of the proposed one. */
  edited: ReadonlyMap<number, string>;
  scope: GrantScope;
  /** Of the scope `always`: the paths that it is for. */
  pattern: string;
  reason: string;
}

const SCOPES: readonly GrantScope[] = ["once", "cell", "notebook", "always"];

/** How far a yes may go: once in any case. */
export function scopesOf({ choices }: HandsRequest): readonly GrantScope[] {
  return SCOPES.filter((scope) => scope === "once" || choices?.includes(scope));
}

export function firstChoice({ path }: HandsRequest): Choice {
  return { refused: new Set(), edited: new Map(), scope: "once", pattern: path ?? "*", reason: "" };
}

/** Of how many parts how many are accepted; a preview without parts is one. */
export function countOf(preview: Preview | null, { refused }: Choice): { accepted: number; all: number } {
  const all = preview?.type === "edit" ? preview.cells.length : 1;
  return { accepted: all - refused.size, all };
}

/** The yes to what was chosen. */
export function yes(preview: Preview | null, choice: Choice): Answer {
  const { refused, edited, scope, pattern, reason } = choice;
  const { all } = countOf(preview, choice);
  const changed = [...edited].filter(([at]) => !refused.has(at));
  return {
    decision: scope === "once" ? "allow-once" : "allow-always",
    ...(scope === "once" ? {} : { scope }),
    ...(scope === "always" && pattern.trim() !== "" ? { pattern: pattern.trim() } : {}),
    ...(refused.size > 0
      ? { accepted: Array.from({ length: all }, (_, at) => at).filter((at) => !refused.has(at)) }
      : {}),
    ...(changed.length > 0 ? { edited: Object.fromEntries(changed.map(([at, text]) => [String(at), text])) } : {}),
    ...(refused.size > 0 && reason.trim() !== "" ? { reason: reason.trim() } : {}),
  };
}

export function no({ reason }: Choice): Answer {
  return { decision: "deny", ...(reason.trim() === "" ? {} : { reason: reason.trim() }) };
}
