/** Actions of the session menu, with the elements of `hands` that one of them opens. Fetched at their first use. */
import { registerHands } from "../hands/registry.js";

registerHands();

export { runAction } from "../sessions/session-actions.js";
