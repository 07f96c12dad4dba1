/** The newest events of the gateway as the Debug tab keeps them, bounded in number and in size. */
import { visible } from "./base/parts.js";

const KEPT = 500;
/** A payload longer than this is cut. */
const LONGEST = 20_000;

export interface KeptEvent {
  name: string;
  at: number;
  /** The payload on one line. */
  text: string;
  /** The payload, indented. */
  pretty: string;
}

export class EventBuffer {
  private list: KeptEvent[] = [];

  add(name: string, payload: unknown, at: number): void {
    const text = visible(JSON.stringify(payload ?? null)).slice(0, LONGEST);
    const event = {
      name,
      at,
      text,
      // Made when it is looked at: most never are.
      get pretty() {
        return visible(JSON.stringify(payload ?? null, null, 2)).slice(0, LONGEST);
      },
    };
    this.list.push(event);
    if (this.list.length > 2 * KEPT) this.list = this.list.slice(-KEPT);
  }

  /** Those of which the name or the payload has all words. */
  find(sought: string): readonly KeptEvent[] {
    const words = sought.toLowerCase().split(/\s+/).filter(Boolean);
    const newest = this.list.slice(-KEPT);
    if (words.length === 0) return newest;
    return newest.filter((event) => {
      const whole = `${event.name} ${event.text}`.toLowerCase();
      return words.every((word) => whole.includes(word));
    });
  }

  clear(): void {
    this.list = [];
  }
}
