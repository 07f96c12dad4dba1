/**
 * The server's own bundle of `<clawdbot-chat>`, which widgets in notebooks import from the same address: one module
 * instance and one socket a page. So this extension carries none of it.
 */
import { PageConfig, URLExt } from "@jupyterlab/coreutils";

/** A file for the model, as the `attachments` of `chat.send` have it. `content` is base64. */
export interface Attachment {
  fileName: string;
  mimeType: string;
  content: string;
  cells?: readonly CellSource[];
  /** What was left out of it, in the reader's language. */
  note?: string;
}

/** A notebook, and the cell of it if it is about one, that an attachment was made from. */
export interface CellSource {
  path: string;
  id?: string;
  /** A sum of the cell's text at that time. */
  revision?: string;
}

/**
 * Something of this page that can go along with a message: always the thing that its label names. It is read when the
 * message is sent; `read` rejects with the reason, in the reader's language, when that cannot be.
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
  read(): Promise<Attachment[]>;
}

/** A block of code in a reply, and what the question was about. */
export interface CodeBlock {
  language: string;
  asked: readonly CellSource[];
}

/** What can be done with a block of code in a reply. */
export interface CodeAction {
  id: string;
  label: string;
  run(code: string): void | Promise<void>;
}

/** What can be done with a block now. Where something else can be done, the chat is given another function. */
export type CodeActions = (block: CodeBlock) => readonly CodeAction[];

export interface ChatStatus {
  title: string;
  status: "idle" | "answering" | "needs-you" | "offline" | "login";
  locale: string;
}

/** The face of the element that this extension uses; `static/src/ui/chat.ts` is behind it. */
export interface ChatElement extends HTMLElement {
  baseUrl: string;
  sessionKey: string;
  theme: string;
  locale: string;
  mode: "page" | "panel";
  contexts: ContextSource[];
  codeActions: CodeActions | null;
  /** Put `text` into the composer, or send it at once together with `contexts`. False while a login is needed. */
  compose(text: string, options?: { send?: boolean; contexts?: ContextSource[] }): Promise<boolean>;
  /** Something goes with the next message, besides what is switched on. */
  addContext(source: ContextSource): Promise<void>;
  /** Files go with the next message. */
  attach(files: readonly File[]): Promise<void>;
  newSession(): void;
  focusComposer(): void;
}

/** What a widget's page and kernel share, as far as the bundle uses it. */
export interface WidgetState {
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  save_changes(): void;
  send(content: Record<string, string | number>): void;
  // Each event has listeners of its own shape.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  on(name: string, listener: (...args: any[]) => void): void;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  off(name: string, listener: (...args: any[]) => void): void;
}

interface Embed {
  define(): void;
  kernelCode(): Promise<string>;
  /** Ask the gateway, over the connection of the chats in this page. Its errors are in the reader's language. */
  request(base: string, method: string, params: object, locale: string): Promise<unknown>;
  /** Draw the chat of a widget into `el`; what is given back takes it away. */
  renderWidget(options: { model: WidgetState; el: HTMLElement; base: string; locale: string }): Promise<() => void>;
}

let loading: Promise<Embed> | undefined;

/** The gateway's folder on this server, e.g. `https://hub/user/ann/clawdbot/`. */
export function root(): string {
  return new URL(URLExt.join(PageConfig.getBaseUrl(), "clawdbot/"), location.href).href;
}

/** The bundle, its element registered. Rejects when the server does not give it; the next call tries again. */
export function loadElement(): Promise<Embed> {
  loading ??= (import(/* webpackIgnore: true */ `${root()}embed.js`) as Promise<Embed>).then(
    (embed) => {
      embed.define();
      return embed;
    },
    (error: unknown) => {
      loading = undefined;
      throw error;
    },
  );
  return loading;
}

/** Load it as soon as a hand goes to the panel's tab or to another way there: it is there before the press. */
export function loadOnApproach(ways: string): void {
  const near = (event: Event): void => {
    if (!(event.target instanceof Element && event.target.closest(ways))) return;
    for (const type of APPROACH) document.removeEventListener(type, near);
    loadElement().catch(() => undefined); // the panel tells, when it is opened
  };
  for (const type of APPROACH) document.addEventListener(type, near, { passive: true });
}

const APPROACH = ["pointerover", "focusin"] as const;

/** Text as an attachment. */
export function textFile(fileName: string, text: string, mimeType = "text/markdown"): Attachment {
  let bytes = "";
  for (const byte of new TextEncoder().encode(text)) bytes += String.fromCharCode(byte);
  return { fileName, mimeType, content: btoa(bytes) };
}

/** The bytes of a base64 text. */
export function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64.replace(/\s/g, "")), (letter) => letter.charCodeAt(0));
}

/** The Python that looks into a kernel, which is sent along with each question to one. */
export async function kernelCode(): Promise<string> {
  return (await loadElement()).kernelCode();
}
