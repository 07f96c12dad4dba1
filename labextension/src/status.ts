/** The item of the status bar: the state of the gateway, of the answer and of questions. */
import { Widget } from "@lumino/widgets";
import type { ChatStatus } from "./embed.js";
import type { Text } from "./texts.js";

export class StatusItem extends Widget {
  private readonly button = document.createElement("button");

  constructor(
    private readonly text: Text,
    open: () => void,
  ) {
    super();
    this.addClass("clawdbot-StatusItem");
    this.button.type = "button";
    this.button.textContent = "Clawdbot";
    this.button.title = text("Open Clawdbot");
    this.button.addEventListener("click", open);
    this.node.append(this.button);
  }

  tell({ status }: ChatStatus): void {
    const said = {
      idle: "Clawdbot: ready",
      answering: "Clawdbot: answering…",
      "needs-you": "Clawdbot: waiting for your decision",
      offline: "Clawdbot: not connected",
      login: "Clawdbot: log in",
    }[status];
    const quiet = status === "idle" ? "Clawdbot" : status === "answering" ? "Clawdbot …" : "";
    this.button.textContent = quiet || this.text(said);
    this.button.title = this.text(said);
    this.button.dataset.status = status;
    this.button.setAttribute("aria-label", this.text(said));
  }
}
