/** Tokens and cost of a run with several steps. */
import type { Usage } from "../../protocol/types.js";

/** A stored message, as far as it is looked at here. */
export interface UsageOf {
  role: string;
  usage?: Usage & { run?: RunUsage };
}

/** The whole run, told on its last message. */
interface RunUsage extends Usage {
  steps?: number;
}

export interface Total {
  steps: number;
  input: number;
  output: number;
  cost: number;
}

/** The sum of a run's steps: as the gateway tells it, or added up. `null` where there is one step only. */
export function runUsage(messages: readonly UsageOf[]): Total | null {
  const replies = messages.filter((each) => each.role === "assistant" && each.usage);
  const told = replies.at(-1)?.usage?.run;
  if (told) return { ...sum([told]), steps: told.steps ?? replies.length };
  if (replies.length < 2) return null;
  return { ...sum(replies.flatMap(({ usage }) => usage ?? [])), steps: replies.length };
}

function sum(all: readonly Usage[]): Omit<Total, "steps"> {
  const total = { input: 0, output: 0, cost: 0 };
  for (const { input = 0, cacheRead = 0, cacheWrite = 0, output = 0, cost } of all) {
    total.input += input + cacheRead + cacheWrite;
    total.output += output;
    total.cost += cost?.total ?? 0;
  }
  return total;
}
