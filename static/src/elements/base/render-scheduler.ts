/**
 * When to draw: the first change at once, those that follow in the same frame together at its end. A hidden page gets no
 * frames, so there a timer stands in.
 */

export interface Clockwork {
  frame(run: () => void): number;
  cancelFrame(id: number): void;
  hidden(): boolean;
}

const HIDDEN_MS = 250;

export class Flusher {
  private frame: number | null = null;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private again = false;

  constructor(
    private readonly draw: () => void,
    private readonly clock: Clockwork,
  ) {}

  /** Something changed. */
  request(): void {
    if (this.frame !== null || this.timer !== null) {
      this.again = true;
      // The page was hidden since the frame was asked for: it will not come.
      if (this.frame !== null && this.clock.hidden()) {
        this.clock.cancelFrame(this.frame);
        this.frame = null;
        this.wait();
      }
      return;
    }
    this.draw();
    this.wait();
  }

  stop(): void {
    if (this.frame !== null) this.clock.cancelFrame(this.frame);
    if (this.timer !== null) clearTimeout(this.timer);
    this.frame = this.timer = null;
    this.again = false;
  }

  private wait(): void {
    const end = (): void => {
      this.frame = this.timer = null;
      if (!this.again) return;
      this.again = false;
      this.draw();
      this.wait();
    };
    if (this.clock.hidden()) this.timer = setTimeout(end, HIDDEN_MS);
    else this.frame = this.clock.frame(end);
  }
}
