"""``hands.*``: the assistant's work in notebooks and files: permissions given for good, changes made, and their undo.

All of it is ours. Questions for permission are in ``approvals``, the commands of notebook nodes in ``docs/design``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, get_args

from msgspec import UNSET, Meta, UnsetType

from .base import (
    CAP_SESSION_EVENTS,
    SCOPE_APPROVALS,
    SCOPE_READ,
    SCOPE_WRITE,
    Event,
    Key,
    Method,
    NoParams,
    OkResult,
    Params,
    Result,
    Rows,
)
from .devices import Id

HandsMode = Literal["chat", "read", "plan", "ask", "edits", "notebook", "unattended"]
HANDS_MODES: tuple[str, ...] = get_args(HandsMode)
"""From the least to the most that is done without a question."""
GrantScope = Literal["once", "cell", "notebook", "always"]
ChangeState = Literal["applied", "kept", "undone"]
Path = Annotated[str, Meta(min_length=1, max_length=4096)]


class Grant(Result):
    """A permission that a person gave for more than one call."""

    id: str
    tool: str
    scope: GrantScope
    by: str
    created_at_ms: int
    used_at_ms: int
    """0: not used yet."""
    path: str | UnsetType = UNSET
    """The notebook or file; of `always` a pattern with `*` and `?`."""
    cell: str | UnsetType = UNSET
    session_key: str | UnsetType = UNSET
    """The session that it is for; absent: every one."""


class GrantsListResult(Result):
    grants: Sequence[Grant]


class GrantIdParams(Params):
    id: Id


class GrantsChangedEvent(Result):
    grants: Sequence[Grant]


class ChangesListParams(Params):
    session_key: Key | None = None
    path: Path | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] | None = None
    """50 if absent; newest first."""


class CellChange(Result):
    """One operation of a batch. `before` and `after` have `source`, `type` and `index`; a deleted cell's `before` also
    `metadata`, `outputs` and `executionCount`. `null`: the cell was not there."""

    op: str
    cell: str
    index: int
    type: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


class FileChange(Result):
    """A file that was written: its text before (`null`: it was not there) and after."""

    before: str | None
    after: str | None
    hash: str | UnsetType = UNSET
    """Of the file as it was left."""


class Change(Result):
    """One batch that was applied: one card, one undo."""

    id: str
    session_key: str
    run_id: str
    tool_call_id: str
    path: str
    created_at_ms: int
    by: str
    """The person who allowed it, or the mode or permission that did."""
    state: ChangeState
    cells: Sequence[CellChange]
    file: FileChange | UnsetType = UNSET
    created: bool | UnsetType = UNSET
    """Whether it made the notebook; its undo deletes it."""
    server: str | UnsetType = UNSET
    """`instanceId` of the node of the Jupyter server that has the document."""


class ChangesListResult(Result):
    changes: Sequence[Change]


class ChangeIdParams(Params):
    id: Id


class ChangesUndoParams(Params):
    id: Id
    force: bool | None = None
    """Also where the cell was changed since."""
    cells: Annotated[Sequence[Id], Meta(max_length=1000)] | None = None
    """Only these cells; all if absent."""


class UndoProblem(Result):
    """A cell that was left as it is, because it is no longer as the assistant left it."""

    cell: str
    now: str | None
    """Its present source; `null`: it is not there any more."""
    before: str | None
    after: str | None


class ChangesUndoResult(Result):
    state: ChangeState
    problems: Sequence[UndoProblem]


class ChangesChangedEvent(Result):
    change: Change


ROWS: Rows = (
    Method("hands.grants.list", NoParams, GrantsListResult, SCOPE_APPROVALS, "Permissions given for good.", ours=True),
    Method("hands.grants.revoke", GrantIdParams, OkResult, SCOPE_APPROVALS, "Take a permission back.", ours=True),
    Method(
        "hands.changes.list",
        ChangesListParams,
        ChangesListResult,
        SCOPE_READ,
        "What the assistant changed in notebooks and files.",
        ours=True,
    ),
    Method(
        "hands.changes.undo",
        ChangesUndoParams,
        ChangesUndoResult,
        SCOPE_WRITE,
        "Put back what one change replaced; a cell changed since is left alone unless `force`.",
        ours=True,
    ),
    Method("hands.changes.keep", ChangeIdParams, OkResult, SCOPE_WRITE, "Accept a change for good.", ours=True),
    Event(
        "hands.grants.changed",
        GrantsChangedEvent,
        "A permission was given or taken back.",
        ours=True,
        scope=SCOPE_APPROVALS,
    ),
    Event(
        "hands.changes.changed",
        ChangesChangedEvent,
        "The assistant changed something, or a change was kept or undone.",
        CAP_SESSION_EVENTS,
        ours=True,
    ),
)
