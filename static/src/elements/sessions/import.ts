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

/** A transcript goes in parts of about this many characters, which say how far it has come. */
export const PART = 1024 * 1024;

class TooLarge extends Error {}

/** A line of a file without its end, and how much of the file has been read by then, 0 to 1. */
interface Line {
  text: string;
  read: number;
}

/** The lines of a file without the bytes of pictures, and without a final empty one. */
async function* lines(file: File): AsyncGenerator<Line> {
  const short = (text: string): string => text.replace(BYTES, (whole) => `${whole.slice(0, whole.indexOf(":") + 1)}""`);
  const decoder = new TextDecoder();
  const reader = file.stream().getReader();
  let begun: string[] = [];
  let bytes = 0;
  for (;;) {
    const { value, done } = await reader.read();
    bytes += value?.byteLength ?? 0;
    const parts = decoder.decode(value, { stream: !done }).split("\n");
    const rest = parts.pop() ?? "";
    for (const text of parts) {
      yield { text: short(begun.join("") + text), read: bytes / file.size };
      begun = [];
    }
    begun.push(rest);
    if (done) break;
  }
  const last = begun.join("");
  if (last !== "") yield { text: short(last), read: 1 };
}

/** Is it a line of a transcript, which each part repeats where it is the first? Else the file is one document. */
function isRow(line: string): boolean {
  try {
    const row = JSON.parse(line) as { role?: unknown; type?: unknown } | null;
    return (
      typeof row === "object" && row !== null && ("role" in row || row.type === "session" || row.type === "message")
    );
  } catch {
    return false;
  }
}

/**
 * A file as texts of at most `limit` characters: a transcript in parts that each begin with its header.
 * @throws TooLarge a line, or what is no transcript, is longer even without the bytes of pictures
 */
async function* partsOf(file: File, limit: number): AsyncGenerator<Line> {
  let kept: string[] = [];
  let size = 0;
  let header: string | null = null;
  for await (const { text, read } of lines(file)) {
    if (header !== null && kept.length > 1 && size + text.length > Math.min(PART, limit)) {
      yield { text: kept.join("\n"), read };
      kept = [header];
      size = header.length;
    }
    if (size === 0 && isRow(text)) header = text;
    size += text.length + 1;
    if (size > limit) throw new TooLarge();
    kept.push(text);
  }
  yield { text: kept.join("\n"), read: 1 };
}

/** @param told how much of the file is at the gateway, 0 to 1 */
export async function importFile(
  controller: Controller,
  file: File,
  told: (part: number) => void = () => undefined,
): Promise<Imported> {
  const limit = (controller.client.hello?.policy?.maxPayload ?? 1 << 20) * ESCAPED;
  const { name } = file;
  let keys: readonly string[] = [];
  let messages = 0;
  try {
    for await (const { text, read } of partsOf(file, limit)) {
      const taken = await imported(controller.client, name, text);
      keys = taken.keys;
      messages += taken.messages;
      told(read);
    }
    return { name, ok: true, keys, messages };
  } catch (error) {
    if (error instanceof TooLarge) return { name, ok: false, reason: "too-large", detail: "" };
    const detail = error instanceof Error ? error.message : "";
    return { name, ok: false, reason: controller.client.state.status === "open" ? "refused" : "lost", detail };
  }
}
