/**
 * The lazy part of selecting in the transcript: what is copied, and a button beside the selection that quotes it into the
 * composer. Fetched with the first selection, as copying cannot wait for a chunk.
 */
import { addTexts } from "../../i18n/index.js";
import en from "../../i18n/quote.en.json";
import ko from "../../i18n/quote.ko.json";

import type { Ui } from "../base/ui-context.js";
import { cleaned } from "../content/copy-rich.js";
import { adopt } from "../base/light-element.js";
import { rangeIn } from "../base/selection.js";
import { sheet } from "../styles/turns.js";

export { copySelection } from "../content/copy-rich.js";

addTexts({ en, ko });

/** The button comes when a selection has stood for so long, in milliseconds: none flickers while one is drawn. */
const PAUSE_MS = 250;
/** Between the selection and the button, in pixels; a finger's handles are below the text. */
const GAP = { fine: 6, coarse: 28 };

/** Put a text into the composer as a quotation, behind what is already there. */
export function quote(ui: Ui, around: Element, text: string): void {
  const field = (around.getRootNode() as ShadowRoot).querySelector<HTMLTextAreaElement>("#composer");
  const before = field?.value.trimEnd() ?? "";
  ui.compose(`${before}${before && "\n\n"}${text.trim().replace(/^/gm, "> ")}\n\n`);
}

let offer: Offer | null = null;

/** Something in the transcript is selected: offer to quote it. */
export function offerQuote(transcript: Element, ui: Ui): void {
  const range = rangeIn(transcript);
  if (!range || offer?.isFor(range)) return;
  offer?.end();
  offer = new Offer(transcript, ui, range);
}

class Offer {
  private readonly over = new AbortController();
  private readonly timer: ReturnType<typeof setTimeout>;
  private button: HTMLButtonElement | null = null;
  private text = "";

  constructor(
    private readonly transcript: Element,
    private readonly ui: Ui,
    private readonly range: Range,
  ) {
    this.timer = setTimeout(() => this.show(), PAUSE_MS);
    const { signal } = this.over;
    document.addEventListener("selectionchange", () => this.changed(), { signal });
    document.addEventListener("keydown", (event) => this.keydown(event), { signal, capture: true });
    transcript.querySelector(".scroller")?.addEventListener("scroll", () => this.place(), { signal, passive: true });
  }

  isFor(range: Range): boolean {
    const { startContainer, startOffset, endContainer, endOffset } = this.range;
    const same = range.startContainer === startContainer && range.startOffset === startOffset;
    return same && range.endContainer === endContainer && range.endOffset === endOffset && !this.over.signal.aborted;
  }

  end(): void {
    clearTimeout(this.timer);
    this.over.abort();
    this.button?.remove();
    this.button = null;
  }

  private changed(): void {
    if (!rangeIn(this.transcript)) this.end();
  }

  private show(): void {
    this.text = selectedText(this.transcript);
    if (this.text === "" || !this.transcript.isConnected) return;
    const { t } = this.ui;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "quote-button";
    button.textContent = t("quote.button");
    button.title = `${t("quote.button")} (${/mac|iphone|ipad/i.test(navigator.platform) ? "⌘" : "Ctrl+"}Shift+9)`;
    button.setAttribute("aria-keyshortcuts", "Control+Shift+9 Meta+Shift+9");
    // The press itself must not take the selection away.
    button.addEventListener("pointerdown", (event) => event.preventDefault());
    button.addEventListener("mousedown", (event) => event.preventDefault());
    button.addEventListener("click", () => this.quoteSelection());
    this.transcript.append(button);
    adopt(button, sheet);
    this.button = button;
    this.place();
  }

  /** Above the beginning of the selection, for a finger below its end; nowhere while that is out of sight. */
  private place(): void {
    const range = rangeIn(this.transcript);
    const { button } = this;
    if (!range || !button) return;
    const touch = matchMedia("(pointer: coarse)").matches;
    const lines = [...range.getClientRects()].filter((each) => each.width > 0);
    const line = touch ? lines.at(-1) : lines[0];
    const view = this.transcript.getBoundingClientRect();
    if (!line) return;
    const wanted = touch ? line.bottom + GAP.coarse : line.top - button.offsetHeight - GAP.fine;
    const lowest = view.height - button.offsetHeight - GAP.fine;
    const from = touch ? line.right - button.offsetWidth : line.left;
    button.hidden = line.bottom < view.top || line.top > view.bottom;
    button.style.top = `${Math.max(GAP.fine, Math.min(wanted - view.top, lowest))}px`;
    button.style.left = `${Math.max(GAP.fine, Math.min(from - view.left, view.width - button.offsetWidth - GAP.fine))}px`;
  }

  private keydown(event: KeyboardEvent): void {
    if (event.code !== "Digit9" || !event.shiftKey || event.altKey || !(event.ctrlKey || event.metaKey)) return;
    this.text = selectedText(this.transcript);
    if (this.text === "") return;
    event.preventDefault();
    event.stopPropagation();
    this.quoteSelection();
  }

  private quoteSelection(): void {
    const { ui, transcript, text } = this;
    this.end();
    document.getSelection()?.removeAllRanges();
    quote(ui, transcript, text);
  }
}

/** What is selected, as one would write it in Markdown; code stays code. */
function selectedText(transcript: Element): string {
  const range = rangeIn(transcript);
  if (!range) return "";
  const { commonAncestorContainer: node } = range;
  const around = node instanceof Element ? node : node.parentElement;
  const plain = range.toString();
  if (around?.closest(".source")) return plain.trim();
  if (!around?.closest("pre")) return cleaned(range.cloneContents()).text;
  return plain.includes("\n") ? `\`\`\`\n${plain.replace(/^\n+/, "").trimEnd()}\n\`\`\`` : plain.trim();
}
