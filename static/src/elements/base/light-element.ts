/** A part of the chat: draws into the light DOM, so that all parts share one shadow root, its styles and its ids. */
import { LitElement } from "lit";
import type { CSSResult } from "lit";

/** Let the root around an element take over the styles of a lazy part. */
export function adopt(element: Element, sheets: CSSResult | readonly CSSResult[]): void {
  const root = element.getRootNode();
  if (!(root instanceof ShadowRoot)) return;
  for (const { styleSheet } of [sheets].flat())
    if (styleSheet && !root.adoptedStyleSheets.includes(styleSheet)) root.adoptedStyleSheets.push(styleSheet);
}

export abstract class LightElement extends LitElement {
  /** Styles of a lazy part: taken over when the first such part is put into the root. */
  static sheet: CSSResult | readonly CSSResult[] = [];

  override connectedCallback(): void {
    super.connectedCallback();
    adopt(this, (this.constructor as typeof LightElement).sheet);
  }

  protected override createRenderRoot(): this {
    return this;
  }
}
