/**
 * Documents, drawings and diagrams out of code blocks, shown in a frame that has no origin and no network (`frame.py`).
 * Only on a click: what a model wrote may run scripts there. The diagram library is given to the frame as text.
 */
import mermaidUrl from "@mermaid-js/tiny/dist/mermaid.tiny.js?url";

import { addTexts } from "../../i18n/index.js";
import en from "../../i18n/artifact.en.json";
import ko from "../../i18n/artifact.ko.json";

import type { Ui } from "../base/ui-context.js";

addTexts({ en, ko });

const MIN_PX = 60;
const MAX_PX = 560;

interface News {
  /** Height in CSS pixels; 0: the frame is there and can be told. */
  clawdbotFrame: number;
  problem?: string;
}

/** Show `content` below `code`, or take away what is shown. True if it is shown now. */
export async function toggleArtifact(code: Element, lang: string, content: string, ui: Ui): Promise<boolean> {
  const shown = code.querySelector(".artifact");
  if (shown) {
    shown.remove();
    return false;
  }
  const frame = document.createElement("iframe");
  frame.className = "artifact";
  frame.title = ui.t("artifact.title");
  frame.setAttribute("sandbox", "allow-scripts");
  frame.referrerPolicy = "no-referrer";
  frame.style.height = `${MIN_PX}px`;
  const library = lang === "mermaid" ? await mermaid() : undefined;
  const kind = lang === "mermaid" ? "mermaid" : "html";
  const dark = getComputedStyle(code).colorScheme === "dark" || matchesDark(code);
  const hear = (event: MessageEvent): void => {
    if (event.source !== frame.contentWindow) return;
    if (!frame.isConnected) {
      window.removeEventListener("message", hear);
      return;
    }
    const { clawdbotFrame: height, problem } = event.data as News;
    if (height === 0)
      frame.contentWindow?.postMessage({ kind, content, library, dark }, "*"); // it asks once
    else if (Number.isFinite(height)) frame.style.height = `${Math.min(MAX_PX, Math.max(MIN_PX, height))}px`;
    if (problem) tellProblem(frame, ui, problem);
  };
  window.addEventListener("message", hear);
  frame.src = new URL("frame", ui.base).href;
  // A home's own policy may forbid frames; its browser tells the document alone.
  const refused = ({ effectiveDirective, blockedURI }: SecurityPolicyViolationEvent): void => {
    if (frame.isConnected && (effectiveDirective !== "frame-src" || !frame.src.startsWith(blockedURI))) return;
    document.removeEventListener("securitypolicyviolation", refused);
    if (frame.isConnected) tellRefused(frame, ui);
  };
  document.addEventListener("securitypolicyviolation", refused);
  code.append(frame);
  return true;
}

function tellProblem(frame: HTMLIFrameElement, ui: Ui, problem: string): HTMLElement {
  const note = document.createElement("p");
  note.className = "artifact fine";
  note.setAttribute("role", "status");
  note.textContent = ui.t("artifact.failed", { problem });
  frame.replaceWith(note);
  return note;
}

/** Where it can be seen: on the chat's own page. */
function tellRefused(frame: HTMLIFrameElement, ui: Ui): void {
  const page = new URL("chat", ui.base);
  page.searchParams.set("session", ui.controller.state.current);
  const link = document.createElement("a");
  link.href = page.href;
  link.target = "_blank";
  link.rel = "noopener noreferrer";
  link.textContent = ui.t("artifact.tab");
  tellProblem(frame, ui, ui.t("artifact.blocked")).append(" ", link);
}

function matchesDark(element: Element): boolean {
  const theme = element.closest<HTMLElement>(".app")?.dataset.theme;
  return theme === "dark" || (theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
}

let library: Promise<string> | undefined;

/** The diagram library as text; it runs in the frame only. */
function mermaid(): Promise<string> {
  return (library ??= fetch(new URL(mermaidUrl, import.meta.url)).then((response) => response.text()));
}
