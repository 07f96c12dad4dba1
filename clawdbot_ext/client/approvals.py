"""Questions that wait for a person, typed; the decision on one; and the permissions that were given for good.

``GatewayClient.approvals`` is an ``Approvals``: lists questions, decides them, lists and revokes grants, sets the mode
of a session. ``decided_by`` has a callback decide the questions of one reply.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from ..protocol.errors import NotFound
from ..protocol.keys import short_key
from .errors import MALFORMED, Closed, ConnectionLost, NotUnderstood, reading
from .interface import ConnectedClient
from .reply import Chunk, Notice, ReplyEnd

Scope = Literal["once", "cell", "notebook", "always"]
Mode = Literal["chat", "read", "plan", "ask", "edits", "notebook", "unattended"]
MODES: tuple[Mode, ...] = ("chat", "read", "plan", "ask", "edits", "notebook", "unattended")
"""From the least to the most that the assistant does without a question."""
OLD_CHOICES: tuple[Scope, ...] = ("once", "always")
"""Scopes of a question that names none: one of a tool or a program that knows of no notebooks."""


@dataclass(frozen=True)
class CellEdit:
    """One operation on a notebook: ``op`` is insert, replace, move, delete, type or clear. ``None``: no cell there."""

    op: str
    cell: str
    index: int
    type: str
    before: str | None
    after: str | None
    stale_after: tuple[str, ...] = ()
    """Ids of the cells whose outputs no longer fit after it."""


@dataclass(frozen=True)
class EditPreview:
    path: str
    cells: tuple[CellEdit, ...]


@dataclass(frozen=True)
class CellSource:
    cell: str
    index: int
    source: str


@dataclass(frozen=True)
class RunPreview:
    path: str
    cells: tuple[CellSource, ...]
    kernel: str


@dataclass(frozen=True)
class CodePreview:
    code: str
    path: str = ""
    kernel: str = ""


@dataclass(frozen=True)
class FilePreview:
    """A file that is written; ``before`` is ``None`` for a new one."""

    path: str
    before: str | None
    after: str


@dataclass(frozen=True)
class Operation:
    """One call of a plan, with everything that it is called with."""

    title: str
    tool: str
    arguments: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The arguments as text: nothing that the yes is for is left out."""
        return json.dumps(self.arguments, ensure_ascii=False, indent=2)


@dataclass(frozen=True)
class PlanPreview:
    """Operations that one yes allows, each once and exactly so."""

    operations: tuple[Operation, ...]


Preview = EditPreview | RunPreview | CodePreview | FilePreview | PlanPreview


@dataclass(frozen=True)
class AskedQuestion:
    """One question of the assistant to the person; ``free``: any text answers it, not only one of ``choices``."""

    id: str
    text: str
    choices: tuple[str, ...] = ()
    free: bool = True


@dataclass(frozen=True)
class Approval:
    """A question that waits for a person.

    ``kind`` is ``tool`` for a call that needs permission, ``question`` for what the assistant asks, ``input`` for the
    ``input()`` of a running cell.
    """

    id: str
    kind: Literal["tool", "question", "input"]
    title: str
    command: str
    tool: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    session_key: str = ""
    run_id: str = ""
    tool_call_id: str = ""
    path: str = ""
    choices: tuple[Scope, ...] = OLD_CHOICES
    preview: Preview | None = None
    questions: tuple[AskedQuestion, ...] = ()
    prompt: str = ""
    password: bool = False
    created_at_ms: int = 0
    expires_at_ms: int = 0
    """0: it waits as long as it takes."""

    @classmethod
    def from_wire(cls, record: Mapping[str, Any]) -> Approval:
        """Raises ``NotUnderstood`` for a record that is none."""
        try:
            return _approval(record)
        except MALFORMED as exc:
            raise NotUnderstood(f"an approval: {type(exc).__name__}") from exc


@dataclass(frozen=True)
class Decision:
    """The decision on a question. Made by ``allow``, ``deny`` and ``answer``."""

    decision: Literal["allow-once", "allow-always", "deny"]
    reason: str = ""
    scope: Scope | None = None
    pattern: str = ""
    accepted: tuple[int, ...] | None = None
    edited: Mapping[int, str] = field(default_factory=dict)
    answers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def allow(
        cls,
        scope: Scope = "once",
        *,
        pattern: str = "",
        accepted: Sequence[int] | None = None,
        edited: Mapping[int, str] | None = None,
    ) -> Decision:
        """A yes.

        Args:
            scope: how far it goes; one of the question's ``choices``.
            pattern: of ``always``: the paths that it is for, with ``*`` and ``?``.
            accepted: indexes of the preview's cells that may be done; ``None``: all.
            edited: index of a cell (0 for a file or code) → the source that takes the place of the proposed one.
        """
        kept = None if accepted is None else tuple(accepted)
        return cls(
            "allow-once" if scope == "once" else "allow-always",
            scope=scope,
            pattern=pattern,
            accepted=kept,
            edited=dict(edited or {}),
        )

    @classmethod
    def deny(cls, reason: str = "") -> Decision:
        """A no; the model reads ``reason``."""
        return cls("deny", reason)

    @classmethod
    def answer(cls, answers: Mapping[str, str] | str) -> Decision:
        """The answers to a ``question`` by its ids; a text alone answers an ``input``."""
        return cls("allow-once", answers={"value": answers} if isinstance(answers, str) else dict(answers))

    def to_wire(self, approval_id: str) -> dict[str, Any]:
        """The parameters of ``exec.approval.resolve``."""
        params: dict[str, Any] = {"id": approval_id, "decision": self.decision}
        if self.accepted is not None:
            params["accepted"] = list(self.accepted)
        if self.edited:
            params["edited"] = {str(index): source for index, source in self.edited.items()}
        optional = {"reason": self.reason, "scope": self.scope, "pattern": self.pattern, "answers": dict(self.answers)}
        return params | {name: value for name, value in optional.items() if value}


