/** The texts of the choices in the tab of sessions. */
import type { TextKey } from "../../i18n/index.js";
import type { Choices } from "./sessions-list.js";

export const KIND_TEXTS: Readonly<Record<Choices["kind"], TextKey>> = {
  "": "sessionsTab.kind.all",
  main: "sessionsTab.kind.main",
  chat: "sessionsTab.kind.chat",
  named: "sessionsTab.kind.named",
  imported: "sessionsTab.kind.imported",
  temporary: "sessionsTab.kind.temporary",
};
export const AGE_TEXTS: Readonly<Record<Choices["age"], TextKey>> = {
  "": "sessionsTab.age.all",
  "1": "sessionsTab.age.1",
  "7": "sessionsTab.age.7",
  "30": "sessionsTab.age.30",
  "-30": "sessionsTab.age.-30",
  "-90": "sessionsTab.age.-90",
};
export const ARCHIVED_TEXTS: Readonly<Record<Choices["archived"], TextKey>> = {
  without: "sessionsTab.archived.without",
  with: "sessionsTab.archived.with",
  only: "sessionsTab.archived.only",
};
export const FILTER_TEXTS = {
  kind: "sessionsTab.kind",
  age: "sessionsTab.age",
  archived: "sessionsTab.archived",
} as const;

export type Action = "archive" | "unarchive" | "delete" | "undelete";

/** What the button of each action says, and the note when it is done. */
export const ACTION_TEXTS: Readonly<Record<Action, { label: TextKey; done: TextKey }>> = {
  archive: { label: "sessionsTab.archive", done: "sessionsTab.archivedNow" },
  unarchive: { label: "sessionsTab.unarchive", done: "sessionsTab.unarchivedNow" },
  delete: { label: "sessionsTab.delete", done: "sessionsTab.deleted" },
  undelete: { label: "sessionsTab.undo", done: "sessionsTab.unarchivedNow" },
};
