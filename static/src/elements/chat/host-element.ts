/** What a home around the chat (a notebook, a side panel) gives to the element and asks of it. */
import { LitElement } from "lit";
import type { PropertyDeclarations } from "lit";

import type { Controller } from "../../state/controller.js";
import type { CodeActions, ComposeOptions, ContextSource } from "../../state/host.js";

/** How long a caller waits for the chat to be there. */
const READY_MS = 5_000;

export abstract class HostedElement extends LitElement {
  static override properties: PropertyDeclarations = {
    contexts: { attribute: false },
    codeActions: { attribute: false },
  };

  declare contexts: readonly ContextSource[];
  declare codeActions: CodeActions | null;

  protected abstract controller: Controller | null;

  constructor() {
    super();
    this.contexts = [];
    this.codeActions = null;
  }

  /**
   * Put a text into the composer. With `send` it goes at once, and leaves a draft that is there as it is; `contexts` go along. False
   * while there is no composer, because a login is needed.
   */
  async compose(text: string, { send = false, contexts = [] }: ComposeOptions = {}): Promise<boolean> {
    const composer = await this.composer();
    await composer?.at((actions) => actions.compose(text, send, contexts));
    return composer !== null;
  }

  /** Files go with the next message, as if they had been dropped here. */
  async attach(files: readonly File[]): Promise<void> {
    await (await this.composer())?.at((desk) => desk.attach(files));
  }

  /** Something goes with the next message, besides what is switched on. */
  async addContext(source: ContextSource): Promise<void> {
    const composer = await this.composer();
    await composer?.at(async (actions) => (await actions.switches())?.add(source));
    composer?.focus();
  }

  async focusComposer(): Promise<void> {
    (await this.composer())?.focus();
  }

  newSession(): void {
    void this.controller?.newSession();
  }

  /** The composer, as soon as there is one; `null` while a login is needed. */
  private async composer(): Promise<HTMLElementTagNameMap["clawdbot-composer"] | null> {
    await this.updateComplete;
    const end = Date.now() + READY_MS;
    for (;;) {
      const composer = this.renderRoot.querySelector("clawdbot-composer");
      await composer?.updateComplete;
      if (composer ?? Date.now() > end) return composer;
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
  }
}
