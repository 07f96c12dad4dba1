/** The page's icon as a sign: a dot while an answer is written, a check when one is ready, a bang when someone is needed. */
import type { ChatStatus } from "../elements/chat/announcements.js";

export type Sign = ChatStatus["status"] | "done";

const MARKS: Partial<Record<Sign, string>> = {
  answering: '<circle cx="25" cy="25" r="7" fill="#f0917a" stroke="#fff" stroke-width="2"/>',
  done: '<circle cx="25" cy="25" r="7" fill="#2e7d4f"/><path d="M21.5 25l2.5 2.5 4.5-5" fill="none" stroke="#fff" stroke-width="2"/>',
  "needs-you":
    '<circle cx="25" cy="25" r="7" fill="#b3261e"/><path d="M25 20.5v5M25 28.5v.5" stroke="#fff" stroke-width="2.4"/>',
  offline: '<circle cx="25" cy="25" r="7" fill="#8a5a00"/><path d="M21.5 25h7" stroke="#fff" stroke-width="2.4"/>',
};

let plain: Promise<string> | undefined;
let shown = "";

/** Put the sign on the icon that `link` shows. */
export async function showSign(link: HTMLLinkElement, sign: Sign): Promise<void> {
  const sought = MARKS[sign] ?? "";
  if (sought === shown) return;
  shown = sought;
  // The icon is asked for once: written into the address again, it would be fetched again at each change.
  plain ??= fetch("./favicon.svg", { cache: "force-cache" }).then((response) => (response.ok ? response.text() : ""));
  const mark = await plain.catch(() => ""); // the gateway is away: only the title tells
  if (mark === "") plain = undefined;
  else if (shown === sought) {
    const drawn = mark.replace("</svg>", `${sought}</svg>`);
    link.href = `data:image/svg+xml,${encodeURIComponent(drawn)}`;
  }
}
