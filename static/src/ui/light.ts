/** A part of the chat: draws into the light DOM, so that all parts share one shadow root, its styles and its ids. */
import { LitElement } from "lit";
import type { CSSResult } from "lit";

export abstract class LightElement extends LitElement {
  /** Styles of a lazy part: the root around it takes them over when the first such part is put into it. */
  static sheet: CSSResult | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    const sheet = (this.constructor as typeof LightElement).sheet?.styleSheet;
    const root = this.getRootNode();
    if (sheet && root instanceof ShadowRoot && !root.adoptedStyleSheets.includes(sheet)) {
      root.adoptedStyleSheets.push(sheet);
    }
  }

  protected override createRenderRoot(): this {
    return this;
  }
}
