/**
 * What can be done with sessions besides talking in them; with what is on file, `session-files.ts`. Functions over the
 * client, for the lazy parts: each asks the gateway and rejects with the client's errors.
 */
import type { Client } from "../client/gateway-client.js";
import type { ParamsOf, ResultOf } from "../protocol/types.js";

/** Settings of one session; `null` returns one to its default. */
export type SessionChange = Omit<ParamsOf<"sessions.patch">, "key">;

export function changeSession(client: Client, key: string, change: SessionChange): Promise<ResultOf<"sessions.patch">> {
  return client.request("sessions.patch", { key, ...change });
}

export function rename(client: Client, key: string, label: string): Promise<unknown> {
  const text = label.trim().normalize("NFC");
  return changeSession(client, key, { label: text === "" ? null : text });
}

export function reset(client: Client, key: string): Promise<unknown> {
  return client.request("sessions.reset", { key });
}

export function clear(client: Client, key: string): Promise<unknown> {
  return client.request("sessions.clear", { key });
}

export function undoClear(client: Client, key: string): Promise<unknown> {
  return client.request("sessions.undo", { key });
}

export function remove(client: Client, key: string): Promise<ResultOf<"sessions.delete">> {
  return client.request("sessions.delete", { key, deleteTranscript: true });
}

export function undoRemove(client: Client, key: string): Promise<unknown> {
  return client.request("sessions.undelete", { key });
}
