/** A part of the chat: draws into the light DOM, so that all parts share one shadow root, its styles and its ids. */
import { LitElement } from "lit";

export abstract class LightElement extends LitElement {
  protected override createRenderRoot(): this {
    return this;
  }
}
