/** What a home around the chat (a notebook, a side panel) can add to it: things to send along, things to do with code. */
import { kindOf } from "./attachments.js";
import type { Attached } from "./attachments.js";

/** A file as a home gives it: its bytes as base64, or something that is stored at the gateway already. */
export interface GivenFile {
  fileName: string;
  mimeType: string;
  content?: string;
  mediaId?: string;
}

/** Something of the page around that can go along with a message. It is read when the message is sent. */
export interface ContextSource {
  id: string;
  label: string;
  /** The longer name, on hover and for screen readers. */
  title?: string;
  /** Goes along unless the person takes it out. */
  on: boolean;
  /** Goes with one message only. */
  once?: boolean;
  read(): Promise<GivenFile[]>;
}

/** What can be done with a block of code in a reply. */
export interface CodeAction {
  id: string;
  label: string;
  run(code: string, language: string): void | Promise<void>;
}

/** `send`: at once, if nothing was being written. `contexts` go along with that one message. */
export interface ComposeOptions {
  send?: boolean;
  contexts?: readonly ContextSource[];
}

/** Files of a home as attachments of a message. */
export function attachedFrom(files: readonly GivenFile[]): Attached[] {
  return files.flatMap(({ fileName, mimeType, content, mediaId }): Attached[] => {
    const known = { name: fileName, mimeType, kind: kindOf(fileName, mimeType) };
    if (mediaId !== undefined) return [{ ...known, size: 0, mediaId }];
    return content === undefined ? [] : [{ ...known, size: Math.floor((content.length * 3) / 4), content }];
  });
}
