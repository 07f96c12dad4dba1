/**
 * Keeps a page above a phone's keyboard where the browser lets the keyboard lie over it (iOS). Android shrinks the page
 * by itself (`interactive-widget=resizes-content`); then there is nothing to do here.
 */

/** Less than this is an address bar, not a keyboard; CSS pixels. */
const KEYBOARD_MIN = 100;

/** @returns ends the watching */
export function aboveKeyboard(host: HTMLElement): () => void {
  const viewport = window.visualViewport;
  if (!viewport) return () => undefined;
  const fit = (): void => {
    // Zoomed in, the visible part is small for another reason.
    const covered = viewport.scale < 1.1 && window.innerHeight - viewport.height > KEYBOARD_MIN;
    host.style.height = covered ? `${viewport.height}px` : "";
    host.style.top = covered ? `${viewport.offsetTop}px` : "";
  };
  viewport.addEventListener("resize", fit);
  viewport.addEventListener("scroll", fit);
  fit(); // the keyboard may have come first
  return () => {
    viewport.removeEventListener("resize", fit);
    viewport.removeEventListener("scroll", fit);
    host.style.height = host.style.top = "";
  };
}
