/**
 * `<clawdbot-markdown>`: one message's Markdown, growing in place. Lives in the light DOM of the chat's shadow root.
 *
 * Set `text` and `streaming`; settled blocks are written to the DOM once. Code blocks get a bar with a copy button,
 * highlighting and math are fetched when first needed; until then, and if they cannot be had, the source is shown.
 */
import type { CellSource } from "../../protocol/types.js";
import { GrowingText } from "../../markdown/blocks.js";
import type { Block } from "../../markdown/blocks.js";
import { lazy, mathRenderer } from "../../markdown/lazy.js";
import { CITATION } from "../../markdown/parse.js";
import { sanitizeMath, sanitizeMessage } from "../../markdown/sanitize.js";

import type { Ui } from "../base/ui-context.js";
import type { Footnotes } from "./footnotes.js";

export interface MarkdownLabels {
  copy: string;
  copied: string;
  code: string;
  show: string;
  hide: string;
  table: string;
}

/** Languages whose code can be shown as what it draws. */
const DRAWN = new Set(["html", "svg", "mermaid"]);
/** An open code block is highlighted again after so many milliseconds, if it is not longer than so much. */
const REHIGHLIGHT_MS = 100;
const REHIGHLIGHT_MAX_CHARS = 8_000;

const colours = lazy(() => import("./highlight-visible.js"));
const artifact = lazy(() => import("./artifact.js"));
const offers = lazy(() => import("./offers.js"));
const footnotes = lazy(() => import("./footnotes.js"));

export class MarkdownView extends HTMLElement {
  labels: MarkdownLabels = {
    copy: "Copy",
    copied: "Copied",
    code: "code",
    show: "Show",
    hide: "Hide",
    table: "Copy table",
  };
  /** For what can be shown in a frame. */
  ui: Ui | null = null;

  private readonly growing = new GrowingText();
  private tail: HTMLElement | null = null;
  private tailCode: { element: HTMLElement; lang: string; shown: string; highlightedAt: number } | null = null;
  private notes: Footnotes | null = null;
  private asked: readonly CellSource[] = [];
  private offered: Ui["codeActions"] = null;
  private shownText = "";
  private shownStreaming: boolean | null = null;

  /** Draw the text as it is now. Cheap when nothing changed. */
  show(text: string, streaming: boolean): void {
    if (text === this.shownText && streaming === this.shownStreaming) return;
    this.shownText = text;
    this.shownStreaming = streaming;
    const growth = this.growing.update(text, !streaming);
    if (growth.reset) {
      this.replaceChildren();
      this.dropTail();
      this.notes = null;
    }
    for (const block of growth.settled) this.settle(block);
    if (growth.tail) this.drawTail(growth.tail);
    else this.removeTail();
    this.notes?.draw(this.growing.notes, !streaming);
  }

  /** The question was about these cells; what the home around can do now is offered at each block of code. */
  offer(asked: readonly CellSource[]): void {
    const actions = this.ui?.codeActions ?? null;
    if (actions === this.offered && JSON.stringify(asked) === JSON.stringify(this.asked)) return;
    this.asked = asked;
    this.offered = actions;
    for (const frame of this.querySelectorAll<HTMLElement>(".code[data-whole]")) this.offerAt(frame);
  }

  private settle(block: Block): void {
    const element = this.tail ?? this.newBlock();
    if (block.code && this.tailCode?.lang === block.code.lang) this.growCode(block.code.text, true);
    else this.fill(element, block);
    for (const frame of element.querySelectorAll<HTMLElement>(".code")) this.offerAt(frame);
    this.dropTail();
  }

  private drawTail(block: Block): void {
    this.tail ??= this.newBlock();
    if (block.code && this.tailCode?.lang === block.code.lang && block.code.text.startsWith(this.tailCode.shown)) {
      this.growCode(block.code.text, false);
      return;
    }
    this.tailCode = null;
    const code = this.fill(this.tail, block);
    if (block.code && code) {
      this.tailCode = {
        element: code,
        lang: block.code.lang,
        shown: block.code.text,
        highlightedAt: performance.now(),
      };
    }
  }

  /** Code that only got longer: add what is new; colour it now and then, and at the end. */
  private growCode(text: string, whole: boolean): void {
    const code = this.tailCode;
    if (!code) return;
    const now = performance.now();
    const due = whole || (now - code.highlightedAt > REHIGHLIGHT_MS && text.length < REHIGHLIGHT_MAX_CHARS);
    if (due && colours.now()?.paint(code.element, text, code.lang)) code.highlightedAt = now;
    else if (text.startsWith(code.shown)) code.element.append(text.slice(code.shown.length));
    else code.element.textContent = text;
    code.shown = text;
  }

  private newBlock(): HTMLElement {
    const element = document.createElement("div");
    element.className = "block";
    element.dir = "auto";
    this.insertBefore(element, this.notes?.section ?? null);
    return element;
  }

  private dropTail(): void {
    this.tail = null;
    this.tailCode = null;
  }

  private removeTail(): void {
    this.tail?.remove();
    this.dropTail();
  }

  /** Put a block's content into its element; the `<code>` if it is a code block. */
  private fill(element: HTMLElement, block: Block): HTMLElement | null {
    if (block.code) {
      const { frame, code } = this.codeFrame(block.code.lang, block.code.text);
      element.replaceChildren(frame);
      return code;
    }
    this.fillText(element, block.html);
    if (block.html.includes(CITATION)) void this.cite();
    return null;
  }

