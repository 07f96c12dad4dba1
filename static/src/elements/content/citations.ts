/**
 * What a reply cites, as footnotes of its Markdown. Titles, addresses and passages are a stranger's: each is text, and
 * an address counts only if it is one of the web.
 */
import type { ContentBlock } from "../../protocol/types.js";

const TITLE = 200;
const PASSAGE = 300;

interface Source {
  label: string;
  note: string;
}

/** The Markdown of neighbouring text blocks, with a note where something is cited. */
export function cited(blocks: readonly ContentBlock[]): string {
  const sources = new Map<string, Source>();
  const text = blocks.map(({ text = "", citations = [] }) => {
    const labels = new Set(citations.flatMap((citation) => labelOf(citation, sources)));
    const marks = [...labels].map((label) => `[^${label}]`).join("");
    const bare = text.trimEnd();
    return bare + marks + text.slice(bare.length);
  });
  const notes = [...sources.values()].map(({ label, note }) => `[^${label}]: ${note}`);
  return [text.join(""), ...notes].join("\n\n");
}

function labelOf(citation: Record<string, unknown>, sources: Map<string, Source>): string[] {
  const url = webAddress(citation.url);
  const title = line(citation.title ?? citation.document_title, TITLE) || (url?.host ?? "");
  if (title === "") return [];
  const key = `${title}\n${url?.href ?? ""}`;
  const known = sources.get(key);
  if (known) return [known.label];
  const passage = line(citation.cited_text, PASSAGE);
  const link = url ? `[${literal(title)}](<${url.href.replace(/[<>\\]/g, encodeURIComponent)}>)` : literal(title);
  const about = [
    ...(url && url.host !== title ? [literal(url.host)] : []),
    ...(passage ? [`“${literal(passage)}”`] : []),
  ];
  const source = { label: `source-${sources.size + 1}`, note: [link, ...about].join(" · ") };
  sources.set(key, source);
  return [source.label];
}

/** One line of it, cut. */
function line(value: unknown, most: number): string {
  if (typeof value !== "string") return "";
  const text = value.split(/\s+/).join(" ").trim();
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

/** Nothing in it means something in Markdown. */
function literal(text: string): string {
  return text.replace(/[!-/:-@[-`{-~]/g, "\\$&");
}

/** The address, if it is one of the web, without a login in it. */
export function webAddress(value: unknown): URL | null {
  if (typeof value !== "string" || !URL.canParse(value)) return null;
  const url = new URL(value);
  return /^https?:$/.test(url.protocol) && url.username === "" && url.password === "" ? url : null;
}
