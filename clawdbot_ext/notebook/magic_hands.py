"""``%clawdbot mode`` and ``%clawdbot undo``, and the line about a change: texts for a cell's output."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..client.approvals import MODES, same_session
from ..escapes import one_line
from .magic_errors import ClawdbotError, UsageProblem
from .magic_line import near

if TYPE_CHECKING:
    from ..client.sync import SyncClient

Texts = Callable[..., str]


def session_mode(client: SyncClient, session: str, line: str, t: Texts, hands: Texts) -> str:
    """Show or set the permission mode of a session: ``""``, ``edits``, ``notebook PATH``.

    ``t`` has the texts of ``locale/notebook``, ``hands`` those of ``locale/hands``. Raises ``UsageProblem``.
    """
    mode, _, notebook = line.partition(" ")
    known = next((each for each in MODES if each == mode), None)
    if mode and known is None:
        raise UsageProblem(t("unknownMode", word=mode, known=", ".join(MODES)) + near(mode, MODES, t))
    if known is not None:
        found = client.approvals.set_mode(known, session_key=session, notebook=notebook.strip())
    else:
        rows = client.request("sessions.list", {"search": session})["sessions"]
        found = next((row.get("hands") or {} for row in rows if same_session(str(row["key"]), session)), {})
    now = str(found.get("mode") or "ask")
    return hands("mode.now", mode=f"`{now}`: {hands(f'mode.{now}.help')}" if now in MODES else one_line(now))


def undone(client: SyncClient, session: str, words: Sequence[str], hands: Texts) -> str:
    """Take back the newest change of a session that stands, or the one whose id is given; with ``force`` also where
    the cell was changed since.

    Raises:
        UsageProblem: there is none. ClawdbotError: a cell was left as it is.
    """
    begun = next((word for word in words if word != "force"), "")
    found = [each for each in client.changes.list(session_key=session) if each.state != "undone"]
    change = next((each for each in found if each.id.startswith(begun)), None)
    if change is None:
        raise UsageProblem(hands("changes.none"))
    result = client.changes.undo(change.id, force="force" in words)
    if result.problems:
        cells = [hands("changes.problem", cell=one_line(each.cell)) for each in result.problems]
        command = f"`%clawdbot undo {change.id[:8]} force`"
        raise ClawdbotError("\n".join([*cells, hands("changes.force", command=command)]))
    path = one_line(change.path)
    what = (
        hands("changes.cells", count=len(change.cells), path=path) if change.cells else hands("changes.file", path=path)
    )
    return hands("changes.undone", what=what)


def change_line(facts: Mapping[str, Any], t: Texts) -> str:
    """The line about a change that a tool has made; empty for other events of a tool."""
    details = facts.get("details")
    if not isinstance(details, Mapping) or not details.get("changeId"):
        return ""
    return t("changed", count=int(details.get("cells") or 0), path=one_line(str(details.get("path") or "")))
