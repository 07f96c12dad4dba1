/**
 * What is attached to a message, without I/O: its three forms on the wire. Which files may be attached: `attachment-rules.ts`.
 *
 * Files travel ahead of their message (`state/uploads.ts`); the message then names them. Where the gateway is reached by
 * frames only (a kernel comm), the bytes go inside the frame as base64.
 */
import type { CellSource, ContentBlock } from "../protocol/types.js";

export type MediaKind = "image" | "audio" | "video" | "document" | "text" | "notebook";

/** What is known of an attachment, wherever its bytes are. */
export interface Described {
  name: string;
  mimeType: string;
  kind: MediaKind;
  /** Bytes; 0 where unknown. */
  size: number;
  width?: number;
  height?: number;
  durationMs?: number;
  pages?: number;
  /** Where in which notebook it is from. */
  cells?: readonly CellSource[];
}

/** An attachment that can go with a message. */
export type Attached =
  /** Its bytes are at the gateway. */
  | (Described & { mediaId: string })
  /** A file of the server's own folder. */
  | (Described & { path: string })
  /** Base64, inside the frame: never kept. */
  | (Described & { content: string });

/** One that survives a reload: it names something that is elsewhere. */
export type Kept = Exclude<Attached, { content: string }>;

/** The form in which `chat.send` and `chat.edit` take it. */
export function wireOf(attached: Attached): Record<string, unknown> {
  const origin = attached.cells ? { cells: attached.cells } : {};
  if ("mediaId" in attached) return { mediaId: attached.mediaId, ...origin };
  if ("path" in attached) return { path: attached.path, ...origin };
  const { content, mimeType, name, kind } = attached;
  return { content, mimeType, fileName: name, type: kind === "image" ? "image" : "file", ...origin };
}

/** The content block that the stored message will have, for showing it before it is stored. */
export function blockOf(attached: Attached): ContentBlock {
  const { kind, ...facts } = attached;
  const block = { ...facts, type: kind === "text" ? "file" : kind };
  if ("content" in block) Reflect.deleteProperty(block, "content");
  return block;
}

/** Reads what storage gave back; anything odd is dropped. */
export function keptFrom(stored: unknown): Kept[] {
  if (!Array.isArray(stored)) return [];
  return (stored as Partial<Kept & { mediaId: string; path: string }>[]).filter(
    (each): each is Kept =>
      typeof each === "object" &&
      typeof each.name === "string" &&
      typeof each.kind === "string" &&
      (typeof each.mediaId === "string" || typeof each.path === "string"),
  );
}

/** Do two drafts have the same attachments? */
export function sameAttached(a: readonly Attached[], b: readonly Attached[]): boolean {
  return JSON.stringify(a.map(wireOf)) === JSON.stringify(b.map(wireOf));
}
