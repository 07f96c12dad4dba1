"""The way to one other gateway: its clients here, the requests made of it, and what is sent to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from ...protocol.frames import Request
from ..connections.connection import Connection
from ..connections.remote import RemoteConnection
from .messages import Ask, Close, Event, Message, Subscribed, encode
from .subjects import is_send

SOON = (Event,)
"""Messages that may wait a moment for more of their kind."""


@dataclass
class Asked:
    """A request that the other gateway carries out."""

    send: Callable[[bytes], None]
    waits: Connection | None = None
    """The client that is told of the end of a reply once it has the answer."""
    outcome: asyncio.Future[str] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    """``done``, ``moved`` (not carried out) or ``lost`` (not known)."""

    def end(self, outcome: str) -> None:
        """It is not waited for any more."""
        if not self.outcome.done():
            self.outcome.set_result(outcome)

    def lose(self) -> None:
        """It is not known what became of it."""
        self.end("lost")


class Link:
    """The link of this gateway to another one. It is the ``Owner`` of the other's clients.

    What is sent within one turn of the event loop goes as one message, an event for many clients with one payload."""

    def __init__(
        self, member: str, send: Callable[[bytes, bool], None], before: Callable[[], None] = lambda: None
    ) -> None:
        """``send`` sends a message (the flag: at once); ``before`` is called before that, and may post more."""
        self.member, self._send, self._before = member, send, before
        self.clients: dict[str, RemoteConnection] = {}
        self.asked: dict[int, Asked] = {}
        self.told: dict[str, tuple[bool, int]] = {}
        """The activity that the other was told of last, by session."""
        self.seen_at: dict[str, float] = {}
        """Own clients, by ``conn_id``: when the other last had an event about a session for them, or took a message."""
        self.leaving = False
        self.introduced = asyncio.Event()
        """Set once the other has told of its clients, which it does when it has seen this gateway come."""
        self._waiting: list[Message] = []
        self._number = 0

    def post(self, *messages: Message) -> None:
        """Send messages, after what was sent before."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self.flush)
        self._waiting += messages

    def flush(self) -> None:
        """Send what waits."""
        if self._waiting:
            self._before()
            waiting, self._waiting = self._waiting, []
            self._send(encode(waiting), not all(isinstance(each, SOON) for each in waiting))

    def ask(self, caller: Connection, request: Request, key: str, send: Callable[[bytes], None]) -> Asked:
        """Have the other carry out a request, as the home of a session, or (with an empty ``key``) in any case."""
        self._number += 1
        asked = self.asked[self._number] = Asked(send, caller if is_send(request.method) else None)
        self.post(Ask(self._number, caller.conn_id, request.id, request.method, bytes(request.params), key))
        return asked

    def saw(self, client: Connection) -> None:
        """Note that the other sent a client an event about a session, or took a message of it."""
        self.seen_at[client.conn_id] = time.monotonic()

    def end(self) -> None:
        """The other is gone: nothing that it was asked is answered."""
        asked, self.asked = list(self.asked.values()), {}
        for each in asked:
            each.lose()
        self._waiting.clear()

    # -- Owner ------------------------------------------------------------------------------------------------------
    def send_event(self, conn_id: str, name: str, payload: bytes, state_version: Mapping[str, int] | None) -> None:
        last = self._waiting[-1] if self._waiting else None
        if isinstance(last, Event) and last.payload is payload and last.name == name:
            last.to.append(conn_id)
        else:
            self.post(Event(name, payload, [conn_id], dict(state_version) if state_version else None))

    def close(self, conn_id: str, code: int, reason: str) -> None:
        self.post(Close(conn_id, code, reason))

    def subscribed(self, conn_id: str, keys: Iterable[str], *, off: bool) -> None:
        self.post(Subscribed(conn_id, list(keys), off))
