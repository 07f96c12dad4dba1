/**
 * Does the view stay at the end? Only the reader decides: scrolling up by wheel, touch, key or scroll bar ends it;
 * coming back to the end, the button, or sending resumes it. A scroll event alone proves nothing, as layout causes them.
 */

/** This near the end counts as at the end, in CSS pixels. */
const NEAR_PX = 60;
/** A scroll this soon after a key, a wheel or a finger is the reader's, in milliseconds. */
const INTENT_MS = 1_000;
const UP_KEYS = new Set(["PageUp", "Home", "ArrowUp"]);

export class Follow {
  following = true;
  private lastTop = 0;
  private intentUntil = 0;
  private touchY = 0;
  private dragging = false;

  /** @param onChange called when `following` changes */
  constructor(
    private readonly scroller: HTMLElement,
    private readonly onChange: () => void,
  ) {
    const on = <K extends keyof HTMLElementEventMap>(name: K, run: (event: HTMLElementEventMap[K]) => void): void => {
      scroller.addEventListener(name, run, { passive: true });
    };
    on("wheel", (event) => {
      if (event.deltaY < 0) this.leave();
      else this.intend();
    });
    on("touchstart", (event) => (this.touchY = event.touches[0]?.clientY ?? 0));
    on("touchmove", (event) => {
      const y = event.touches[0]?.clientY ?? 0;
      if (y > this.touchY + 4) this.leave();
      else this.intend();
    });
    on("keydown", (event) => {
      if (UP_KEYS.has(event.key) || (event.key === " " && event.shiftKey)) this.leave();
      else this.intend();
    });
    on("pointerdown", (event) => (this.dragging = event.target === scroller));
    on("pointerup", () => (this.dragging = false));
  }

  /** Go to the end and stay there. */
  resume(): void {
    this.set(true);
  }

  /** Stay where the reader is put, not at the end. */
  release(): void {
    this.set(false);
  }

  /** The view was put here by the page itself. */
  placed(): void {
    this.lastTop = this.scroller.scrollTop;
  }

  /** The view has moved. */
  scrolled(): void {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    const down = scrollTop > this.lastTop;
    if (this.dragging && scrollTop < this.lastTop - 2) this.set(false);
    const meant = this.dragging || performance.now() < this.intentUntil;
    if (down && meant && scrollHeight - clientHeight - scrollTop <= NEAR_PX) this.set(true);
    this.lastTop = scrollTop;
  }

  private leave(): void {
    if (this.scroller.scrollTop > 0 && this.scroller.scrollHeight > this.scroller.clientHeight) this.set(false);
    this.intend();
  }

  private intend(): void {
    this.intentUntil = performance.now() + INTENT_MS;
  }

  private set(following: boolean): void {
    if (this.following === following) return;
    this.following = following;
    this.onChange();
  }
}
