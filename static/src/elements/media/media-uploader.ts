/**
 * How a file gets to the gateway: by HTTP where there is a way (with progress, and skipped when the gateway has the same
 * bytes already), else inside the frame as base64.
 */
import { kindOf } from "../../state/attachment-rules.js";
import type { MediaLimits } from "../../state/attachment-rules.js";
import type { Attached, Described, MediaKind } from "../../state/attachments.js";
import type { Controller } from "../../state/controller.js";
import { UploadFailed } from "../../state/uploads.js";
import type { MediaStore } from "../../state/uploads.js";
import { xsrf } from "../../client/xsrf.js";

/** Smaller files are sent without asking whether they are there: the answer would take as long; bytes. */
const ASKED_MIN = 1024 * 1024;
/** Larger files are not read into memory for a checksum, in bytes. */
const HASHED_MAX = 64 * 1024 * 1024;
/** Time in which the gateway reads on, or answers, in milliseconds: it examines a file that has arrived. */
const ANSWER_MS = 120_000;
/** What of a frame may be files: base64 takes four thirds. */
const FRAME_SHARE = 0.7;
const DEFAULT_FRAME = 1024 * 1024;

/**
 * @param base the gateway's folder; `null` where only frames get there
 * @param locale the language of refusals
 */
export function mediaStore(controller: Controller, base: string | null, locale: () => string): MediaStore {
  let limits: Promise<MediaLimits> | undefined;
  const ask = async (): Promise<MediaLimits> => {
    const told: MediaLimits = controller.can("media.limits") ? await controller.client.request("media.limits", {}) : {};
    if (base !== null) return told;
    const frame = controller.state.hello?.policy?.maxPayload ?? DEFAULT_FRAME;
    return { ...told, maxTotalBytes: Math.min(told.maxTotalBytes ?? Infinity, Math.floor(frame * FRAME_SHARE)) };
  };
  return {
    limits: () =>
      (limits ??= ask().catch((): MediaLimits => {
        limits = undefined; // asked again with the next file
        return {};
      })),
    put: (file, onProgress, signal) =>
      base === null ? inFrame(file) : upload(base, file, locale(), onProgress, signal),
  };
}

function described(file: File): Described {
  const mimeType = file.type || "application/octet-stream";
  return { name: file.name.normalize("NFC"), mimeType, kind: kindOf(file.name, file.type), size: file.size };
}

async function inFrame(file: File): Promise<Attached> {
  const url = await new Promise<string>((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result as string);
    reader.onerror = () => reject(new UploadFailed({ code: "unreadable" }));
    reader.readAsDataURL(file);
  });
  return { ...described(file), content: url.slice(url.indexOf(",") + 1) };
}

async function upload(
  base: string,
  file: File,
  locale: string,
  onProgress: (fraction: number) => void,
  signal: AbortSignal,
): Promise<Attached> {
  const sha256 = await checksum(file);
  const known = sha256 === null || file.size < ASKED_MIN ? null : await stored(base, sha256, file, signal);
  return known ?? (await post(base, file, sha256, locale, onProgress, signal));
}

/** The checksum as hex; `null` where there is no WebCrypto (plain http) or the file is large. */
async function checksum(file: File): Promise<string | null> {
  // The type says that it is always there; outside a secure context it is not.
  const subtle = (crypto as Partial<Crypto>).subtle;
  if (!subtle || file.size > HASHED_MAX) return null;
  let bytes: ArrayBuffer;
  try {
    bytes = await file.arrayBuffer();
  } catch {
    throw new UploadFailed({ code: "unreadable" }); // it changed or went since it was chosen
  }
  const digest = new Uint8Array(await subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** What the gateway has of these bytes already; `null`: nothing, or it did not say. */
async function stored(base: string, sha256: string, file: File, signal: AbortSignal): Promise<Attached | null> {
  try {
    const url = new URL(`media/${sha256}`, base);
    const answer = await fetch(url, {
      method: "HEAD",
      headers: xsrf(url),
      credentials: "same-origin",
      signal,
    });
    const mediaId = answer.headers.get("X-Clawdbot-Media-Id");
    const kind = answer.headers.get("X-Clawdbot-Kind") as MediaKind | null;
    return answer.ok && mediaId !== null ? { ...described(file), ...(kind ? { kind } : {}), mediaId } : null;
  } catch {
    return null;
  }
}

function post(
  base: string,
  file: File,
  sha256: string | null,
  locale: string,
  onProgress: (fraction: number) => void,
  signal: AbortSignal,
): Promise<Attached> {
  const url = new URL("media", base);
  url.searchParams.set("name", file.name.normalize("NFC"));
  // `fetch` tells nothing about the progress of what it sends.
  const request = new XMLHttpRequest();
  request.open("POST", url);
  request.responseType = "json";
  request.setRequestHeader("Content-Type", file.type || "application/octet-stream");
  request.setRequestHeader("Accept-Language", locale);
  for (const [name, value] of Object.entries(xsrf(url))) request.setRequestHeader(name, value);
  if (sha256 !== null) request.setRequestHeader("X-Clawdbot-Sha256", sha256);
  return new Promise((resolve, reject) => {
    const lost = (): void => reject(new UploadFailed({ code: "lost" }));
    let watch = 0;
    const moved = (): void => {
      clearTimeout(watch);
      watch = window.setTimeout(() => request.abort(), ANSWER_MS); // nothing, once it has ended
    };
    request.upload.onprogress = ({ loaded, total }) => {
      moved();
      onProgress(total > 0 ? loaded / total : 0);
    };
    request.onload = () => {
      if (request.status < 300)
        resolve({ ...described(file), ...(request.response as Described & { mediaId: string }) });
      else reject(new UploadFailed(refusal(request.status, request.response)));
    };
    request.onerror = lost;
    request.onabort = lost;
    signal.addEventListener("abort", () => request.abort());
    if (signal.aborted) lost();
    else {
      moved();
      request.send(file);
    }
  });
}

interface Refusal {
  message: string;
  hint: string;
  details: { text?: string };
}

function refusal(status: number, body: unknown): UploadFailed["problem"] {
  // `message` is for programs; `text` is in the language that was asked for, as the hint is.
  const { message = "", hint = "", details } = (body as { error?: Partial<Refusal> } | null)?.error ?? {};
  const again = status >= 500 || status === 429 || status === 401;
  const sentences = [details?.text ?? message, hint].filter((each) => each !== "");
  const text = sentences.map((each) => (/[.!?…]$/.test(each) ? each : `${each}.`)).join(" ");
  return { code: "refused", message: text || `HTTP ${status}`, again };
}
