/** Pure helpers over wire messages: reading their text, and keeping a list of them right. */
import type { ContentBlock, Message } from "../protocol/types.js";

export function textOf(message: Message): string {
  if (typeof message.content === "string") return message.content;
  return joined(message.content.filter((block) => block.type === "text"));
}

/** Texts as paragraphs; around a citation they are parts of one sentence. */
export function joined(blocks: readonly ContentBlock[]): string {
  return blocks.reduce((text, { text: more = "", citations }, at) => {
    const apart = at > 0 && !citations && !blocks[at - 1]?.citations;
    return text + (apart ? "\n\n" : "") + more;
  }, "");
}

/**
 * Put messages into a list that is ordered by `seq`, each id once. A message that is already there is replaced, so the
 * same news may arrive by an event, by the end of a run and by history in any order.
 */
export function merge(list: readonly Message[], news: readonly Message[]): Message[] {
  if (news.length === 0) return list as Message[];
  const byId = new Map(list.map((message) => [message.id, message]));
  for (const message of news) byId.set(message.id, message);
  return [...byId.values()].sort((a, b) => a.seq - b.seq);
}

/**
 * What identifies a row of the transcript for as long as it lives: from the unsent message to the stored one, and from
 * the first token to the stored reply. `runId` is known from the start, `id` only once stored.
 */
export function rowKey(role: string, runId: string | undefined, id: string): string {
  return runId ? `${role}:${runId}` : id;
}
