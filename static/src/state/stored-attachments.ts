/** The attachments of stored messages. First needed when one is edited. */
import type { ContentBlock } from "../protocol/types.js";

import type { Described, Kept, MediaKind } from "./attachments.js";

/** The attachments of a stored message, to be sent again with another text. */
export function attachedOf(content: string | readonly ContentBlock[]): Kept[] {
  if (typeof content === "string") return [];
  return content.flatMap((block): Kept[] => {
    const {
      type,
      mediaId,
      path,
      name = "",
      mimeType = "",
      size = 0,
      cells,
    } = block as ContentBlock &
      Partial<Described> & {
        mediaId?: string;
        path?: string;
      };
    if (type === "text" || type === "thinking") return [];
    const facts = { name, mimeType, size, kind: (type === "file" ? "text" : type) as MediaKind };
    const known = cells ? { ...facts, cells } : facts;
    if (mediaId !== undefined) return [{ ...known, mediaId }];
    return path === undefined ? [] : [{ ...known, path }];
  });
}
