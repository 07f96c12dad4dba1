/**
 * A growing Markdown text as blocks, of which only the last is ever looked at again.
 *
 * Every block but the last is *settled*: lexed and rendered once, then frozen. So the work for a delta depends on the
 * length of the last block, not of the message, and what a reader has selected stays in the DOM.
 */
import type { Token, Tokens } from "marked";

import { mend, mendFence } from "./mend.js";
import { lexBlocks, toHtml } from "./parse.js";
import type { Links, NoteToken } from "./parse.js";

export interface Block {
  /** Unsanitised HTML. */
  html: string;
  /** Set for a block that is nothing but a code block, which the view grows in place. */
  code?: { lang: string; text: string };
}

export interface Growth {
  /** The text is not a continuation of the last one: forget all blocks. */
  reset: boolean;
  settled: Block[];
  /** The block that is still being written; `null` when there is none. */
  tail: Block | null;
}

export class GrowingText {
  /** What the notes at the foot say, in Markdown, by their labels. */
  readonly notes = new Map<string, string>();
  private source = "";
  private settledEnd = 0;
  /** Definitions in settled text; one that is still being written has no address yet. */
  private links: Links = {};
  private finished = false;
  private outline = new Outline();

  /**
   * Take the text as it is now.
   * @param done no more will come: everything is settled, exactly as if it had come at once
   */
  update(text: string, done: boolean): Growth {
    const source = text.replace(/\r\n?/g, "\n");
    const reset = this.finished ? source !== this.source || !done : !source.startsWith(this.source);
    if (reset) this.forget();
    else if (this.finished) return { reset: false, settled: [], tail: null };
    this.source = source;
    const tokens = lexBlocks(source.slice(this.settledEnd), { ...this.links }, !done);
    if (done) return this.finish(reset, tokens);
    const fixed = settledCount(tokens);
    const settled: Block[] = [];
    for (const token of tokens.slice(0, fixed)) {
      this.settledEnd += token.raw.length;
      if (draws(token)) settled.push(this.block([token]));
      if (token.type === "def") this.define(token as Tokens.Def);
      if (token.type === "noteDefinition") this.note(token as NoteToken);
    }
    const open = tokens.slice(fixed).filter(draws);
    return { reset, settled, tail: open.length > 0 ? this.tail(open) : null };
  }

  private finish(reset: boolean, tokens: Token[]): Growth {
    this.finished = true;
    // A definition may give meaning to references in blocks that were rendered before it came.
    const defined = Object.keys(this.links).length > 0 || tokens.some((token) => token.type === "def");
    const late = this.settledEnd > 0 && defined;
    const all = late ? lexBlocks(this.source, {}, false) : tokens;
    if (late) this.outline = new Outline();
    for (const token of all) if (token.type === "noteDefinition") this.note(token as NoteToken);
    const settled = all.filter(draws).map((token) => this.block([token]));
    return { reset: reset || late, settled, tail: null };
  }

  private define({ tag, href, title }: Tokens.Def): void {
    this.links[tag] ??= { href, title };
  }

  /** The first of its label counts. */
  private note({ label, text }: NoteToken): void {
    if (!this.notes.has(label)) this.notes.set(label, text);
  }

  private tail(tokens: Token[]): Block {
    const only = tokens[0];
    if (tokens.length === 1 && only && isFence(only)) {
      const text = mendFence((only as Tokens.Code).text);
      return { html: "", code: { lang: languageOf(only as Tokens.Code), text } };
    }
    const raw = mend(this.source.slice(this.settledEnd));
    const shown = lexBlocks(raw, { ...this.links }, true);
    const outline = this.outline.copy();
    for (const token of shown) if (token.type === "heading") outline.place(token as Tokens.Heading);
    return { html: toHtml(shown) };
  }

  private block(tokens: Token[]): Block {
    const token = tokens[0];
    if (token?.type === "code") {
      return { html: "", code: { lang: languageOf(token as Tokens.Code), text: (token as Tokens.Code).text } };
    }
    if (token?.type === "heading") this.outline.place(token as Tokens.Heading);
    return { html: toHtml(tokens) };
  }

  private forget(): void {
    this.notes.clear();
    this.settledEnd = 0;
    this.links = {};
    this.finished = false;
    this.outline = new Outline();
  }
}

/** The level of a message's first heading: the page has the session at 1 and the turn at 2. */
const TOP_LEVEL = 3;

/** Fits a message's headings into the page's outline: its first becomes the top, and none is more than one step down. */
class Outline {
  private first = 0;
  private last = TOP_LEVEL - 1;

  place(heading: Tokens.Heading): void {
    this.first ||= heading.depth;
    const wanted = TOP_LEVEL + Math.max(0, heading.depth - this.first);
    this.last = Math.min(wanted, this.last + 1, 6);
    heading.depth = this.last;
  }

  copy(): Outline {
    return Object.assign(new Outline(), this);
  }
}

const UNSEEN = new Set(["space", "def", "noteDefinition"]);

function draws(token: Token): boolean {
  return !UNSEEN.has(token.type);
}

function isFence(token: Token): boolean {
  return token.type === "code" && (token as Tokens.Code).codeBlockStyle !== "indented";
}

function languageOf(token: Tokens.Code): string {
  return /^[\w+#.-]{1,32}/.exec(token.lang ?? "")?.[0] ?? "";
}

/** How many tokens from the start can no longer change, whatever is written after them. */
function settledCount(tokens: readonly Token[]): number {
  let last = tokens.length - 1;
  while (last >= 0 && tokens[last]?.type === "space") last--;
  // `1. a`, blank line, `2`: the number may yet become the next item of the list before it.
  const tail = tokens[last];
  const previous = tokens[last - 1]?.type === "space" ? last - 2 : last - 1;
  if (tail?.type === "paragraph" && tokens[previous]?.type === "list" && /^\s*\d{1,9}[.)]?$/.test(tail.raw)) {
    return previous;
  }
  return Math.max(0, last);
}
