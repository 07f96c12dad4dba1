/** Asks before a link leads to another place than its text says. */
import { html, render } from "lit";

import { addTexts } from "../../i18n/index.js";
import en from "../../i18n/links.en.json";
import ko from "../../i18n/links.ko.json";

import type { Ui } from "../base/ui-context.js";
import { misleads } from "../base/misleading-links.js";
import { adopt } from "../base/light-element.js";
import { dialogs } from "../styles/dialogs.js";
import { visible } from "../base/reveal-hidden.js";

addTexts({ en, ko });

/** Open a link, after asking where it misleads. @param from an element of the chat */
export function openLink(from: Element, ui: Ui, link: HTMLAnchorElement): void {
  if (misleads(link)) confirmLink(from, ui, link);
  else window.open(link.href, "_blank", "noopener,noreferrer");
}

/** @param from an element of the chat: the dialog is put into its root */
function confirmLink(from: Element, ui: Ui, link: HTMLAnchorElement): void {
  const { t } = ui;
  const dialog = document.createElement("dialog");
  adopt(from, dialogs);
  dialog.className = "dialog small";
  dialog.setAttribute("role", "alertdialog");
  dialog.setAttribute("aria-label", t("links.title"));
  const shown = visible(link.href).map((piece) => piece.text);
  render(
    html`<form method="dialog" class="dialog-body">
      <h2>${t("links.title")}</h2>
      <p>${t("links.text", { text: link.textContent.trim() })}</p>
      <p><code>${shown.join("")}</code></p>
      <div class="dialog-actions">
        <button value="no" class="button" autofocus>${t("action.cancel")}</button>
        <button value="yes" class="button primary">${t("links.open")}</button>
      </div>
    </form>`,
    dialog,
  );
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (dialog.returnValue === "yes") window.open(link.href, "_blank", "noopener,noreferrer");
  });
  (from.closest(".app") ?? from).append(dialog);
  dialog.showModal();
}
