/**
 * The id of this page. In JupyterLab the page is also a node, on a connection of its own that says the same id, so that
 * the gateway knows which page a message came from. `labextension/src/hands/instance.ts` looks under the same symbol.
 */
const KEY = Symbol.for("clawdbot.instanceId");

export function instanceId(): string {
  const page = globalThis as { [KEY]?: string | undefined };
  return (page[KEY] ??= `page-${randomId()}`);
}

/** 128 bits. `crypto.randomUUID` is not there on plain http to another host. */
function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