@dataclass(frozen=True)
class Grant:
    """A permission given for more than one call."""

    id: str
    tool: str
    scope: Scope
    by: str
    created_at_ms: int
    used_at_ms: int
    path: str = ""
    cell: str = ""
    session_key: str = ""
    """Empty: for every session."""


class Approvals:
    """The questions of a gateway, and the permissions given there. All methods raise as ``GatewayClient.request``."""

    def __init__(self, client: ConnectedClient):
        self._client = client

    async def list(self, session_key: str = "") -> Sequence[Approval]:
        """The open questions, oldest first; of one session only, if it is named."""
        answer = await self._client.request("exec.approval.list")
        with reading("approvals"):
            found = [Approval.from_wire(row) for row in answer["approvals"]]
        return [each for each in found if not session_key or same_session(each.session_key, session_key)]

    async def resolve(self, approval_id: str, decision: Decision) -> None:
        """Decide a question. Raises ``NotFound`` where another window was first."""
        await self._client.request("exec.approval.resolve", decision.to_wire(approval_id))

    async def grants(self) -> Sequence[Grant]:
        answer = await self._client.request("hands.grants.list")
        with reading("permissions"):
            return [
                Grant(
                    str(row["id"]),
                    str(row["tool"]),
                    row["scope"],
                    str(row["by"]),
                    int(row["createdAtMs"]),
                    int(row.get("usedAtMs") or 0),
                    str(row.get("path") or ""),
                    str(row.get("cell") or ""),
                    str(row.get("sessionKey") or ""),
                )
                for row in answer["grants"]
            ]

    async def revoke(self, grant_id: str) -> None:
        """Take a permission back."""
        await self._client.request("hands.grants.revoke", {"id": grant_id})

    async def set_mode(
        self, mode: Mode | None, *, session_key: str = "main", notebook: str = "", minutes: int | None = None
    ) -> Mapping[str, Any]:
        """Set how much the assistant may do in a session without a question; ``None``: the default mode.

        Args:
            notebook: the path of the one notebook, for the mode ``notebook``.
            minutes: how long ``notebook`` and ``unattended`` last; ``None``: 60.

        Returns:
            ``{mode, cap, notebook?, untilMs?}`` as in force.
        """
        patch: dict[str, Any] = {"key": session_key, "handsMode": mode}
        if notebook:
            patch["handsNotebook"] = notebook
        if minutes is not None:
            patch["handsMinutes"] = minutes
        answer = await self._client.request("sessions.patch", patch)
        with reading("a mode"):
            return cast("Mapping[str, Any]", (answer.get("entry") or answer).get("hands") or {})


OnApproval = Callable[[Approval], Decision | None | Awaitable[Decision | None]]
"""Decides a question; ``None`` leaves it to another window."""


async def decided_by(
    client: ConnectedClient, items: AsyncIterator[Chunk | Notice | ReplyEnd], on_approval: OnApproval
) -> AsyncIterator[Chunk | Notice | ReplyEnd]:
    """Yield ``items``, and have ``on_approval`` decide the questions among them as they come.

    A question that was decided elsewhere meanwhile cancels the callback. What the callback raises is raised here; the
    question stays open. Those of another window's reply that has read the message (``folded``) are left to that window.
    """
    own = True
    asking: dict[str, asyncio.Task[None]] = {}
    coming: asyncio.Future[Chunk | Notice | ReplyEnd] = _next(items)
    try:
        while True:
            waited: set[asyncio.Future[Any]] = {coming, *asking.values()}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            for id_, task in list(asking.items()):
                if task.done():
                    del asking[id_]
                    if not task.cancelled():
                        task.result()
            if not coming.done():
                continue
            try:
                item = coming.result()
            except StopAsyncIteration:
                return
            own = own and not (isinstance(item, Notice) and item.kind == "folded")
            if isinstance(item, Notice) and item.kind == "approval" and own:
                asking[str(item.facts["id"])] = asyncio.ensure_future(_decide(client, item.facts, on_approval))
            elif isinstance(item, Notice) and (closed := asking.get(str(item.facts.get("id")))) is not None:
                closed.cancel()
            yield item
            coming = _next(items)
    finally:
        waited = {coming, *asking.values()}
        for each in waited:
            each.cancel()
        await asyncio.gather(*waited, return_exceptions=True)


