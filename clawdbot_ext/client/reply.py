"""One reply, from the message that asks for it to its end, over however many connections that takes.

``chat`` deltas are put together here: with the capability ``chat.append`` they name the place (in UTF-16 code units)
where their text goes, without it they repeat the whole text. ``chat.send`` is sent again after a lost connection: its
run id makes the second one find the first, so that a message has one effect and its reply one end.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ..protocol.citations import joined
from ..protocol.errors import GatewayError
from .errors import ClientError, ConnectionLost, NotUnderstood, reading
from .uploads import AttachmentInput, OnProgress, attach

if TYPE_CHECKING:
    from .events import Event
    from .interface import ConnectedClient

Part = Literal["text", "thinking"]
When = Literal["now", "next"]
HISTORY_LIMIT = 200
"""Number of messages in which the end of a run is looked for after a lost connection."""


@dataclass(frozen=True)
class Chunk:
    """More of the reply. ``replaces`` is true when ``text`` is the whole part so far instead of what follows it."""

    part: Part
    text: str
    replaces: bool = False


@dataclass(frozen=True)
class Notice:
    """An event beside the text: ``queued`` (position), ``retry`` (attempt, maxAttempts, waitMs, reason), ``tool``
    (phase, name, title, output, isError …), ``media`` (phase, name, fraction, detail: an attachment is looked at),
    ``folded`` (into): the running reply of that id has read the message, and what follows is of it,
    ``approval`` (a question that waits for a person: ``Approval.from_wire`` reads it), ``resolved`` (id, decision,
    resolvedBy, reason: such a question is closed), ``lost`` (code, reason): the client reconnects."""

    kind: Literal["queued", "retry", "tool", "media", "folded", "approval", "resolved", "lost"]
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class ReplyEnd:
    """The ending of a run. ``message`` is what was stored, if anything; ``error`` the provider's, with its ``hint``."""

    run_id: str
    state: Literal["final", "aborted", "error"]
    message: Mapping[str, Any] | None = None
    error_message: str = ""
    error: Mapping[str, Any] = field(default_factory=dict)
    switch_to: str | None = None
    """The session to show next, after ``/new`` by a client with the capability ``session.switch``."""
    nothing: bool = False
    """It was ``/stop``, and there was nothing to stop."""
    left_out: tuple[str, ...] = ()
    """The names of what was attached to a command, which takes nothing along."""
    folded_into: str = ""
    """The run that has read the message and answers it: this one ended without a reply of its own."""

    @property
    def text(self) -> str:
        """The text of the reply, empty where there is none."""
        return message_text(self.message or {})


class ReplyFailed(Exception):
    """The model gave an error instead of a reply: ``end`` has it, and in ``end.text`` what was written before."""

    def __init__(self, end: ReplyEnd):
        super().__init__(" ".join(part for part in (end.error_message, str(end.error.get("hint") or "")) if part))
        self.end = end


async def whole(items: AsyncIterator[Chunk | Notice | ReplyEnd]) -> ReplyEnd:
    """Wait for the end of a reply. Raises ``ReplyFailed``, and as the items do."""
    async for item in items:
        if isinstance(item, ReplyEnd):
            if item.state == "error":
                raise ReplyFailed(item)
            return item
    raise AssertionError("unreachable: the last item is the end")


