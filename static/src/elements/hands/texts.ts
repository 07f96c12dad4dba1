/** The texts of this folder, and how its small elements come to be known: with the lazy part that draws them. */
import { addTexts } from "../../i18n/index.js";
import en from "../../i18n/hands.en.json";
import ko from "../../i18n/hands.ko.json";

/** To be called by each lazy part, before anything of it is drawn. */
export function addHandsTexts(): void {
  addTexts({ en, ko });
}

/** Safe to call again, also from a second copy of this module: the first definition stays. */
export function defineParts(parts: Readonly<Record<string, CustomElementConstructor>>): void {
  addHandsTexts();
  for (const [name, element] of Object.entries(parts)) {
    if (!customElements.get(name)) customElements.define(name, element);
  }
}
