/** Whether replies are told by a notification; which and how is in `web-notifications.ts`, fetched when it was asked for. */
import type { ChatEvent } from "../../protocol/types.js";

import type { Ui } from "../base/ui-context.js";

export class Notices {
  private on = false;
  private stopLooking: (() => void) | null = null;

  /** Follow the setting. */
  set(on: boolean): void {
    if (on === this.on) return;
    this.on = on;
    this.stopLooking?.();
    this.stopLooking = null;
    if (on)
      void import("./web-notifications.js").then(({ watchLooking }) => {
        if (this.on) this.stopLooking ??= watchLooking();
      });
  }

  replied(ui: Ui, event: ChatEvent): void {
    if (this.on && document.hidden) void import("./web-notifications.js").then(({ tell }) => tell(ui, event));
  }
}
