/** The rules of `exec.approvals.get`, and the words for who decided; without a page. */
import type { TextKey } from "../../i18n/index.js";

export interface Rule {
  agent: string;
  pattern: string;
  /** 0: it is not known. */
  usedAt: number;
}

type File = Readonly<Record<string, unknown>>;

interface Entry {
  pattern?: unknown;
  lastUsedAt?: unknown;
}

function entriesOf(agents: unknown, agent: string): readonly Entry[] {
  const own = (agents as Record<string, { allowlist?: unknown } | undefined>)[agent];
  return Array.isArray(own?.allowlist) ? (own.allowlist as Entry[]) : [];
}

/** Every entry of every agent's list; what is no pattern is left out. */
export function rulesOf({ agents = {} }: File): Rule[] {
  return Object.keys(agents as File).flatMap((agent) =>
    entriesOf(agents, agent).flatMap(({ pattern, lastUsedAt }) =>
      typeof pattern === "string" ? [{ agent, pattern, usedAt: typeof lastUsedAt === "number" ? lastUsedAt : 0 }] : [],
    ),
  );
}

/** The file without one rule; all the rest stays as it is. */
export function withoutRule(file: File, { agent, pattern }: Rule): Record<string, unknown> {
  const agents = (file.agents ?? {}) as Record<string, File>;
  const allowlist = entriesOf(agents, agent).filter((entry) => entry.pattern !== pattern);
  return { ...file, agents: { ...agents, [agent]: { ...agents[agent], allowlist } } };
}

const UNASKED: Record<string, TextKey> = {
  mode: "approvalsTab.by.mode",
  grant: "approvalsTab.by.grant",
  plan: "approvalsTab.by.plan",
  rule: "approvalsTab.by.rule",
};

/** A person by name, or the text for what made the question unnecessary. */
export function whoOf(resolvedBy: string): { key: TextKey | null; name: string } {
  const [kind = "", name = ""] = resolvedBy.split(":", 2);
  const key = kind in UNASKED && (name !== "" || !resolvedBy.includes(":")) ? UNASKED[kind] : undefined;
  return key === undefined ? { key: null, name: resolvedBy } : { key, name };
}
