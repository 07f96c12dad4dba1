/**
 * Files of conversations to the gateway: our own JSON export, and Clawdbot's JSONL transcripts. A file is read as a
 * stream and line by line; what is in the way of a frame's limit is left out: the bytes of pictures in old transcripts.
 */
import { imported } from "../../state/session-files.js";
import type { Controller } from "../../state/controller.js";

/** Room for the frame around the content, and for quotes and backslashes that JSON escapes once more. */
const ESCAPED = 0.8;
/** Base64 longer than this is no text of a conversation. */
const BYTES = /"(?:data|content)":"[A-Za-z0-9+/=]{4096,}"/g;

export type Imported =
  | { name: string; ok: true; keys: readonly string[]; messages: number }
  | { name: string; ok: false; reason: "too-large" | "refused" | "lost"; detail: string };

/** The lines of a file as text, without a final empty one. */
async function* lines(file: File): AsyncGenerator<string> {
  let rest = "";
  const reader = file.stream().pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    const parts = (rest + value).split("\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
  if (rest !== "") yield rest;
}

/** The text of a file, at most `limit` characters; `null` when it is longer even without the bytes of pictures. */
async function textOfFile(file: File, limit: number): Promise<string | null> {
  const kept: string[] = [];
  let size = 0;
  for await (const line of lines(file)) {
    const text = line.replace(BYTES, (whole) => `${whole.slice(0, whole.indexOf(":") + 1)}""`);
    size += text.length + 1;
    if (size > limit) return null;
    kept.push(text);
  }
  return kept.join("\n");
}

export async function importFile(controller: Controller, file: File): Promise<Imported> {
  const limit = (controller.client.hello?.policy?.maxPayload ?? 1 << 20) * ESCAPED;
  const { name } = file;
  try {
    const text = await textOfFile(file, limit);
    if (text === null) return { name, ok: false, reason: "too-large", detail: "" };
    const { keys, messages } = await imported(controller.client, name, text);
    return { name, ok: true, keys, messages };
  } catch (error) {
    const detail = error instanceof Error ? error.message : "";
    return { name, ok: false, reason: controller.client.state.status === "open" ? "refused" : "lost", detail };
  }
}
