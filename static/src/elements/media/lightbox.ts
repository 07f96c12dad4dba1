/** One picture large, over everything; the arrow keys go to the next. A native dialog keeps the focus and hears Esc. */
import { html, render } from "lit";

import type { Ui } from "../base/ui-context.js";
import { closeOnBackdrop } from "../base/dialog.js";
import { icon } from "../base/more-icons.js";

interface Picture {
  address: string;
  name: string;
}

/** @param from the element that was clicked: the dialog is put into its root */
export function lightbox(from: Element, ui: Ui, pictures: readonly Picture[], start: number): void {
  const { t } = ui;
  const dialog = document.createElement("dialog");
  dialog.className = "lightbox";
  let at = start;
  const step = (by: number): void => {
    at = (at + by + pictures.length) % pictures.length;
    draw();
  };
  const draw = (): void => {
    const picture = pictures[at];
    if (!picture) return;
    dialog.setAttribute("aria-label", picture.name);
    render(
      html`<img src=${picture.address} alt=${picture.name} />
        <p>${picture.name}${pictures.length > 1 ? ` · ${at + 1}/${pictures.length}` : ""}</p>
        <div class="lightbox-actions">
          <a
            class="icon-button"
            href=${picture.address}
            download=${picture.name}
            aria-label=${t("media.download")}
            title=${t("media.download")}
            >${icon("download")}</a
          >
          <button
            type="button"
            class="icon-button"
            autofocus
            aria-label=${t("action.close")}
            title=${t("action.close")}
            @click=${() => dialog.close()}
          >
            ${icon("close")}
          </button>
        </div>`,
      dialog,
    );
  };
  draw();
  dialog.addEventListener("click", closeOnBackdrop);
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowRight") step(1);
    if (event.key === "ArrowLeft") step(-1);
  });
  dialog.addEventListener("close", () => dialog.remove());
  (from.closest(".app") ?? from).append(dialog);
  dialog.showModal();
}
