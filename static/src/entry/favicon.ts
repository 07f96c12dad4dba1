/** The page's icon as a sign: a dot while an answer is written, a check when one is ready, a bang when someone is needed. */

export type Sign = "none" | "running" | "done" | "needs-you" | "offline";

const MARKS: Record<Exclude<Sign, "none">, string> = {
  running: '<circle cx="25" cy="25" r="7" fill="#f0917a" stroke="#fff" stroke-width="2"/>',
  done: '<circle cx="25" cy="25" r="7" fill="#2e7d4f"/><path d="M21.5 25l2.5 2.5 4.5-5" fill="none" stroke="#fff" stroke-width="2"/>',
  "needs-you":
    '<circle cx="25" cy="25" r="7" fill="#b3261e"/><path d="M25 20.5v5M25 28.5v.5" stroke="#fff" stroke-width="2.4"/>',
  offline: '<circle cx="25" cy="25" r="7" fill="#8a5a00"/><path d="M21.5 25h7" stroke="#fff" stroke-width="2.4"/>',
};

let plain: Promise<string> | undefined;
let shown: Sign = "none";

/** Put the sign on the icon that `link` shows. */
export async function showSign(link: HTMLLinkElement, sign: Sign): Promise<void> {
  if (sign === shown) return;
  shown = sign;
  // The icon is asked for once: written into the address again, it would be fetched again at each change.
  plain ??= fetch("./favicon.svg", { cache: "force-cache" }).then((response) => (response.ok ? response.text() : ""));
  const mark = await plain.catch(() => ""); // the gateway is away: only the title tells
  if (mark === "") plain = undefined;
  else if (shown === sign) {
    const drawn = sign === "none" ? mark : mark.replace("</svg>", `${MARKS[sign]}</svg>`);
    link.href = `data:image/svg+xml,${encodeURIComponent(drawn)}`;
  }
}
