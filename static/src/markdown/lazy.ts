/** Parts that only some messages need, fetched when the first one does, and kept. */

type TexToMathml = typeof import("./temml.js").texToMathml;

export interface Lazy<T> {
  /** The part, if it is here already. */
  now: () => T | null;
  /** Fetch it; `null` when it cannot be had (offline, an older deployment): the plain text stays. */
  load: () => Promise<T | null>;
}

export function lazy<T>(fetchIt: () => Promise<T>): Lazy<T> {
  let ready: T | null = null;
  let pending: Promise<T | null> | null = null;
  return {
    now: () => ready,
    load: () =>
      (pending ??= fetchIt().then(
        (value) => (ready = value),
        () => (pending = null),
      )),
  };
}

export const mathRenderer: Lazy<TexToMathml> = lazy(async () => (await import("./temml.js")).texToMathml);
