/**
 * What can be done with a turn that was said: answer it anew, change it, go on with it, take it away. Functions over the
 * client; each rejects with the client's errors. The gateway tells everybody what came of it by `session.changed` and
 * by the events of a run, so nothing is put into the state here.
 */
import type { Client } from "../client/gateway-client.js";
import { randomKey } from "./controller.js";

export interface Turn {
  sessionKey: string;
  messageId: string;
}

/** Until when something can be taken back, in milliseconds since 1970. */
export interface Undoable {
  undoUntil: number;
}

export interface Saw {
  mediaId: string;
  parts: SawPart[];
  notes?: { code: string; text: string }[];
  transcriber?: string;
}

export interface SawPart {
  type: "text" | "image" | "document";
  text?: string;
  truncated?: boolean;
  mediaId?: string;
  width?: number;
  height?: number;
  label?: string;
  pages?: number;
}

/** Answer the same question again, as another version of that answer. */
export function regenerate(client: Client, turn: Turn, model?: string): Promise<unknown> {
  return client.request("chat.regenerate", { ...turn, ...(model ? { model } : {}), idempotencyKey: randomKey() });
}

/** Go on with an answer that was stopped or cut. */
export function goOn(client: Client, turn: Turn): Promise<unknown> {
  return client.request("chat.continue", { ...turn, idempotencyKey: randomKey() });
}

/** Show the conversation that goes through another version of a message. */
export function choose(client: Client, turn: Turn): Promise<unknown> {
  return client.request("chat.branch", turn);
}

export function remove(client: Client, turn: Turn): Promise<Undoable> {
  return client.request("chat.delete", turn);
}

export function restore(client: Client, turn: Turn): Promise<unknown> {
  return client.request("chat.undelete", turn);
}

/** A session of its own that begins with everything up to a message; its key. */
export async function fork(client: Client, { sessionKey, messageId }: Turn): Promise<string> {
  const { entry } = await client.request("sessions.fork", { key: sessionKey, messageId });
  return (entry as { key: string }).key;
}

/** What the model was given of an attachment. */
export function saw(client: Client, mediaId: string, turn: Turn | undefined): Promise<Saw> {
  return client.request("media.saw", { mediaId, ...turn }) as unknown as Promise<Saw>;
}
