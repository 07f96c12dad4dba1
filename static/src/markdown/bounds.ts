/**
 * What of a text is understood at all. Lexing is linear in a text that people or models write, but not in every text:
 * a run of `[` or `_` costs its square, and a million `>` are deeper than the stack. Beyond these bounds a text is shown
 * as it was written, whole and safe, with nothing but its Markdown lost.
 */
import { Lexer } from "marked";
import type { Token, TokensList } from "marked";

/** Characters of one stretch of running text (a paragraph, a cell); a long paragraph of prose has some 3,000. */
const STRETCH_MAX_CHARS = 40_000;
/** Characters in it that may begin or end something. */
const STRETCH_MAX_MARKS = 2_000;
/** Quotes and lists in each other. */
const BLOCK_MAX_DEPTH = 24;
/** Emphasis and links in each other. */
const INLINE_MAX_DEPTH = 24;

const MARK = /[*_`~<[\]()!$\\&]/g;

/** Whether a stretch of running text is more than what is understood. */
export function tooDense(text: string): boolean {
  if (text.length <= STRETCH_MAX_MARKS) return false;
  if (text.length > STRETCH_MAX_CHARS) return true;
  return (text.match(MARK)?.length ?? 0) > STRETCH_MAX_MARKS;
}

/** The end of the paragraph at the start of a text: nothing in it reaches over an empty line. */
export function firstParagraph(source: string): string {
  const end = source.indexOf("\n\n");
  return end < 0 ? source : source.slice(0, end);
}

function asWritten(text: string): Token {
  return { type: "text", raw: text, text, escaped: false };
}

export class BoundedLexer extends Lexer {
  private blockDepth = 0;
  private inlineDepth = 0;

  /** Not inside a quotation or a list. */
  get atTop(): boolean {
    return this.blockDepth === 1;
  }

  override blockTokens(source: string, tokens?: Token[], lastParagraphClipped?: boolean): Token[];
  override blockTokens(source: string, tokens?: TokensList, lastParagraphClipped?: boolean): TokensList;
  override blockTokens(source: string, tokens: Token[] = [], lastParagraphClipped?: boolean): Token[] {
    if (this.blockDepth >= BLOCK_MAX_DEPTH) {
      tokens.push(asWritten(source));
      return tokens;
    }
    this.blockDepth += 1;
    try {
      return super.blockTokens(source, tokens, lastParagraphClipped);
    } finally {
      this.blockDepth -= 1;
    }
  }

  override inlineTokens(source: string, tokens: Token[] = []): Token[] {
    if (this.inlineDepth >= INLINE_MAX_DEPTH || tooDense(source)) {
      tokens.push(asWritten(source));
      return tokens;
    }
    this.inlineDepth += 1;
    try {
      return super.inlineTokens(source, tokens);
    } finally {
      this.inlineDepth -= 1;
    }
  }
}
