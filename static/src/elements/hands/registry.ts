/** The parts of this folder that are fetched at their first use. The chunk that loads one of them calls `registerHands`. */
import { registerLazyElements } from "../base/lazy.js";

export function registerHands(): void {
  registerLazyElements({
    "clawdbot-change-list": async () => (await import("./change-list.js")).ClawdbotChangeList,
    "clawdbot-grants": async () => (await import("./grants.js")).ClawdbotGrants,
  });
}
