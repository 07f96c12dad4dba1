/**
 * Markdown to tokens to HTML text, by marked with four changes: raw HTML is shown as text, marks end in front of
 * Korean particles, math is recognised, and links and images are made harmless. The HTML still goes through
 * `sanitize.ts` before it meets the DOM: two locks.
 */
import { Marked } from "marked";
import type { MarkedExtension, Token, Tokens, TokensList } from "marked";

import { BoundedLexer, firstParagraph } from "./bounds.js";
import { definitionAt, definitionStart, labelAt } from "./footnote-rule.js";
import { bareAddress, cjkEmphasis, struckOut } from "./korean-rules.js";
import { mathAt, mathBlockAt, mathStart } from "./math-rule.js";

export type Links = TokensList["links"];

export interface MathToken extends Tokens.Generic {
  type: "math" | "mathBlock";
  raw: string;
  tex: string;
  display?: boolean;
  open?: boolean;
}

/** A note at the foot of a message; `text` is its Markdown. */
export interface NoteToken extends Tokens.Generic {
  type: "noteDefinition";
  raw: string;
  label: string;
  text: string;
}

/** Where a note is cited: its label, unseen until `elements/content/footnotes.ts` has made it a number or what was written. */
export const CITATION = '<span class="sr note">';

const ESCAPES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? "");
}

const WEB_ADDRESS = /^(?:https?:|mailto:)/i;
/** The only images that a message shows: pixels that came with it. */
export const INLINE_IMAGE = /^data:image\/(?:png|jpeg|gif|webp);base64,/i;

/** The host of an address, to show where a link leads; empty if it is none. */
function hostOf(href: string): string {
  return /^https?:\/\/([^/?#]+)/i.exec(href)?.[1] ?? "";
}

function dialect(acceptOpenMath: boolean): MarkedExtension {
  return {
    gfm: true,
    extensions: [
      {
        name: "mathBlock",
        level: "block",
        start: (source) => /\n {0,3}(?:\$\$|\\\[)/.exec(firstParagraph(source))?.index,
        tokenizer(source): MathToken | undefined {
          const found = mathBlockAt(source, acceptOpenMath);
          return found ? { type: "mathBlock", raw: found.raw, tex: found.tex, open: found.open } : undefined;
        },
        renderer: (token) =>
          (token as MathToken).open ? "" : `<div class="math display">${escapeHtml((token as MathToken).tex)}</div>`,
      },
      {
        name: "math",
        level: "inline",
        start: mathStart,
        tokenizer(source, tokens): MathToken | undefined {
          const found = mathAt(source, tokens.at(-1)?.raw.slice(-1) ?? "");
          return found ? { type: "math", raw: found.raw, tex: found.tex, display: found.display } : undefined;
        },
        renderer: (token) =>
          `<span class="math${(token as MathToken).display ? " display" : ""}">${escapeHtml((token as MathToken).tex)}</span>`,
      },
      {
        name: "noteDefinition",
        level: "block",
        start: (source) => definitionStart(firstParagraph(source)),
        tokenizer(source): NoteToken | undefined {
          const found = this.lexer instanceof BoundedLexer && this.lexer.atTop ? definitionAt(source) : null;
          return found ? { type: "noteDefinition", ...found } : undefined;
        },
        renderer: ({ raw }) => `<p>${escapeHtml(raw)}</p>`,
      },
      {
        name: "note",
        level: "inline",
        start: (source) => (source.includes("[^") ? source.indexOf("[^") : undefined),
        tokenizer(source) {
          const label = labelAt(source);
          return label === null ? undefined : { type: "note", raw: `[^${label}]`, label };
        },
        renderer: ({ label }) => `${CITATION}${escapeHtml(String(label))}</span>`,
      },
    ],
    tokenizer: {
      // `[^1]: word` is no address.
      def: (source) => (source.trimStart().startsWith("[^") ? undefined : false),
      emStrong(source, masked, before = "") {
        return cjkEmphasis(this.lexer, source, masked, before) ?? false;
      },
      del(source, masked) {
        return struckOut(this.lexer, source, masked);
      },
      url(source) {
        return bareAddress(this, source);
      },
    },
    renderer: {
      html: ({ text }) => (/^<br\s*\/?>\s*$/i.test(text) ? "<br>" : escapeHtml(text)),
      code: ({ text, lang }) => {
        const language = /^[\w+#.-]{1,32}/.exec(lang ?? "")?.[0] ?? "";
        return `<pre><code${language ? ` class="language-${language}"` : ""}>${escapeHtml(text)}</code></pre>`;
      },
      link({ href, title, tokens }) {
        const inner = this.parser.parseInline(tokens);
        if (!WEB_ADDRESS.test(href)) return inner;
        const tip = title ? ` title="${escapeHtml(title)}"` : "";
        return `<a href="${escapeHtml(href)}"${tip} target="_blank" rel="noopener noreferrer">${inner}</a>`;
      },
      image({ href, text }) {
        if (INLINE_IMAGE.test(href)) return `<img src="${escapeHtml(href)}" alt="${escapeHtml(text)}">`;
        const host = hostOf(href);
        if (!host) return escapeHtml(text);
        const name = escapeHtml(text || "image");
        // Loading it would tell its host who reads what, and when: it is opened by hand or not at all.
        return `<a class="image-link" href="${escapeHtml(href)}" target="_blank" rel="noopener noreferrer">${name} <span>${escapeHtml(host)}</span></a>`;
      },
      checkbox: ({ checked }) => `<span class="task">${checked ? "☑" : "☐"}</span> `,
      table(token) {
        const row = (cells: Tokens.TableCell[]): string =>
          `<tr>${cells.map((cell) => this.tablecell(cell)).join("")}</tr>`;
        const body = token.rows.map(row).join("");
        return `<div class="table"><table><thead>${row(token.header)}</thead><tbody>${body}</tbody></table></div>`;
      },
    },
  };
}

const whole = new Marked(dialect(false));
const growing = new Marked(dialect(true));

/**
 * The block tokens of a text.
 * @param links reference definitions known from earlier blocks
 * @param streaming whether the text may still go on (a formula without its end is then waited for)
 */
export function lexBlocks(source: string, links: Links, streaming: boolean): Token[] {
  const lexer = new BoundedLexer((streaming ? growing : whole).defaults);
  Object.assign(lexer.tokens.links, links);
  return [...lexer.lex(source)];
}

export function toHtml(tokens: Token[]): string {
  return whole.parser(tokens);
}
