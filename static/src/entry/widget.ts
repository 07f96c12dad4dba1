/** The chat in the output of a cell, for `labextension/src/widget.ts`, and `clawdbot_ext/widget_loader.js` elsewhere. */
import type { ContextSource, GivenFile } from "../state/host.js";
import { define } from "./define.js";

import { KernelTransport } from "./kernel-transport.js";
import type { Model } from "./kernel-transport.js";

interface Offer {
  label: string;
  attachments: { mediaId?: string; content?: string; mimeType?: string; fileName?: string }[];
}

interface WidgetPlace {
  model: Model;
  el: HTMLElement;
  base?: string;
  locale?: string;
}

interface Message {
  kind: string;
  files?: Offer[];
}

/**
 * Draw into `el`; what is given back takes it away.
 *
 * @param base the gateway's folder on the server of this page; without one, frames go through the kernel
 * @param locale the language of the program around, the browser's without one
 */
export function renderWidget({ model, el, base, locale }: WidgetPlace): () => void {
  define();
  const chat = document.createElement("clawdbot-chat");
  chat.mode = "panel";
  // A page for visitors has no login of its own: what it may, the kernel says.
  const pinned = model.get("view") === "chat";
  if (pinned) base = undefined;
  chat.toggleAttribute("pinned", pinned);
  if (base === undefined) chat.transport = new KernelTransport(model);
  else chat.baseUrl = base;
  chat.sessionKey = model.get("session") as string;
  chat.theme = themeOf(el);
  if (locale) chat.locale = locale;
  const frame = document.createElement("div");
  frame.style.cssText = "resize:vertical;overflow:hidden;min-height:240px;border:1px solid #8884;border-radius:6px";
  frame.style.height = model.get("height") as string;
  chat.style.height = "100%";
  chat.style.setProperty("--clawdbot-size", "0.875rem");
  frame.append(chat);
  // The extension in Lab, which knows the notebook, offers what can be done with code.
  document.dispatchEvent(new CustomEvent("clawdbot-guest", { detail: chat }));
  el.replaceChildren(frame, ...(base === undefined ? [throughKernel(chat.lang)] : []));

  const session = (): void => {
    chat.sessionKey = model.get("session") as string;
  };
  const height = (): void => {
    frame.style.height = model.get("height") as string;
  };
  const heard = (message: Message): void => {
    if (message.kind === "context") chat.contexts = (message.files ?? []).map(sourceOf);
  };
  const shown = (event: Event): void => {
    const { key } = (event as CustomEvent<{ key: string }>).detail;
    if (key === model.get("session")) return;
    model.set("session", key);
    model.save_changes();
  };
  const colours = new MutationObserver(() => {
    chat.theme = themeOf(el);
  });
  for (const each of new Set([document.documentElement, document.body, themed(el)]))
    colours.observe(each, { attributeFilter: ["data-jp-theme-light", "data-vscode-theme-kind"] });
  model.on("change:session", session);
  model.on("change:height", height);
  model.on("msg:custom", heard);
  chat.addEventListener("clawdbot-session", shown);
  model.send({ kind: "ready" });
  return () => {
    model.off("change:session", session);
    model.off("change:height", height);
    model.off("msg:custom", heard);
    colours.disconnect();
    frame.remove();
  };
}

function sourceOf({ label, attachments }: Offer, index: number): ContextSource {
  const files = attachments.map((each): GivenFile => ({
    fileName: each.fileName ?? label,
    mimeType: each.mimeType ?? "",
    ...each,
  }));
  return { id: `value-${index}`, label, on: true, read: () => Promise.resolve(files) };
}

function throughKernel(language: string): HTMLElement {
  const note = document.createElement("small");
  const korean = (language || navigator.language).startsWith("ko");
  note.textContent = korean
    ? "커널을 거쳐 연결했어요. 셀이 실행되는 동안에는 답변이 기다려요."
    : "Connected through the kernel: while a cell runs, replies wait.";
  return note;
}

/** The element that says whether Jupyter is light or dark. */
function themed(el: HTMLElement): HTMLElement {
  return el.closest<HTMLElement>("[data-jp-theme-light]") ?? document.body;
}

/** What the page around says of its colours. */
function themeOf(el: HTMLElement): "light" | "dark" | "system" {
  const jupyter = themed(el);
  const light = jupyter.dataset.jpThemeLight ?? document.body.dataset.jpThemeLight;
  if (light !== undefined) return light === "false" ? "dark" : "light";
  const vscode = document.body.dataset.vscodeThemeKind;
  if (vscode !== undefined) return vscode.includes("dark") ? "dark" : "light";
  return "system";
}
