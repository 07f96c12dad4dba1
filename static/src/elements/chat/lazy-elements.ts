/** The lazy parts of one chat that are in no template: made when they are first wanted, and kept up to date. */
import { loadElement } from "../base/lazy.js";
import type { LazyTag } from "../base/lazy.js";

import type { Ui } from "../base/ui-context.js";
import type { LightElement } from "../base/light-element.js";

/** Where a part belongs that is no dialog: into the landmark that its button is in. */
const HOMES: Partial<Record<LazyTag, string>> = {
  "clawdbot-session-menu": "clawdbot-sidebar",
  "clawdbot-model-menu": "main",
};

export class LazyElements {
  private readonly made = new Set<LightElement & { ui: Ui | null }>();

  /** @param root where the chat draws; a `.parts` in it takes the dialogs */
  constructor(
    private readonly root: () => ParentNode,
    private readonly ui: () => Ui | null,
  ) {}

  /** The part, awake and drawn; `null` when it could not be fetched. One that stands in a template is found there. */
  async get<K extends LazyTag>(name: K): Promise<HTMLElementTagNameMap[K] | null> {
    if (!(await loadElement(name))) return null;
    const known: Element | null = this.root().querySelector(name);
    const part = (known ?? document.createElement(name)) as unknown as LightElement & { ui: Ui | null };
    if (!known) {
      part.ui = this.ui();
      this.root()
        .querySelector(HOMES[name] ?? ".parts")
        ?.append(part);
      this.made.add(part);
    }
    await part.updateComplete;
    return part as unknown as HTMLElementTagNameMap[K];
  }

  /** What is known has changed: they look at it again. */
  update(): void {
    for (const part of this.made) {
      part.ui = this.ui();
      part.requestUpdate();
    }
  }
}
