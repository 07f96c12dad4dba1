/** The sessions on file: copies, archives, search, export and import. Functions over the client, for the lazy parts. */
import type { Client } from "../client/gateway-client.js";
import type { ExportFormat, History, ResultOf, Transcript } from "../protocol/types.js";

/** A copy of a session; its key. */
export async function fork(client: Client, key: string, label?: string): Promise<string> {
  const made = await client.request("sessions.fork", { key, ...(label === undefined ? {} : { label }) });
  return made.key;
}

export async function transcripts(client: Client, key: string): Promise<Transcript[]> {
  return (await client.request("sessions.transcripts", { key })).transcripts;
}

export function restore(client: Client, sessionId: string): Promise<unknown> {
  return client.request("sessions.restore", { sessionId });
}

/** A page of any transcript, archived ones too: the newest, or that before `beforeSeq`. */
export function read(client: Client, sessionId: string, limit: number, beforeSeq?: number): Promise<History> {
  const page = beforeSeq === undefined ? {} : { beforeSeq };
  return client.request("chat.history", { sessionId, limit, ...page });
}

export function search(client: Client, query: string, before?: number): Promise<ResultOf<"sessions.search">> {
  return client.request("sessions.search", { query, ...(before === undefined ? {} : { before }) });
}

/** The conversation on file: its name, type and content. */
export function exported(client: Client, key: string, format: ExportFormat): Promise<ResultOf<"sessions.export">> {
  return client.request("sessions.export", { key, format });
}

/** Take conversations over from a file's text. */
export function imported(client: Client, name: string, content: string): Promise<ResultOf<"sessions.import">> {
  return client.request("sessions.import", { name, content });
}
