/** The standalone page: one element that fills the window, its session in the address, its state in the title. */
import { define } from "./define.js";
import "./page.css";
import type { ChatStatus } from "../elements/chat/announcements.js";

const MARKS: Record<ChatStatus["status"], string> = {
  idle: "",
  answering: "… ",
  "needs-you": "❗ ",
  offline: "⚠ ",
  login: "",
};

function sessionInAddress(): string {
  return new URLSearchParams(location.search).get("session") ?? "";
}

/** The gateway sends a used or old one-time link here; a reload should not say so again. */
function cameByDeadLink(): boolean {
  const address = new URL(location.href);
  const dead = address.searchParams.get("link") === "expired";
  address.searchParams.delete("link");
  if (dead) history.replaceState(null, "", address);
  return dead;
}

define();
const chat = document.createElement("clawdbot-chat");
chat.sessionKey = sessionInAddress();
chat.linkExpired = cameByDeadLink();
let answered = false;
let installed = false;
/** At the gateway's root the page is the Control UI, of which the chat is a tab; below `chat` it is the chat alone. */
const whole = !location.pathname.endsWith("/chat");
let around: Promise<unknown> | undefined;
let tab = "";
let status: ChatStatus = { title: "", status: "idle", locale: "en", standalone: false };

function showTitle(): void {
  const done = answered && document.hidden && status.status !== "needs-you";
  const icon = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
  const sign = done ? "done" : status.status;
  // Away, the title alone tells.
  if (icon) void import("./favicon.js").then(({ showSign }) => showSign(icon, sign)).catch(() => undefined);
  const mark = done ? "✓ " : MARKS[status.status];
  const title = tab || status.title;
  document.title = `${mark}${title ? `${title} · ` : ""}Clawdbot`;
}

/** Fetched once the chat can be used. Without it the page is the chat; the next change of its state tries again. */
function surround(): void {
  around ??= import("./control.js").then(
    ({ install }) =>
      install(chat, (title) => {
        tab = title;
        showTitle();
      }),
    () => (around = undefined),
  );
}

chat.addEventListener("clawdbot-status", (event) => {
  const next = (event as CustomEvent<ChatStatus>).detail;
  if (status.status === "answering" && next.status === "idle" && document.hidden) answered = true;
  status = next;
  if (next.standalone && !installed) {
    installed = true;
    void import("./pwa.js").then(({ install }) => install()).catch(() => undefined); // the page works without
  }
  document.documentElement.lang = next.locale;
  showTitle();
  if (whole) surround();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) answered = false;
  showTitle();
});
chat.addEventListener("clawdbot-session", (event) => {
  const { key } = (event as CustomEvent<{ key: string }>).detail;
  if (key === sessionInAddress()) return;
  const address = new URL(location.href);
  address.searchParams.set("session", key);
  history.pushState(null, "", address);
});
window.addEventListener("popstate", () => (chat.sessionKey = sessionInAddress() || "main"));
document.body.toggleAttribute("data-control", whole);
document.body.append(chat);