  fillText(element: HTMLElement, markup: string): void {
    element.innerHTML = sanitizeMessage(markup);
    for (const pre of element.querySelectorAll("pre")) this.frameCode(pre);
    for (const table of element.querySelectorAll<HTMLElement>(".table")) this.frameTable(table);
    for (const math of element.querySelectorAll<HTMLElement>(".math")) drawMath(math);
  }

  /** There are notes: their part draws them, now and with whatever is shown later. */
  private async cite(): Promise<void> {
    const part = footnotes.now() ?? (await footnotes.load());
    if (!part || this.notes) return;
    this.notes = new part.Footnotes(this);
    this.notes.draw(this.growing.notes, this.shownStreaming === false);
  }

  /** Code inside a list or a quotation came as plain `<pre>`. */
  private frameCode(pre: HTMLPreElement): void {
    const source = pre.querySelector("code");
    const lang = /language-(\S+)/.exec(source?.className ?? "")?.[1] ?? "";
    pre.replaceWith(this.codeFrame(lang, source?.textContent ?? "").frame);
  }

  private codeFrame(lang: string, text: string): { frame: HTMLElement; code: HTMLElement } {
    const code = document.createElement("code");
    code.textContent = text;
    const pre = document.createElement("pre");
    pre.tabIndex = 0; // a wide one can be scrolled by keyboard
    pre.setAttribute("role", "region");
    pre.setAttribute("aria-label", lang ? `${lang} ${this.labels.code}` : this.labels.code);
    pre.append(code);
    const name = document.createElement("span");
    name.textContent = lang || this.labels.code;
    const bar = document.createElement("div");
    bar.className = "code-bar";
    bar.append(name);
    if (DRAWN.has(lang)) bar.append(this.showButton(code, lang));
    bar.append(
      this.copyButton(async () => (await import("../base/clipboard.js")).copyText(code.textContent), this.labels.copy),
    );
    const frame = document.createElement("div");
    frame.className = "code";
    frame.dir = "ltr";
    frame.dataset.lang = lang;
    frame.append(bar, pre);
    void colour(code, lang);
    return { frame, code };
  }

  /** What the home around can do with the code: put it into a cell, run it. Not with half of a block. */
  private offerAt(frame: HTMLElement): void {
    frame.dataset.whole = "";
    if (this.offered || frame.querySelector(".code-acts"))
      void offers.load().then((part) => part?.offer(frame, this.offered, this.asked));
  }

  /** What is written in this language can be looked at, on a click and in a frame without network. */
  private showButton(code: HTMLElement, lang: string): HTMLButtonElement {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = this.labels.show;
    // What a frame may not fetch, a browser may look up all the same (the name of a frame's host, in TLS's greeting).
    if (lang !== "mermaid")
      void artifact.load().then((part) => {
        if (part) button.title = this.ui?.t("artifact.note") ?? "";
      });
    button.addEventListener("click", async () => {
      const frame = button.closest(".code");
      if (!frame || !this.ui) return;
      const part = await artifact.load();
      if (!part) {
        this.ui.toast({ text: this.ui.t("part.failed"), kind: "error" });
        return;
      }
      const shown = await part.toggleArtifact(frame, lang, code.textContent, this.ui);
      button.textContent = shown ? this.labels.hide : this.labels.show;
      button.setAttribute("aria-expanded", String(shown));
    });
    return button;
  }

  /** A table can be taken to a spreadsheet. */
  private frameTable(frame: HTMLElement): void {
    const table = frame.querySelector("table");
    if (!table) return;
    const copy = async (): Promise<boolean> => {
      const { copyTable } = await import("./copy-rich.js");
      return copyTable(table);
    };
    const bar = document.createElement("div");
    bar.className = "block-bar";
    bar.append(this.copyButton(copy, this.labels.table));
    frame.append(bar);
  }

  private copyButton(copy: () => Promise<boolean>, label: string): HTMLButtonElement {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = label;
    button.addEventListener("click", async () => {
      const done = await copy();
      button.textContent = done ? this.labels.copied : label;
      setTimeout(() => (button.textContent = label), 1_500);
    });
    return button;
  }
}

async function colour(code: HTMLElement, lang: string): Promise<void> {
  if (lang) (await colours.load())?.paintNear(code, lang);
}

const mathCache = new Map<string, string>();
const MATH_CACHE_MAX = 500;

function drawMath(element: HTMLElement): void {
  const tex = element.textContent;
  const display = element.classList.contains("display");
  const render = mathRenderer.now();
  if (!render) {
    void mathRenderer.load().then((loaded) => {
      if (loaded && element.textContent === tex) drawMath(element);
    });
    return;
  }
  const key = `${display ? "d" : "i"}${tex}`;
  let markup = mathCache.get(key);
  if (markup === undefined) {
    markup = sanitizeMath(render(tex, display));
    if (mathCache.size >= MATH_CACHE_MAX) mathCache.clear();
    mathCache.set(key, markup);
  }
  element.innerHTML = markup;
  element.dataset.tex = tex; // for who copies it
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-markdown": MarkdownView;
  }
}
