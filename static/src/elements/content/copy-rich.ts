/** The lazy part of copying: what is drawn, as HTML and text that other programs can use. */
import { copyRich } from "../base/clipboard.js";
import { rangeIn } from "../base/selection.js";

/** What stands around what was said: bars, buttons, times, headings for the ear. */
const FURNITURE = ".code-bar, .meta, .sr, .day, .tool-bar, button, summary, clawdbot-tools, .block-bar, .note-back";

/** A reader copies what is selected in the transcript: without the names of buttons, tables as columns. */
export function copySelection(event: ClipboardEvent): void {
  const around = event.currentTarget as Element;
  const inField = (event.target as Element | null)?.closest("textarea, input");
  const range = inField ? null : rangeIn(around);
  if (!range || !event.clipboardData) return;
  const inCode = elementOf(range.commonAncestorContainer).closest("pre, .source");
  if (inCode) return; // the browser's own way is right there
  const formula = elementOf(range.commonAncestorContainer).closest<HTMLElement>(".math[data-tex]");
  const { html, text } = formula ? { html: formula.innerHTML, text: texOf(formula) } : cleaned(range.cloneContents());
  event.clipboardData.setData("text/html", html);
  event.clipboardData.setData("text/plain", text);
  event.preventDefault();
}

function elementOf(node: Node): Element {
  return node instanceof Element ? node : (node.parentElement as Element);
}

/** A copied piece of the transcript as others can use it. Changes `piece`. */
export function cleaned(piece: DocumentFragment): { html: string; text: string } {
  for (const each of piece.querySelectorAll(FURNITURE)) each.remove();
  const formulas = [...piece.querySelectorAll<HTMLElement>(".math[data-tex]")].map(
    (each) => [each, texOf(each)] as const,
  );
  for (const frame of piece.querySelectorAll(
    ".code, .table, clawdbot-markdown, clawdbot-message, .block, a[href^='#']",
  ))
    frame.replaceWith(...frame.childNodes);
  for (const each of piece.querySelectorAll("*"))
    for (const { name } of [...each.attributes]) if (!KEPT.has(name)) each.removeAttribute(name);
  const holder = document.createElement("div");
  holder.append(piece);
  const html = holder.innerHTML;
  for (const [each, tex] of formulas) each.textContent = tex;
  return { html, text: plain(holder).trim() };
}

/** A formula as it was written. */
function texOf(formula: HTMLElement): string {
  const mark = formula.classList.contains("display") ? "$$" : "$";
  return `${mark}${formula.dataset.tex ?? ""}${mark}`;
}

const KEPT = new Set(["href", "align", "start", "src", "alt", "colspan", "rowspan"]);
const BLOCKS = new Set("P DIV UL OL LI PRE BLOCKQUOTE H1 H2 H3 H4 H5 H6 TABLE TR HR ARTICLE SECTION".split(" "));

/** Text with its lines, a table as columns divided by tabs. */
function plain(node: Node): string {
  if (!(node instanceof Element)) return (node.textContent ?? "").replace(/\n{3,}/g, "\n\n");
  if (node.tagName === "BR") return "\n";
  if (node.tagName === "SUP") return `[${node.textContent}]`; // a note, which is no part of the number before it
  if (node.tagName === "PRE") return `\n${node.textContent}\n`;
  if (node.tagName === "TR") return `${[...node.children].map((cell) => line(cell)).join("\t")}\n`;
  if (node.tagName === "LI") return `\n- ${[...node.childNodes].map(plain).join("").trim()}`;
  const inside = [...node.childNodes].map(plain).join("");
  return BLOCKS.has(node.tagName) ? `\n${inside.trim()}\n` : inside;
}

function line(cell: Element): string {
  return cell.textContent.replace(/\s+/g, " ").trim();
}

/** Put a table on the clipboard: as a table, and as columns for a spreadsheet. */
export function copyTable(table: HTMLTableElement): Promise<boolean> {
  const piece = document.createDocumentFragment();
  piece.append(table.cloneNode(true));
  return copyRich(cleaned(piece).html, tableText(table));
}

/** A table as columns divided by tabs. */
function tableText(table: HTMLTableElement): string {
  return [...table.rows].map((row) => [...row.cells].map(line).join("\t")).join("\n");
}
