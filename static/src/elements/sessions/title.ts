/** Titles of sessions, as every list, menu and notification shows them. The terminal and the magics have the same rule
 * in `client/session_title.py`; one table of cases tests both. */
import type { Translate } from "../../i18n/index.js";
import type { SessionEntry } from "../../protocol/types.js";

/** What a title is made of: a row of the list, or a hit of the search. */
type Named = Pick<SessionEntry, "label" | "displayName" | "derivedTitle">;

/** The title of a session: the name it was given, for the main one its own, else a summary of its beginning. */
export function titleOf(entry: Named | undefined, key: string, mainKey: string, t: Translate): string {
  if (entry?.label) return entry.label;
  if (entry?.displayName) return entry.displayName;
  if (key === mainKey) return t("sessions.main");
  if (entry?.derivedTitle) return entry.derivedTitle;
  return t("sessions.untitled");
}