def message_text(message: Mapping[str, Any]) -> str:
    """The text blocks of a wire message, joined."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    return joined(content if isinstance(content, list) else ())


LONGEST_REPLY = 16 * 1024 * 1024
"""UTF-16 code units of a reply; a gateway that goes on writing is not listened to."""
MAX_WAITING_EVENTS = 10_000
"""Events of a run held for a consumer that reads slowly; beyond that the connection is taken up again."""


class Gap(Exception):
    """A delta begins beyond the end of what is known: some of the text is missing."""


class TextAccumulator:
    """A part of a reply that grows. ``text`` is all of it so far."""

    def __init__(self) -> None:
        self.text = ""
        self._units = 0

    def append(self, offset: int, text: str) -> str:
        """Put ``text`` at ``offset`` (UTF-16 code units); what of it is new. Raises ``Gap``."""
        if offset > self._units:
            raise Gap(f"offset {offset}, have {self._units}")
        new = _skip_units(text, self._units - offset)
        if self._units + len(new) > LONGEST_REPLY:
            raise NotUnderstood("the reply does not end")
        self.text += new
        self._units += _units(new)
        return new

    def replace(self, text: str) -> Chunk | None:
        """Take the whole text so far; what to show of it, or ``None`` if nothing changed."""
        if len(text) > LONGEST_REPLY:
            raise NotUnderstood("the reply does not end")
        old, self.text, self._units = self.text, text, _units(text)
        if text.startswith(old):
            return Chunk("text", text[len(old) :]) if len(text) > len(old) else None
        return Chunk("text", text, replaces=True)


def _units(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _skip_units(text: str, units: int) -> str:
    if units <= 0:
        return text
    return text.encode("utf-16-le", "surrogatepass")[2 * units :].decode("utf-16-le", "surrogatepass")


class ReplyState:
    """A reply as one client sees it grow."""

    def __init__(self) -> None:
        self.text, self.thinking = TextAccumulator(), TextAccumulator()
        self.switch_to: str | None = None
        self.left_out: tuple[str, ...] = ()

    def apply(self, delta: Mapping[str, Any]) -> Chunk | None:
        """Apply the payload of a ``chat`` delta of either kind; what to show, if anything. Raises ``Gap``."""
        if "offset" not in delta:
            return self.text.replace(message_text(delta.get("message") or {}))
        part: Part = "thinking" if delta.get("part") == "thinking" else "text"
        growing = self.thinking if part == "thinking" else self.text
        new = growing.append(int(delta["offset"]), str(delta.get("text", "")))
        return Chunk(part, new) if new else None

    def catch_up(self, in_flight: Mapping[str, Any]) -> Chunk | None:
        """Take ``inFlight`` of ``chat.history``: everything so far."""
        self.thinking.replace(str(in_flight.get("thinking", "")))
        return self.text.replace(str(in_flight.get("text", "")))


async def ask(
    client: ConnectedClient,
    text: str,
    *,
    session_key: str,
    thinking: str | None = None,
    run_id: str | None = None,
    patience_s: float | None = None,
    attachments: Sequence[AttachmentInput] = (),
    on_upload: OnProgress | None = None,
    model: str | None = None,
    mode: str | None = None,
    when: When | None = None,
) -> AsyncIterator[Chunk | Notice | ReplyEnd]:
    """Send ``text`` to a session and yield the reply, lost connections or not; the last item is the ``ReplyEnd``.

    ``run_id`` (also the idempotency key) is made up where none is given. To stop the reply call ``chat.abort``; leaving
    the iterator only stops listening. The caller sets a time limit by ``asyncio.wait_for`` where it wants one.
    ``model`` and the permission ``mode`` are set for the session first, and stay. A message for ``now`` is read by a
    reply that is being written, before its next step, if it comes to one; that reply is yielded then.

    Raises:
        OSError: a file of ``attachments`` cannot be read.
        GatewayError: the gateway refused the message or a file, or the client after a lost connection.
        Unreachable: the connection was lost and did not come back within ``patience_s`` seconds (``None``: for ever).
    """
    run_id = run_id or str(uuid.uuid4())
    params: dict[str, Any] = {"sessionKey": session_key, "message": text, "idempotencyKey": run_id}
    if thinking is not None:
        params["thinking"] = thinking
    if when is not None:
        params["when"] = when
    settings = {name: value for name, value in (("model", model), ("handsMode", mode)) if value}
    if settings:
        await client.request("sessions.patch", {"key": session_key, **settings})
    if attachments:
        params["attachments"] = await attach(client, attachments, on_upload)

    async def begin(reply: ReplyState) -> AsyncIterator[Chunk | Notice | ReplyEnd]:
        ack = await client.request("chat.send", params)
        reply.switch_to = ack.get("switchTo")
        reply.left_out = tuple(ack.get("leftOut") or ())
        if ended := await _ended(client, session_key, run_id, ack):
            yield ended
        elif position := ack.get("queuePosition"):
            yield Notice("queued", {"position": position})

    into = ""
    async for item in _until_the_end(client, run_id, session_key, begin, patience_s):
        if isinstance(item, ReplyEnd) and item.folded_into:
            into = item.folded_into
            yield Notice("folded", {"into": into})
        else:
            yield item
    if into:
        async for item in follow(client, into, session_key=session_key, patience_s=patience_s):
            yield item


async def follow(
    client: ConnectedClient, run_id: str, *, session_key: str, patience_s: float | None = None
) -> AsyncIterator[Chunk | Notice | ReplyEnd]:
    """Yield the reply of ``run_id`` so far, then the rest; the last item is the ``ReplyEnd``. Raises as ``ask``."""

    async def begin(reply: ReplyState) -> AsyncIterator[Chunk | Notice | ReplyEnd]:
        history = await client.request("chat.history", {"sessionKey": session_key, "limit": HISTORY_LIMIT})
        in_flight = history.get("inFlight") or {}
        if in_flight.get("runId") == run_id:
            if chunk := reply.catch_up(in_flight):
                yield chunk
        elif run_id not in [queued.get("runId") for queued in history.get("queued") or ()]:
            yield _end_in(history, run_id, {})
            return
        async for notice in _questions(client, run_id, set()):
            yield notice

    async for item in _until_the_end(client, run_id, session_key, begin, patience_s):
        yield item


Begin = Callable[["ReplyState"], AsyncIterator["Chunk | Notice | ReplyEnd"]]
"""Starts to listen on a connection: yields what there is already, an ``ReplyEnd`` if that is all."""


async def _until_the_end(
    client: ConnectedClient, run_id: str, session_key: str, begin: Begin, patience_s: float | None
) -> AsyncIterator[Chunk | Notice | ReplyEnd]:
    """One run on as many connections as it takes."""
    reply, events = ReplyState(), asyncio.Queue[Any]()
    asked: set[str] = set()
    """Ids of the open questions of the run."""

    def put(event: Event) -> None:
        if event.name == "client.lost":
            events.put_nowait(event)
        elif event.payload.get("runId") == run_id or _is_question_of(run_id, event):
            if events.qsize() >= MAX_WAITING_EVENTS:
                raise ConnectionLost(1008, "events are not read")
            events.put_nowait(event)

    stop = client.subscribe(put)
    try:
        while True:
            try:
                with reading("a reply"):
                    async for item in _news(begin(reply), asked):
                        yield item
                        if isinstance(item, ReplyEnd):
                            return
                    async for item in _news(_follow(client, run_id, session_key, reply, events), asked):
                        yield item
                return
            except ConnectionLost as exc:
                yield Notice("lost", {"code": exc.code, "reason": exc.reason})
            await client.reconnect(patience_s=patience_s)
            while not events.empty() and events.get_nowait().name != "client.lost":
                pass  # of the connection that is gone
            async for item in _news(_questions(client, run_id, asked), asked):
                yield item
    finally:
        stop()


def _is_question_of(run_id: str, event: Event) -> bool:
    """Report whether an event asks something for this run. Which questions close is told for all runs: see
    ``_news``."""
    request = event.payload.get("request")
    asks = event.name == "exec.approval.requested" and isinstance(request, Mapping) and request.get("runId") == run_id
    return asks or event.name == "exec.approval.resolved"


async def _news(
    items: AsyncIterator[Chunk | Notice | ReplyEnd], asked: set[str]
) -> AsyncIterator[Chunk | Notice | ReplyEnd]:
    """``items`` without the questions that were told already and the ends of other runs' questions; ``asked`` is kept
    up to date."""
    async for item in items:
        if isinstance(item, Notice) and item.kind in ("approval", "resolved"):
            id_ = str(item.facts.get("id"))
            if (id_ in asked) == (item.kind == "approval"):
                continue
            asked ^= {id_}
        yield item


async def _questions(client: ConnectedClient, run_id: str, asked: set[str]) -> AsyncIterator[Notice]:
    """The open questions of a run as the gateway has them now, and which of ``asked`` are closed."""
    if "exec.approval.list" not in (client.hello.get("features") or {}).get("methods", ()):
        return
    try:
        rows = (await client.request("exec.approval.list"))["approvals"]
    except GatewayError:  # this client may not decide
        return
    rows = [row for row in rows if (row.get("request") or {}).get("runId") == run_id]
    for id_ in asked - {str(row["id"]) for row in rows}:
        yield Notice("resolved", {"id": id_})
    for row in rows:
        yield Notice("approval", row)


async def _follow(
    client: ConnectedClient, run_id: str, session_key: str, reply: ReplyState, events: asyncio.Queue[Any]
) -> AsyncIterator[Chunk | Notice | ReplyEnd]:
    """The events of one run until its end. Raises ``ConnectionLost``."""
    while True:
        name, payload = await events.get()
        if name == "client.lost":
            raise ConnectionLost(payload["code"], payload["reason"])
        if notice := _notice(name, payload):
            if notice.kind == "tool" and notice.facts.get("phase") == "start":
                # the text so far is a message of its own; what follows begins anew
                reply.text, reply.thinking = TextAccumulator(), TextAccumulator()
            yield notice
        elif name == "chat" and payload.get("state") == "delta":
            try:
                chunk = reply.apply(payload)
            except Gap:
                chunk = await _caught_up(client, session_key, run_id, reply)
            if chunk:
                yield chunk
        elif name == "chat":
            yield ReplyEnd(
                run_id,
                payload["state"],
                payload.get("message"),
                str(payload.get("errorMessage") or ""),
                payload.get("error") or {},
                reply.switch_to,
                left_out=reply.left_out,
                folded_into=str(payload.get("foldedInto") or ""),
            )
            return


def _notice(name: str, payload: Mapping[str, Any]) -> Notice | None:
    """The notice that an event of a run stands for, if it does."""
    if name == "exec.approval.requested":
        return Notice("approval", payload)
    if name == "exec.approval.resolved":
        return Notice("resolved", payload)
    data, stream = payload.get("data"), payload.get("stream")
    if name != "agent" or not isinstance(data, Mapping):
        return None
    if data.get("phase") == "retry":
        return Notice("retry", data)
    return Notice("tool", data) if stream == "tool" else Notice("media", data) if stream == "media" else None


async def _caught_up(client: ConnectedClient, session_key: str, run_id: str, reply: ReplyState) -> Chunk | None:
    """Read the text so far from the gateway, which then goes on from there."""
    history = await client.request("chat.history", {"sessionKey": session_key, "limit": 1})
    in_flight = history.get("inFlight") or {}
    if in_flight.get("runId") != run_id:
        return None  # it has just ended: the last event has everything
    return reply.catch_up(in_flight)


async def _ended(client: ConnectedClient, session_key: str, run_id: str, ack: Mapping[str, Any]) -> ReplyEnd | None:
    """The end of a run that ``chat.send`` found already over, or of ``/stop``, which has no run; else ``None``."""
    if "runIds" in ack:
        return ReplyEnd(run_id, "final", nothing=not ack["runIds"], left_out=tuple(ack.get("leftOut") or ()))
    if ack.get("status") in ("started", "in_flight", "accepted"):
        return None
    history = await client.request("chat.history", {"sessionKey": session_key, "limit": HISTORY_LIMIT})
    return _end_in(history, run_id, ack)


def _end_in(history: Mapping[str, Any], run_id: str, ack: Mapping[str, Any]) -> ReplyEnd:
    """The end of a run as the transcript and the gateway's record of it tell."""
    written = [m for m in history["messages"] if m.get("runId") == run_id and m.get("role") == "assistant"]
    message: Mapping[str, Any] = written[-1] if written else {}
    states: Mapping[str | None, Literal["final", "aborted", "error"]] = {
        "aborted": "aborted",
        "error": "error",
        "interrupted": "error",
    }
    state = states.get(ack.get("status")) or states.get(message.get("stopReason"), "final")
    read = next((m["foldedInto"] for m in history["messages"] if m.get("runId") == run_id and m.get("foldedInto")), "")
    problem = message.get("errorMessage") or (ack.get("summary") if state == "error" else "")
    return ReplyEnd(
        run_id,
        state,
        message or None,
        str(problem or ""),
        message.get("error") or {},
        ack.get("switchTo"),
        folded_into=str(read),
    )


__all__ = [
    "Chunk",
    "ClientError",
    "Gap",
    "Notice",
    "ReplyEnd",
    "ReplyFailed",
    "ReplyState",
    "TextAccumulator",
    "ask",
    "follow",
    "message_text",
    "whole",
]
