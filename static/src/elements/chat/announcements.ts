/** What the chat says by itself: notes about sessions and failed sends, and words for a screen reader. */
import type { RequestRefused } from "../../client/gateway-client.js";
import { textOf } from "../../state/messages.js";
import type { ChatEvent, SessionChangedEvent } from "../../protocol/types.js";
import { currentView, entryOf } from "../../state/state.js";
import type { State } from "../../state/state.js";
import type { Translate } from "../../i18n/index.js";

import type { Toast, Ui } from "../base/ui-context.js";
import { titleOf } from "../sessions/title.js";

/** What a page may show in its title. */
export interface ChatStatus {
  title: string;
  status: "idle" | "answering" | "needs-you" | "offline" | "login";
  locale: string;
  /** The gateway's own server gave the page, not another Jupyter server. */
  standalone: boolean;
}

export function statusOf({ t, locale }: Ui, state: State, login: boolean, standalone: boolean): ChatStatus {
  const title = titleOf(entryOf(state, state.current), state.current, state.mainKey, t);
  const { connection } = state;
  const away = connection.status === "waiting" || (connection.status === "connecting" && connection.attempt > 0);
  const now = state.approvals.length > 0 ? "needs-you" : currentView(state).live ? "answering" : "idle";
  const status = login ? "login" : away ? "offline" : now;
  return { title, status, locale, standalone };
}

const UNDO_MS = 10_000;

/** The note about a change of a session, if it concerns the reader. `undo` takes a clear back. */
function sessionNote(t: Translate, event: SessionChangedEvent, concerned: boolean, undo: () => void): Toast | null {
  if (event.reason === "deleted") return { text: t("remove.done") };
  if (!concerned) return null;
  if (event.reason === "reset") return { text: t("reset.done") };
  if (event.reason !== "cleared") return null;
  return { text: t("clear.done"), lasts: UNDO_MS, action: { label: t("action.undo"), run: undo } };
}

/** The answer of a command that is not kept in the transcript. */
export function commandNote(event: ChatEvent): Toast | null {
  const { message } = event;
  const stored = (message as { seq?: number } | undefined)?.seq !== undefined;
  return message?.command && !stored ? { text: textOf(message) } : null;
}

export function sendFailedNote(t: Translate, error: RequestRefused): Toast {
  const text = error.reason === "QUEUE_FULL" ? t("send.queueFull") : t("send.failed", { reason: error.message });
  return { text, kind: "error", lasts: 8_000 };
}

/** That an answer began or how it ended; never its words as they come. `null`: nothing new; empty: no longer true. */
export function spoken(t: Translate, before: State, state: State): string | null {
  if (before.current !== state.current) return "";
  const was = currentView(before).live;
  const view = currentView(state);
  if (!was) return view.live ? t("status.answering") : null;
  if (view.live?.runId === was.runId) return null;
  const reply = view.messages.findLast((message) => message.runId === was.runId && message.role === "assistant");
  if (!reply || reply.stopReason === "aborted") return t("end.stopped");
  return t(reply.stopReason === "error" || reply.stopReason === "interrupted" ? "status.failed" : "status.answered");
}

/** Tells about changes of sessions, and offers to take back those that began on this page, wherever the reader is. */
export class SessionNews {
  /** `<reason> <key>` of each. */
  readonly own = new Set<string>();

  note({ t, controller, attempt }: Ui, event: SessionChangedEvent): Toast | null {
    const own = this.own.delete(`${event.reason} ${event.key}`);
    if (own && event.reason === "deleted") return null; // told when the gateway has said until when it can be undone
    const undo = (): void =>
      void attempt(
        import("../../state/session-commands.js").then((acts) => acts.undoClear(controller.client, event.key)),
      );
    return sessionNote(t, event, own || event.key === controller.state.current, undo);
  }
}
