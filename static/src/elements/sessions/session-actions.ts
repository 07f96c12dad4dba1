/** What a person does with a session from its menu. Fetched with the first such act. */
import * as acts from "../../state/session-commands.js";
import { fork } from "../../state/session-files.js";
import { canonicalKey, entryOf } from "../../state/state.js";
import { addTexts } from "../../i18n/index.js";
import en from "../../i18n/menus.en.json";
import ko from "../../i18n/menus.ko.json";

import type { Ui } from "../base/ui-context.js";
import { titleOf } from "./title.js";

addTexts({ en, ko });

export type SessionAction =
  | "rename"
  | "pin"
  | "unpin"
  | "duplicate"
  | "options"
  | "export"
  | "earlier"
  | "changes"
  | "reset"
  | "clear"
  | "archive"
  | "unarchive"
  | "remove";

/** How long something can be taken back, in milliseconds: as long as the gateway keeps it. */
const UNDO_MS = 10_000;

/** @param own changes that begin here are put in, as `<reason> <key>`: see `SessionNews` */
export function runAction(ui: Ui, own: Set<string>, action: SessionAction, key: string): void {
  const { controller, attempt } = ui;
  const { client, state } = controller;
  const title = titleOf(entryOf(state, key), key, state.mainKey, ui.t);
  const dialogs = (): ReturnType<typeof ui.part<"clawdbot-session-dialogs">> => ui.part("clawdbot-session-dialogs");
  if (action === "pin") void attempt(acts.changeSession(client, key, { pinned: true }));
  if (action === "unpin") void attempt(acts.changeSession(client, key, { pinned: null }));
  if (action === "unarchive") void attempt(acts.changeSession(client, key, { archived: null }));
  if (action === "reset") void attempt(acts.reset(client, key));
  if (action === "clear") clear(ui, own, key);
  if (action === "archive") void archive(ui, key);
  if (action === "remove") void remove(ui, own, key);
  if (action === "duplicate") void duplicate(ui, key, title);
  if (action === "options") void dialogs().then((part) => part?.showOptions(key, title));
  if (action === "earlier") void dialogs().then((part) => part?.showEarlier(key, title));
  if (action === "changes") void ui.part("clawdbot-change-list").then((part) => part?.open(key, title));
  if (action === "export") void dialogs().then((part) => part?.chooseExport(key, title));
}

function clear(ui: Ui, own: Set<string>, key: string): void {
  own.add(`cleared ${canonicalKey(key, ui.controller.state.mainKey)}`);
  void ui.attempt(acts.clear(ui.controller.client, key));
}

async function archive(ui: Ui, key: string): Promise<void> {
  if (!(await ui.attempt(acts.changeSession(ui.controller.client, key, { archived: true })))) return;
  const back = (): void => void ui.attempt(acts.changeSession(ui.controller.client, key, { archived: null }));
  ui.toast({ text: ui.t("archived.done"), lasts: UNDO_MS, action: { label: ui.t("action.undo"), run: back } });
}

async function remove(ui: Ui, own: Set<string>, key: string): Promise<void> {
  const { controller, t } = ui;
  const shown = controller.state.current === key;
  own.add(`deleted ${key}`);
  const removing = acts.remove(controller.client, key);
  if (!(await ui.attempt(removing))) {
    own.delete(`deleted ${key}`);
    return;
  }
  const { undoUntil } = await removing;
  const back = async (): Promise<void> => {
    if ((await ui.attempt(acts.undoRemove(controller.client, key))) && shown) controller.select(key);
  };
  const action = undoUntil === undefined ? {} : { action: { label: t("action.undo"), run: () => void back() } };
  ui.toast({ text: t("remove.done"), lasts: UNDO_MS, ...action });
}

async function duplicate(ui: Ui, key: string, title: string): Promise<void> {
  const made = fork(ui.controller.client, key, ui.t("duplicate.title", { title }).slice(0, 200));
  if (await ui.attempt(made)) ui.controller.select(await made);
}
