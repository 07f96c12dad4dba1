/** What a person does with a session from its menu, and the notes that take it back. */
import type { SessionChangedEvent } from "../core/protocol.js";
import { canonicalKey, entryOf } from "../core/state.js";

import { sessionNote } from "./chat-news.js";
import type { Toast, Ui } from "./context.js";
import { titleOf } from "./sidebar.js";

export type SessionAction =
  | "rename"
  | "pin"
  | "unpin"
  | "duplicate"
  | "options"
  | "export"
  | "earlier"
  | "reset"
  | "clear"
  | "archive"
  | "unarchive"
  | "remove";

/** How long something can be taken back, in milliseconds: as long as the gateway keeps it. */
const UNDO_MS = 10_000;

export class SessionActions {
  /** Changes that began on this page: their undo is offered here, even when the session is not on show. */
  private readonly own = new Set<string>();

  constructor(private readonly ui: () => Ui | null) {}

  run(action: SessionAction, key: string): void {
    const ui = this.ui();
    if (!ui) return;
    const { controller, attempt } = ui;
    const { acts, state } = controller;
    const title = titleOf(entryOf(state, key), key, state.mainKey, ui.t);
    const dialogs = (): ReturnType<typeof ui.part<"clawdbot-session-dialogs">> => ui.part("clawdbot-session-dialogs");
    if (action === "pin") void attempt(acts.change(key, { pinned: true }));
    if (action === "unpin") void attempt(acts.change(key, { pinned: null }));
    if (action === "unarchive") void attempt(acts.change(key, { archived: null }));
    if (action === "reset") void attempt(acts.reset(key));
    if (action === "clear") this.clear(ui, key);
    if (action === "archive") void this.archive(ui, key);
    if (action === "remove") void this.remove(ui, key);
    if (action === "duplicate") void this.duplicate(ui, key, title);
    if (action === "options") void dialogs().then((part) => part?.showOptions(key, title));
    if (action === "earlier") void dialogs().then((part) => part?.showEarlier(key, title));
    if (action === "export") void dialogs().then((part) => part?.chooseExport(key, title));
  }

  /** The note about a change of a session, if it concerns the reader. */
  note(event: SessionChangedEvent): Toast | null {
    const ui = this.ui();
    if (!ui) return null;
    const own = this.own.delete(`${event.reason} ${event.key}`);
    if (own && event.reason === "deleted") return null; // told when the gateway has said until when it can be undone
    const undo = (): void => void ui.attempt(ui.controller.acts.undoClear(event.key));
    return sessionNote(ui.t, event, own || event.key === ui.controller.state.current, undo);
  }

  private clear(ui: Ui, key: string): void {
    this.own.add(`cleared ${canonicalKey(key, ui.controller.state.mainKey)}`);
    void ui.attempt(ui.controller.acts.clear(key));
  }

  private async archive(ui: Ui, key: string): Promise<void> {
    if (!(await ui.attempt(ui.controller.acts.change(key, { archived: true })))) return;
    const back = (): void => void ui.attempt(ui.controller.acts.change(key, { archived: null }));
    ui.toast({ text: ui.t("archived.done"), lasts: UNDO_MS, action: { label: ui.t("action.undo"), run: back } });
  }

  private async remove(ui: Ui, key: string): Promise<void> {
    const { controller, t } = ui;
    const shown = controller.state.current === key;
    this.own.add(`deleted ${key}`);
    const removing = controller.acts.remove(key);
    if (!(await ui.attempt(removing))) {
      this.own.delete(`deleted ${key}`);
      return;
    }
    const { undoUntil } = await removing;
    const back = async (): Promise<void> => {
      if ((await ui.attempt(controller.acts.undoRemove(key))) && shown) controller.select(key);
    };
    const action = undoUntil === undefined ? {} : { action: { label: t("action.undo"), run: () => void back() } };
    ui.toast({ text: t("remove.done"), lasts: UNDO_MS, ...action });
  }

  private async duplicate(ui: Ui, key: string, title: string): Promise<void> {
    const made = ui.controller.acts.fork(key, ui.t("duplicate.title", { title }).slice(0, 200));
    if (await ui.attempt(made)) ui.controller.select(await made);
  }
}
