/** The lazy part of a guest: buttons at a block of code for what the home around can do with it. */
import type { CodeAction, CodeActions } from "../../state/host.js";
import type { CellSource } from "../../protocol/types.js";

/** Offer at a whole block what can be done now; the focus stays where it was. */
export function offer(frame: HTMLElement, actions: CodeActions | null, asked: readonly CellSource[]): void {
  const [bar, code] = [frame.querySelector(".code-bar"), frame.querySelector("code")];
  if (!bar || !code) return;
  let acts = bar.querySelector<HTMLElement>(".code-acts");
  if (!acts) {
    acts = document.createElement("span");
    acts.className = "code-acts";
    bar.firstElementChild?.after(acts);
  }
  const focused = acts.querySelector<HTMLElement>(":focus")?.dataset.action;
  const offered = actions?.({ language: frame.dataset.lang ?? "", asked }) ?? [];
  acts.replaceChildren(...offered.map((action) => button(action, code)));
  if (focused) acts.querySelector<HTMLElement>(`[data-action="${CSS.escape(focused)}"]`)?.focus();
}

function button({ id, label, run }: CodeAction, code: HTMLElement): HTMLButtonElement {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "copy";
  made.dataset.action = id;
  made.textContent = label;
  made.addEventListener("click", () => void run(code.textContent));
  return made;
}
