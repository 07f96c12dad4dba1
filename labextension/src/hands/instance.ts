/**
 * The id of this page. Its chat and its node are two connections of one client, and say so by the same `instanceId`;
 * `static/src/client/instance.ts` finds it under the same symbol, whichever of the two bundles was here first.
 */
import { UUID } from "@lumino/coreutils";

const KEY = Symbol.for("clawdbot.instanceId");

export function instanceId(): string {
  const page = globalThis as { [KEY]?: string };
  return (page[KEY] ??= `page-${UUID.uuid4()}`);
}
