/** What can be done with the gateway's setup. Functions for the lazy parts; each rejects with the client's errors. */
import type { Client } from "../client/gateway-client.js";
import type { ResultOf } from "../protocol/types.js";
import type { Controller } from "./controller.js";

/** Does a provider key work? It is tried and not kept. */
export function testApiKey(client: Client, apiKey: string): Promise<ResultOf<"models.test">> {
  return client.request("models.test", { provider: "anthropic", apiKey });
}

/**
 * Hand the gateway a provider key, or take it away (`null`). It is kept there and never read back. Another provider
 * answers then, and with it another model in every session that has none of its own.
 */
export async function setApiKey(controller: Controller, apiKey: string | null): Promise<void> {
  await controller.client.request("models.setKey", apiKey === null ? {} : { apiKey });
  await Promise.all([controller.refreshSetup(), controller.loadSessions()]);
}

/** Merge into the gateway's configuration; `null` unsets. */
export function configure(client: Client, change: object): Promise<unknown> {
  return client.request("config.patch", { raw: JSON.stringify(change) });
}
