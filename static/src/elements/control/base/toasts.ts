/** The notes of the tabs: one that takes something back stays beside a later one in the same words. */
import { Toasts } from "../../chat/toasts.js";
import type { Toast } from "../../base/ui-context.js";

const MOST = 4;

export class ControlToasts extends Toasts {
  override add(toast: Toast): void {
    const kept = this.list.filter((each) => each.action && each.text === toast.text);
    super.add(toast);
    this.list = [...kept, ...this.list].slice(-MOST);
  }
}
