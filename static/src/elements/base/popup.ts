/** A popover beside the button that opened it, inside the window; arrow keys move in it, Esc and Tab close it. */

const GAP_PX = 4;
const MARGIN_PX = 8;

/** Show `popup` below (or, where there is no room, above) `button`, its end at the button's end. */
export function showBeside(popup: HTMLElement, button: HTMLElement): void {
  popup.showPopover();
  const place = button.getBoundingClientRect();
  const { offsetHeight: height, offsetWidth: width } = popup;
  const below = place.bottom + GAP_PX + height <= window.innerHeight;
  const toEnd = getComputedStyle(popup).direction === "rtl" ? place.left : place.right - width;
  popup.style.top = `${below ? place.bottom + GAP_PX : Math.max(MARGIN_PX, place.top - height - GAP_PX)}px`;
  popup.style.left = `${Math.max(MARGIN_PX, Math.min(toEnd, window.innerWidth - width - MARGIN_PX))}px`;
}

/** Keys in a menu of `items`. `close` is called for Esc and Tab. */
export function menuKeys(event: KeyboardEvent, items: readonly HTMLElement[], close: () => void): void {
  const at = items.indexOf(event.target as HTMLElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
  if (event.key === "Tab" || event.key === "Escape") {
    event.preventDefault();
    event.stopPropagation();
    close();
  } else if (to !== undefined && items.length > 0) {
    event.preventDefault();
    items.at(to % items.length)?.focus();
  }
}
