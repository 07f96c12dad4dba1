/** Titles of sessions, as every list, menu and notification shows them. */
import type { Translate } from "../../i18n/index.js";
import type { SessionEntry } from "../../protocol/types.js";

/** The title of a session: the name it was given, else a summary of its beginning. */
export function titleOf(entry: SessionEntry | undefined, key: string, mainKey: string, t: Translate): string {
  if (entry?.label) return entry.label;
  if (key === mainKey) return t("sessions.main");
  return entry?.derivedTitle ?? t("sessions.untitled");
}
