/** Addresses of tabs: `#/usage?days=30`. Without one, or behind `#` alone (a link of another client), the chat is meant. */
export interface TabAddress {
  /** As it stands in the address; need not exist. */
  tab: string;
  query: URLSearchParams;
}

export function parseAddress(hash: string): TabAddress {
  const [, path = "", query = ""] = /^#\/([^?]*)\??(.*)$/.exec(hash) ?? [];
  let end = path.length; // without the slashes at the end; a pattern for them takes quadratic time
  while (path[end - 1] === "/") end -= 1;
  let tab = path.slice(0, end);
  try {
    tab = decodeURIComponent(tab);
  } catch {
    // As it stands: it names no tab either way.
  }
  return { tab: tab === "" ? "chat" : tab, query: new URLSearchParams(query) };
}

export function tabHref(tab: string, query: Record<string, string> = {}): string {
  const given = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== "")).toString();
  return `#/${tab === "chat" ? "" : encodeURIComponent(tab)}${given === "" ? "" : `?${given}`}`;
}
