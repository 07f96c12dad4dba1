import type { KeyValue } from "../../src/state/drafts.js";

/** `localStorage` in memory. */
export function memoryStorage(): KeyValue & { all: Map<string, string> } {
  const all = new Map<string, string>();
  return {
    all,
    getItem: (key) => all.get(key) ?? null,
    setItem: (key, value) => void all.set(key, value),
    removeItem: (key) => void all.delete(key),
  };
}
