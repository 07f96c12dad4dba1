/** A revision of a text: cyrb53, a sum of 53 bits. The browser's own digests are not there on plain http to another host. */

/** The sum of the text's UTF-16 code units, seed 0. */
export function sumOf(text: string): number {
  let [a, b] = [0xdeadbeef, 0x41c6ce57];
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    a = Math.imul(a ^ code, 2654435761);
    b = Math.imul(b ^ code, 1597334677);
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  return 4294967296 * (2097151 & b) + (a >>> 0);
}

/** The revision as the protocol has it: 14 hex digits, the same as `protocol/revision.py` gives. */
export function revisionOf(source: string): string {
  return sumOf(source).toString(16).padStart(14, "0");
}
