/** Which files can be attached, as rules without I/O: kinds and limits. First needed when there is a file. */
import type { MediaKind } from "./attachments.js";

/** `media.limits`. Sizes in bytes. */
export interface MediaLimits {
  maxBytes?: Partial<Record<MediaKind, number>>;
  maxCount?: number;
  maxTotalBytes?: number;
  /** MIME types (`image/*` too) and `.ext`; empty or absent: anything. */
  accept?: string[];
}

export type Problem =
  | { code: "too-large"; size: number; max: number }
  | { code: "too-many"; max: number }
  | { code: "too-much"; size: number; max: number }
  | { code: "wrong-type"; extension: string }
  | { code: "empty" }
  /** The browser cannot read it any more. */
  | { code: "unreadable" }
  /** The gateway's own words. `again`: the same may work later. */
  | { code: "refused"; message: string; again: boolean }
  /** No answer. */
  | { code: "lost" };

/** A small file of a type that is not listed is left to the gateway, which looks at its bytes and says more; bytes. */
const TRIED_MAX = 1024 * 1024;
const TEXT =
  /^(?:txt|md|markdown|rst|csv|tsv|json|jsonl|ya?ml|toml|ini|log|xml|html?|css|sql|sh|r|jl|py|js|ts|tsx|jsx|java|kt|c|h|cc|cpp|hpp|cs|go|rs|rb|php|swift|tex|bib|ipy|cfg|conf)$/;
const SOUND = /^(?:mp3|wav|m4a|aac|flac|ogg|oga|opus)$/;
const FILM = /^(?:mp4|mov|webm|mkv|m4v|avi)$/;
const PICTURE = /^(?:jpe?g|png|gif|webp|bmp|heic|heif|tiff?|avif)$/;

/** The extension in lower case without its dot; empty if there is none. */
function extensionOf(name: string): string {
  return /\.([^./\\\s]+)$/.exec(name)?.[1]?.toLowerCase() ?? "";
}

/** The kind by what a browser says and by name. A guess for limits and icons: the gateway looks at the bytes. */
export function kindOf(name: string, mimeType: string): MediaKind {
  const extension = extensionOf(name);
  if (extension === "ipynb") return "notebook";
  const family = mimeType.split("/")[0];
  if (mimeType !== "image/svg+xml" && (family === "image" || family === "audio" || family === "video")) return family;
  if (PICTURE.test(extension)) return "image";
  if (SOUND.test(extension)) return "audio";
  if (FILM.test(extension)) return "video";
  return family === "text" || TEXT.test(extension) || extension === "svg" ? "text" : "document";
}

export interface FileFacts {
  name: string;
  type: string;
  size: number;
}

/** Why a file cannot be attached beside `others`, before anything is sent. */
export function problemOf(file: FileFacts, limits: MediaLimits, others: readonly { size: number }[]): Problem | null {
  if (limits.maxCount !== undefined && others.length >= limits.maxCount)
    return { code: "too-many", max: limits.maxCount };
  if (file.size === 0) return { code: "empty" };
  if (file.size > TRIED_MAX && !accepts(limits.accept ?? [], file))
    return { code: "wrong-type", extension: extensionOf(file.name) };
  const kind = kindOf(file.name, file.type);
  // Notebooks count as documents where the gateway names no limit of their own.
  const max = limits.maxBytes?.[kind] ?? (kind === "notebook" ? limits.maxBytes?.document : undefined);
  if (max !== undefined && file.size > max) return { code: "too-large", size: file.size, max };
  const total = others.reduce((sum, other) => sum + other.size, file.size);
  if (limits.maxTotalBytes !== undefined && total > limits.maxTotalBytes)
    return { code: "too-much", size: total, max: limits.maxTotalBytes };
  return null;
}

function accepts(accept: readonly string[], file: FileFacts): boolean {
  if (accept.length === 0) return true;
  const extension = `.${extensionOf(file.name)}`;
  const type = file.type.split(";")[0]?.trim().toLowerCase() ?? "";
  return accept.some((each) => {
    const wanted = each.toLowerCase();
    if (wanted.startsWith(".")) return wanted === extension;
    return wanted.endsWith("/*") ? type.startsWith(wanted.slice(0, -1)) : wanted === type;
  });
}
