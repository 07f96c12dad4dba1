/** Actions of the session menu, with the elements of `hands` that one of them opens. Fetched at their first use. */
import { registerHands } from "../hands/registry.js";
import { runAction as run } from "../sessions/session-actions.js";

/** As `runAction` of `sessions`. A call of its own, since a module that only passes names on loses its other lines when it is built. */
export function runAction(...given: Parameters<typeof run>): void {
  registerHands();
  run(...given);
}
