/** The parts of this folder that are fetched at their first use, and are not known to the first load. Whoever loads one calls this. */
import { registerLazyElements } from "../base/lazy.js";

export function registerHands(): void {
  registerLazyElements({
    "clawdbot-change-list": async () => (await import("./change-list.js")).ClawdbotChangeList,
    "clawdbot-grants": async () => (await import("./grants.js")).ClawdbotGrants,
  });
}