def _next(items: AsyncIterator[Chunk | Notice | ReplyEnd]) -> asyncio.Future[Chunk | Notice | ReplyEnd]:
    async def following() -> Chunk | Notice | ReplyEnd:
        return await items.__anext__()

    return asyncio.ensure_future(following())


async def _decide(client: ConnectedClient, record: Mapping[str, Any], on_approval: OnApproval) -> None:
    approval = Approval.from_wire(record)
    decision = on_approval(approval)
    if inspect.isawaitable(decision):
        decision = await decision
    if decision is not None:
        await settle(client, approval.id, decision)


async def settle(client: ConnectedClient, approval_id: str, decision: Decision) -> bool:
    """Decide a question, over a lost connection too; ``False`` where another window was first, or it was withdrawn."""
    while True:
        try:
            await Approvals(client).resolve(approval_id, decision)
        except NotFound:
            return False
        except Closed:
            raise
        except ConnectionLost:
            await client.reconnect()
            continue
        return True


def same_session(one: str, other: str) -> bool:
    """Report whether two keys, in full or as people write them, name one session."""
    return short_key(one) == short_key(other)


# -- reading the wire -----------------------------------------------------------------------------------------------
def _approval(record: Mapping[str, Any]) -> Approval:
    request: Mapping[str, Any] = record["request"]
    kind = request.get("kind")
    choices = tuple(
        each for each in request.get("choices") or OLD_CHOICES if each in ("once", "cell", "notebook", "always")
    )
    arguments = request.get("arguments")
    return Approval(
        id=str(record["id"]),
        kind=kind if kind in ("question", "input") else "tool",
        title=str(request.get("title") or request.get("tool") or request.get("command") or ""),
        command=str(request.get("command") or ""),
        tool=str(request.get("tool") or ""),
        arguments=arguments if isinstance(arguments, Mapping) else {},
        session_key=str(request.get("sessionKey") or ""),
        run_id=str(request.get("runId") or ""),
        tool_call_id=str(request.get("toolCallId") or ""),
        path=str(request.get("path") or ""),
        choices=cast("tuple[Scope, ...]", choices),
        preview=_preview(request.get("preview")),
        questions=tuple(_question(each) for each in request.get("questions") or ()),
        prompt=str(request.get("prompt") or ""),
        password=bool(request.get("password")),
        created_at_ms=int(record.get("createdAtMs") or 0),
        expires_at_ms=int(record.get("expiresAtMs") or 0),
    )


def _question(given: Mapping[str, Any]) -> AskedQuestion:
    choices = tuple(str(each) for each in given.get("choices") or ())
    return AskedQuestion(str(given["id"]), str(given.get("text") or ""), choices, bool(given.get("free", not choices)))


def _preview(given: Any) -> Preview | None:
    """The preview, ``None`` for a type of a newer gateway: the command is shown then."""
    if not isinstance(given, Mapping):
        return None
    kind, path = given.get("type"), str(given.get("path") or "")
    if kind == "edit":
        return EditPreview(path, tuple(cell_edit(each) for each in given.get("cells") or ()))
    if kind == "run":
        cells = [
            CellSource(str(each.get("cell") or ""), int(each.get("index") or 0), str(each.get("source") or ""))
            for each in given.get("cells") or ()
        ]
        return RunPreview(path, tuple(cells), _kernel(given.get("kernel")))
    if kind == "code":
        return CodePreview(str(given.get("code") or ""), path, _kernel(given.get("kernel")))
    if kind == "file":
        return FilePreview(path, _source(given.get("before")), _source(given.get("after")) or "")
    if kind == "plan":
        return PlanPreview(tuple(_operation(each) for each in given.get("operations") or ()))
    return None


def cell_edit(given: Mapping[str, Any]) -> CellEdit:
    """One operation of a preview or of a change."""
    return CellEdit(
        op=str(given.get("op") or ""),
        cell=str(given.get("cell") or ""),
        index=int(given.get("index") or 0),
        type=str(given.get("type") or "code"),
        before=_source(given.get("before")),
        after=_source(given.get("after")),
        stale_after=tuple(str(each) for each in given.get("staleAfter") or ()),
    )


def _source(given: Any) -> str | None:
    """A source as a preview has it (the text) or a change (an object with it)."""
    found = given.get("source") if isinstance(given, Mapping) else given
    return None if found is None else str(found)


def _kernel(given: Any) -> str:
    found = given.get("displayName") or given.get("name") if isinstance(given, Mapping) else given
    return str(found or "")


def _operation(given: Mapping[str, Any]) -> Operation:
    arguments = given.get("arguments")
    tool = str(given.get("tool") or "")
    return Operation(str(given.get("title") or tool), tool, arguments if isinstance(arguments, Mapping) else {})
