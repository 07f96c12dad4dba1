/** What a home around the chat (a notebook, a side panel) can add to it: things to send along, things to do with code. */
import { kindOf } from "./attachment-rules.js";
import type { Attached } from "./attachments.js";
import type { CellSource } from "../protocol/types.js";

/** A file as a home gives it: its bytes as base64, or something that is stored at the gateway already. */
export interface GivenFile {
  fileName: string;
  mimeType: string;
  content?: string;
  mediaId?: string;
  /** Where in which notebook it is from: the answer's code is offered to that place. */
  cells?: readonly CellSource[];
  /** What was left out of it, in the reader's language. */
  note?: string;
}

/**
 * Something of the page around that can go along with a message: always the thing that its label names. It is read when
 * the message is sent; `read` rejects with the reason, in the reader's language, when that cannot be.
 */
export interface ContextSource {
  id: string;
  readonly label: string;
  /** The longer name, on hover and for screen readers. */
  readonly title?: string;
  /** Goes along unless the person takes it out. */
  on: boolean;
  /** Goes with one message only. */
  once?: boolean;
  read(): Promise<GivenFile[]>;
}

/** A block of code in a reply, and what the question was about. */
export interface CodeBlock {
  /** As the fence names it; may be empty. */
  language: string;
  asked: readonly CellSource[];
}

/** What can be done with a block of code in a reply. */
export interface CodeAction {
  id: string;
  label: string;
  run(code: string): void | Promise<void>;
}

/** What can be done with a block now. Where something else can be done, the home gives another function. */
export type CodeActions = (block: CodeBlock) => readonly CodeAction[];

/** `send`: at once, by itself where something is being written. `contexts` go along with that one message. */
export interface ComposeOptions {
  send?: boolean;
  contexts?: readonly ContextSource[];
}

/** Files of a home as attachments of a message. */
export function attachedFrom(files: readonly GivenFile[]): Attached[] {
  return files.flatMap(({ fileName, mimeType, content, mediaId, cells }): Attached[] => {
    const origin = cells ? { cells } : {};
    const known = { name: fileName, mimeType, kind: kindOf(fileName, mimeType), ...origin };
    if (mediaId !== undefined) return [{ ...known, size: 0, mediaId }];
    return content === undefined ? [] : [{ ...known, size: Math.floor((content.length * 3) / 4), content }];
  });
}
