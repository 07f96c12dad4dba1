/** Decides which replies are told by a notification; how is in `notify.ts`, which is fetched when it was asked for. */
import type { ChatEvent } from "../../protocol/types.js";
import { entryOf } from "../../state/state.js";

import type { Ui } from "../base/ui-context.js";
import { titleOf } from "../sessions/title.js";

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

  replied({ t, controller }: Ui, event: ChatEvent): void {
    if (!this.on || !document.hidden || event.state === "aborted" || event.message?.command) return;
    const { state } = controller;
    const key = event.sessionKey;
    const title = titleOf(entryOf(state, key), key, state.mainKey, t);
    const text = event.state === "error" ? t("notify.failed") : t("notify.answered");
    void import("./web-notifications.js").then(({ notify }) =>
      notify(event.runId, title, text, () => controller.select(key)),
    );
  }
}
