/** Short notes above the composer. One with an action stays long enough to use it. */
import { html, nothing } from "lit";
import type { TemplateResult } from "lit";

import type { Toast } from "../base/ui-context.js";
import { icon } from "../base/icons.js";

export interface ShownToast extends Toast {
  id: number;
}

const LASTS_MS = 5_000;

export class Toasts {
  list: readonly ShownToast[] = [];
  private nextId = 1;
  private readonly timers = new Map<number, ReturnType<typeof setTimeout>>();

  constructor(private readonly onChange: () => void) {}

  add(toast: Toast): void {
    const id = this.nextId++;
    this.list = [...this.list.filter((each) => each.text !== toast.text), { ...toast, id }].slice(-3);
    this.timers.set(
      id,
      setTimeout(() => this.remove(id), toast.lasts ?? LASTS_MS),
    );
    this.onChange();
  }

  remove(id: number): void {
    clearTimeout(this.timers.get(id));
    this.timers.delete(id);
    this.list = this.list.filter((toast) => toast.id !== id);
    this.onChange();
  }

  stop(): void {
    for (const timer of this.timers.values()) clearTimeout(timer);
    this.timers.clear();
    this.list = [];
  }

  render(closeLabel: string): TemplateResult {
    return html`<div class="toasts" role="status" aria-live="polite">
      ${this.list.map(
        (toast) =>
          html`<div class="toast" data-kind=${toast.kind ?? "info"}>
            <span>${toast.text}</span>
            ${
              toast.action
                ? html`<button
                    type="button"
                    class="link"
                    @click=${() => {
                      this.remove(toast.id);
                      toast.action?.run();
                    }}
                  >
                    ${toast.action.label}
                  </button>`
                : nothing
            }
            <button
              type="button"
              class="icon-button small"
              aria-label=${closeLabel}
              @click=${() => this.remove(toast.id)}
            >
              ${icon("close")}
            </button>
          </div>`,
      )}
    </div>`;
  }
}
