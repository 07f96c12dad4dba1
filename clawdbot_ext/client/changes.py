"""Changes that the assistant made in notebooks and files, and their undo: ``GatewayClient.changes``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .approvals import CellEdit, cell_edit
from .errors import MALFORMED, NotUnderstood, reading
from .interface import ConnectedClient

ChangeState = Literal["applied", "kept", "undone"]


@dataclass(frozen=True)
class FileEdit:
    """A file that was written; ``before`` is ``None`` for a new one."""

    before: str | None
    after: str


@dataclass(frozen=True)
class Change:
    """One batch that was applied: one question, one undo."""

    id: str
    session_key: str
    run_id: str
    tool_call_id: str
    path: str
    created_at_ms: int
    by: str
    """The person who allowed it, or the mode or permission that did."""
    state: ChangeState
    cells: tuple[CellEdit, ...] = ()
    file: FileEdit | None = None

    @classmethod
    def from_wire(cls, row: Mapping[str, Any]) -> Change:
        """Raises ``NotUnderstood`` for a row that is no change."""
        try:
            file = row.get("file")
            return cls(
                id=str(row["id"]),
                session_key=str(row.get("sessionKey") or ""),
                run_id=str(row.get("runId") or ""),
                tool_call_id=str(row.get("toolCallId") or ""),
                path=str(row.get("path") or ""),
                created_at_ms=int(row.get("createdAtMs") or 0),
                by=str(row.get("by") or ""),
                state=row["state"],
                cells=tuple(cell_edit(each) for each in row.get("cells") or ()),
                file=FileEdit(file.get("before"), str(file.get("after") or "")) if file else None,
            )
        except MALFORMED as exc:
            raise NotUnderstood(f"a change: {type(exc).__name__}") from exc


@dataclass(frozen=True)
class UndoProblem:
    """A cell that was left as it is, because it was changed after the assistant's edit. ``None``: it is not there."""

    cell: str
    now: str | None
    before: str | None
    after: str | None


@dataclass(frozen=True)
class UndoResult:
    """``state`` of the change after the undo, and the cells that were left."""

    state: ChangeState
    problems: tuple[UndoProblem, ...]


class Changes:
    """The changes that a gateway knows of. All methods raise as ``GatewayClient.request``."""

    def __init__(self, client: ConnectedClient):
        self._client = client

    async def list(self, *, session_key: str = "", path: str = "", limit: int | None = None) -> Sequence[Change]:
        """Newest first; of one session, of one notebook or file."""
        wishes = {"sessionKey": session_key, "path": path, "limit": limit}
        rows = await self._client.request(
            "hands.changes.list", {name: value for name, value in wishes.items() if value}
        )
        with reading("changes"):
            return [Change.from_wire(row) for row in rows["changes"]]

    async def undo(self, change_id: str, *, force: bool = False, cells: Sequence[str] | None = None) -> UndoResult:
        """Put back what a change replaced.

        Args:
            force: also where the cell was changed since.
            cells: ids of the cells that are put back; ``None``: all.
        """
        params: dict[str, Any] = {"id": change_id}
        if force:
            params["force"] = True
        if cells is not None:
            params["cells"] = list(cells)
        answer = await self._client.request("hands.changes.undo", params)
        with reading("an undo"):
            problems = [
                UndoProblem(str(each["cell"]), each.get("now"), each.get("before"), each.get("after"))
                for each in answer.get("problems") or ()
            ]
            return UndoResult(answer["state"], tuple(problems))

    async def keep(self, change_id: str) -> None:
        """Accept a change for good."""
        await self._client.request("hands.changes.keep", {"id": change_id})
