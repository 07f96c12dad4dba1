/**
 * The lazy part of Markdown's footnotes: numbers where they are cited, the notes at the foot, links there and back.
 *
 * While a text is being written, a citation has its number at once if its label is one or its note has come; what is
 * cited and never explained is shown as it was written, when the text is whole. Ids are of this message alone.
 */
import { lexBlocks, toHtml } from "../../markdown/parse.js";
import { addTexts, translator } from "../../i18n/index.js";
import en from "../../i18n/notes.en.json";
import ko from "../../i18n/notes.ko.json";

import { adopt } from "../base/light-element.js";
import type { Ui } from "../base/ui-context.js";
import { sheet } from "../styles/notes.js";

addTexts({ en, ko });

/** More notes than that are shown as they were written. */
const NOTES_MAX = 500;
/** Ways back from one note. */
const BACK_MAX = 20;
let views = 0;

/** A label that was cited: its number, and where. */
interface Cited {
  number: number;
  places: HTMLElement[];
}

/** The view whose notes these are, as far as they need it. */
export interface NotedView extends HTMLElement {
  readonly ui: Ui | null;
  /** Sanitise HTML and draw it into an element of the view. */
  fillText(element: HTMLElement, markup: string): void;
}

export class Footnotes {
  /** The notes; stands behind all other blocks. */
  section: HTMLElement | null = null;
  private readonly list = document.createElement("ol");
  private readonly items = new Map<string, HTMLLIElement>();
  private cited = new Map<string, Cited>();
  private readonly id = `note-${++views}`;

  constructor(private readonly view: NotedView) {
    adopt(view, sheet);
  }

  /**
   * Number what is cited in the view, and show what is known of it.
   * @param known the notes' Markdown by their labels
   * @param whole no more will come
   */
  draw(known: ReadonlyMap<string, string>, whole: boolean): void {
    this.cited = new Map();
    this.number(this.view.querySelectorAll<HTMLElement>(".block:not(.notes) .note"), known, whole);
    const items: HTMLLIElement[] = [];
    // A note may cite others: they get into the map, behind it, while it is walked.
    for (const label of this.cited.keys()) {
      const text = known.get(label);
      if (text === undefined) continue;
      const item = this.items.get(label) ?? this.item(label, text);
      items.push(item);
      this.number(item.querySelectorAll<HTMLElement>(".note"), known, whole);
    }
    if (items.some((item, at) => this.list.children[at] !== item)) this.list.append(...items);
    for (const [label, { number, places }] of this.cited) {
      const item = this.items.get(label);
      if (item) this.waysBack(item, label, number, Math.min(BACK_MAX, places.length));
    }
  }

  private number(spans: Iterable<HTMLElement>, known: ReadonlyMap<string, string>, whole: boolean): void {
    for (const span of spans) {
      const label = (span.dataset.label ??= span.textContent);
      const cited = this.cited.get(label) ?? { number: this.cited.size + 1, places: [] };
      if ((whole && !known.has(label)) || cited.number > NOTES_MAX) {
        span.replaceWith(`[^${label}]`);
        continue;
      }
      this.cited.set(label, cited);
      cited.places.push(span);
      this.cite(span, label, cited, known.has(label));
    }
  }

  private cite(span: HTMLElement, label: string, { number, places }: Cited, known: boolean): void {
    const state = `${number} ${known}`;
    if (span.dataset.state === state) return;
    span.dataset.state = state;
    span.className = known || /^\d+$/.test(label) ? "note" : "sr note";
    const sup = document.createElement("sup");
    span.replaceChildren(sup);
    if (!known) {
      sup.textContent = String(number);
      return;
    }
    const link = document.createElement("a");
    link.href = `#${this.id}-${number}`;
    link.id = `${this.id}-${number}-${places.length}`;
    link.setAttribute("role", "doc-noteref");
    link.setAttribute("aria-label", this.say("notes.cite", number));
    link.textContent = String(number);
    link.addEventListener("click", (event) => go(event, this.items.get(label)));
    sup.append(link);
  }

  private item(label: string, text: string): HTMLLIElement {
    if (!this.section) {
      this.section = document.createElement("section");
      this.section.className = "block notes";
      this.section.setAttribute("role", "doc-endnotes");
      this.section.setAttribute("aria-label", this.say("notes.label", 0));
      this.section.append(this.list);
      this.view.append(this.section);
    }
    const item = document.createElement("li");
    item.tabIndex = -1;
    item.dir = "auto";
    this.view.fillText(item, toHtml(lexBlocks(text, {}, false)));
    this.items.set(label, item);
    this.list.append(item);
    return item;
  }

  /** A link back to each place that cites the note. */
  private waysBack(item: HTMLLIElement, label: string, number: number, count: number): void {
    item.id = `${this.id}-${number}`;
    const state = `${number} ${count}`;
    if (item.dataset.state === state) return;
    item.dataset.state = state;
    for (const link of item.querySelectorAll(".note-back")) link.remove();
    const end = item.lastElementChild?.tagName === "P" ? item.lastElementChild : item;
    for (let nth = 0; nth < count; nth++) {
      const link = document.createElement("a");
      link.className = "note-back";
      link.href = `#${item.id}-${nth + 1}`;
      link.setAttribute("role", "doc-backlink");
      link.setAttribute("aria-label", this.say("notes.back", number) + (nth > 0 ? ` (${nth + 1})` : ""));
      link.textContent = nth === 0 ? "↩" : `↩${nth + 1}`;
      link.addEventListener("click", (event) => go(event, this.cited.get(label)?.places[nth]?.querySelector("a")));
      end.append(" ", link);
    }
  }

  private say(key: "notes.back" | "notes.cite" | "notes.label", number: number): string {
    return (this.view.ui?.t ?? translator("en"))(key, { number });
  }
}

/** A link inside the message: the page's address stays as it is. */
function go(event: Event, to: HTMLElement | null | undefined): void {
  event.preventDefault();
  event.stopPropagation();
  to?.focus({ preventScroll: true });
  to?.scrollIntoView({ block: "nearest" });
}
