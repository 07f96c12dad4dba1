/** The lazy part of code: its colours, given to what is near the view. */
import { highlight } from "../../markdown/languages.js";
import { sanitizeMessage } from "../../markdown/sanitize.js";

import { adopt } from "../base/light-element.js";
import { sheet } from "../styles/code.js";

/** Longer code is shown plain: highlighting it would be felt. */
const HIGHLIGHT_MAX_CHARS = 50_000;
/** Code is coloured before it is seen, by so much of the view's height. */
const NEAR = "50% 0px";

const waiting = new WeakMap<Element, string>();
const observers = new WeakMap<Element, IntersectionObserver>();

/** Colour `text` in `code`; false if its language is not known. */
export function paint(code: HTMLElement, text: string, lang: string): boolean {
  if (!lang || text.length > HIGHLIGHT_MAX_CHARS) return false;
  const html = highlight(text, lang);
  if (html === null) return false;
  adopt(code, sheet);
  code.innerHTML = sanitizeMessage(html);
  return true;
}

/** Colour a whole block as soon as it is near the view; at once where nothing scrolls. */
export function paintNear(code: HTMLElement, lang: string): void {
  const scroller = code.closest(".scroller");
  if (!scroller) {
    paint(code, code.textContent, lang);
    return;
  }
  let observer = observers.get(scroller);
  if (!observer) {
    observer = new IntersectionObserver(arrived, { root: scroller, rootMargin: NEAR });
    observers.set(scroller, observer);
  }
  waiting.set(code, lang);
  observer.observe(code);
}

function arrived(entries: IntersectionObserverEntry[], observer: IntersectionObserver): void {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    observer.unobserve(target);
    paint(target as HTMLElement, target.textContent, waiting.get(target) ?? "");
    waiting.delete(target);
  }
}
