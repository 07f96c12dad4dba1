"""The Python client of the gateway: connect, ask, listen, come back; ``connect`` gives a synchronous face.

Used by the command line, the widget, the relay and tests. Failures that the gateway reports are raised as the classes
of ``protocol.errors``, just as the gateway raised them; what happens to the connection itself is a ``ClientError``:

    ClientError
    ├── Unreachable       no connection came about (``Untrusted``: on account of the certificate)
    ├── ConnectionLost    it ended: ``code`` and ``reason`` of the close frame (``Closed``: this client was closed)
    └── TimedOut          no answer in time; the connection stands

Light on purpose (no msgspec, no jupyter_server): the command line starts with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import random
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any

from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError, WebSocketError, websocket_connect

from .._version import __version__
from ..config import ConfigError
from ..protocol.errors import RateLimited
from . import limits, tls
from .approvals import Approvals, OnApproval, decided_by
from .changes import Changes
from .endpoint import Endpoint, NoGateway, bearer_header, cookie_header
from .errors import MALFORMED, ClientError, Closed, ConnectionLost, Foreign, TimedOut, Unreachable, Untrusted, from_wire
from .events import LOST, Event
from .http_failures import no_connection, object_of, problem
from .reply import Chunk, Notice, ReplyEnd, When, ask, follow, whole
from .uploads import AttachmentInput, OnProgress, ready

if TYPE_CHECKING:
    from typing_extensions import Self


PROTOCOL_VERSION = 3
CAPS = ("chat.append", "session.events")
"""Capabilities of this client; add ``session.switch`` where ``/new`` may open another session."""
SCOPES = ("operator.admin", "operator.read", "operator.write", "operator.approvals", "operator.pairing")

_log = logging.getLogger(__name__)
Handshake = Callable[[dict[str, Any], str], None]


class GatewayClient:
    """One client of one gateway. ``connect`` may be called again after the connection was lost.

    All methods belong to one event loop; ``client_sync`` bridges from threads.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        caps: Sequence[str] = CAPS,
        locale: str | None = None,
        client_id: str = "cli",
        mode: str = "cli",
        display_name: str | None = None,
        handshake: Handshake | None = None,
        locate: Callable[[], Endpoint] | None = None,
    ):
        """``handshake`` may change the parameters of ``connect`` (role, device), given them and the gateway's nonce.
        ``locate`` says where the gateway is by now, when it is looked for again: another process may have it."""
        self.endpoint = endpoint
        self.hello: Mapping[str, Any] = {}
        """The payload of the last ``hello-ok``."""
        self._info = {
            "id": client_id,
            "version": __version__,
            "platform": sys.platform,
            "mode": mode,
            **({"displayName": display_name} if display_name else {}),
        }
        self._caps, self.locale, self._handshake, self._locate = list(caps), locale, handshake, locate
        self._closed = False
        """``close`` was called, and ``connect`` not since."""
        self._socket: WebSocketClientConnection | None = None
        self._over = False
        """The end of ``_socket`` has been read: there is no goodbye to wait for."""
        self._reader: asyncio.Task[None] | None = None
        self._reconnecting = asyncio.Lock()
        self._ids = itertools.count(1)
        self._pending: dict[str, asyncio.Future[Any]] = {}
        self._final: set[str] = set()
        self._subscribers: list[Callable[[Event], None]] = []
        self._heard_at = 0.0
        self._seq: int | None = None
        self.approvals = Approvals(self)
        """The questions that wait for a person, and the permissions that were given for good."""
        self.changes = Changes(self)
        """The changes that the assistant made, and their undo."""

    @property
    def bearer(self) -> dict[str, str]:
        """The headers that log in to the gateway's HTTP routes; empty where no credential fits into one."""
        return (
            bearer_header(self.endpoint.token) or bearer_header(self.endpoint.password) or cookie_header(self.endpoint)
        )

    @property
    def connected(self) -> bool:
        return self._reader is not None and not self._reader.done()

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    # -- connecting -----------------------------------------------------------------------------------------------
    async def connect(self, timeout_s: float = limits.CONNECT_TIMEOUT_S) -> Mapping[str, Any]:
        """Open the connection and log in; the payload of ``hello-ok``.

        Raises:
            Unreachable: no program answers at the address, or no gateway, within ``timeout_s`` seconds.
            Untrusted: the server has another certificate than it should have; nothing was sent to it.
            Unauthorized: the credentials are missing or wrong.
            GatewayError: refused for another reason (``RATE_LIMITED``, ``PROTOCOL_MISMATCH``).
        """
        self._closed = False
        return await self._connect(timeout_s)

    async def _connect(self, timeout_s: float = limits.CONNECT_TIMEOUT_S) -> Mapping[str, Any]:
        await self._drop()
        try:
            await self._open(timeout_s)
            hello = await asyncio.wait_for(self._log_in(timeout_s), timeout_s)
            if self._closed:
                raise Closed
            return hello
        except Closed:
            await self._drop()
            raise
        except (asyncio.TimeoutError, ConnectionLost) as exc:
            await self._drop()
            raise Unreachable(self.endpoint.ws_url, problem(exc)) from exc
        except BaseException:
            await self._drop()
            raise

    async def _open(self, timeout_s: float) -> None:
        # Tornado's own timeouts rather than wait_for: it does not clean up after a cancelled attempt.
        headers = bearer_header(self.endpoint.token) or cookie_header(self.endpoint)
        request = HTTPRequest(
            self.endpoint.ws_url,
            headers=headers,
            connect_timeout=timeout_s,
            request_timeout=timeout_s,
            **tls.options(self.endpoint),
        )
        try:
            most = limits.MAX_MESSAGE_BYTES
            self._socket, self._over = await websocket_connect(request, max_message_size=most), False
        except (HTTPClientError, WebSocketError, OSError, ValueError) as exc:
            raise no_connection(exc, self.endpoint.ws_url) from exc

    async def _log_in(self, timeout_s: float) -> Mapping[str, Any]:
        challenge = await self._read_frame()
        if challenge.get("event") != "connect.challenge":
            raise Foreign(self.endpoint.ws_url, "what answers is no Clawdbot gateway")
        self._seq = None
        self._reader = asyncio.create_task(self._read(), name="gateway client")
        auth = {"token": self.endpoint.token, "password": self.endpoint.password}
        params: dict[str, Any] = {
            "minProtocol": PROTOCOL_VERSION,
            "maxProtocol": PROTOCOL_VERSION,
            "client": self._info,
            "role": "operator",
            "scopes": SCOPES,
            "caps": self._caps,
            "auth": {kind: given for kind, given in auth.items() if given},
        }
        if self.locale:
            params["locale"] = self.locale
        if self._handshake is not None:
            self._handshake(params, str(object_of(challenge.get("payload")).get("nonce", "")))
        hello = await self.request("connect", params, timeout_s=timeout_s)
        if not isinstance(hello, dict):
            raise Foreign(self.endpoint.ws_url, "what answers is no Clawdbot gateway")
        self.hello = hello
        watchdog = asyncio.create_task(self._watch(), name="gateway watchdog")
        self._reader.add_done_callback(lambda _: watchdog.cancel())
        return self.hello

    async def reconnect(
        self, on_failure: Callable[[ClientError, float], None] | None = None, *, patience_s: float | None = None
    ) -> Mapping[str, Any]:
        """Connect until it works: waits drawn from 0 to a limit that doubles from 0.5 s to 30 s (full jitter).

        ``on_failure`` hears of every failed attempt and the seconds until the next. Several callers share one attempt;
        who comes when the connection stands gets it at once.

        Raises:
            Unauthorized, GatewayError: refused, so that coming back would not help. ``RateLimited`` is waited for.
            Unreachable: it has not worked for ``patience_s`` seconds (``None``: try for ever). ``Untrusted`` at once.
            Closed: by ``close``, before or meanwhile.
        """
        async with self._reconnecting:
            return self.hello if self.connected else await self._reconnect(on_failure, patience_s)

    async def _reconnect(
        self, on_failure: Callable[[ClientError, float], None] | None, patience_s: float | None
    ) -> Mapping[str, Any]:
        ends = None if patience_s is None else asyncio.get_running_loop().time() + patience_s
        for attempt in itertools.count():
            limit = min(limits.BACKOFF_MAX_S, limits.BACKOFF_FIRST_S * 2 ** min(attempt, 16))
            wait = random.uniform(0, limit)
            self._relocate()
            if self._closed:
                raise Closed
            try:
                return await self._connect()
            except RateLimited as exc:
                wait += (exc.retry_after_ms or 1000) / 1000
            except Untrusted:
                raise
            except Unreachable as exc:
                if ends is not None and asyncio.get_running_loop().time() + wait > ends:
                    raise
                if on_failure:
                    on_failure(exc, wait)
            await asyncio.sleep(wait)
        raise AssertionError("unreachable: the count never ends")

    def _relocate(self) -> None:
        if self._locate is not None:
            with contextlib.suppress(NoGateway, ConfigError):  # none at the moment: it may come back where it was
                self.endpoint = self._locate()

    async def close(self) -> None:
        """End the connection, if there is one. Requests that wait for an answer fail with ``ConnectionLost``; whatever
        is asked later, until ``connect``, with ``Closed``."""
        self._closed = True
        await self._drop()

    async def _drop(self) -> None:
        socket, reader, self._socket, self._reader = self._socket, self._reader, None, None
        if reader is not None:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
        if socket is not None:
            socket.close()
        if socket is not None and not self._over:
            with contextlib.suppress(asyncio.TimeoutError):  # let the peer say goodbye, so that no task is left behind
                await asyncio.wait_for(_drain(socket), limits.CLOSE_TIMEOUT_S)

    # -- asking -----------------------------------------------------------------------------------------------------
    async def request(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        timeout_s: float = limits.REQUEST_TIMEOUT_S,
        final: bool = False,
    ) -> Any:
        """Call ``method`` and return its payload. ``final``: of two responses (``agent``), wait for the second.

        Raises:
            GatewayError: the gateway refused; the class says why.
            ConnectionLost, TimedOut: no answer; whether the request took effect is unknown.
        """
        if self._closed:
            raise Closed
        if self._socket is None or not self.connected:
            raise ConnectionLost(None, "not connected")
        request_id = str(next(self._ids))
        waiter = self._pending[request_id] = asyncio.get_running_loop().create_future()
        frame = {"type": "req", "id": request_id, "method": method, "params": params or {}}
        if final:
            self._final.add(request_id)
        try:
            await self._socket.write_message(json.dumps(frame))
            return await asyncio.wait_for(waiter, timeout_s)
        except WebSocketClosedError:
            raise ConnectionLost(self._socket.close_code, self._socket.close_reason or "") from None
        except asyncio.TimeoutError:
            raise TimedOut(method, timeout_s) from None
        finally:
            self._pending.pop(request_id, None)
            self._final.discard(request_id)

    def ask(
        self,
        text: str,
        *,
        session_key: str = "main",
        thinking: str | None = None,
        run_id: str | None = None,
        patience_s: float | None = None,
        attachments: Sequence[AttachmentInput] = (),
        on_upload: OnProgress | None = None,
        model: str | None = None,
        mode: str | None = None,
        when: When | None = None,
        on_approval: OnApproval | None = None,
    ) -> AsyncIterator[Chunk | Notice | ReplyEnd]:
        """Send a message and yield its reply as it is written; the last item is the ``ReplyEnd``. See ``reply.ask``.

        ``attachments`` are paths, bytes, pairs of a name and bytes, frames, figures, images, or any other values
        (``describe``); ``on_upload`` hears how far they have gone. ``model`` and ``mode`` are set for the session
        first; ``when`` is as in ``reply.ask``. ``on_approval`` decides the questions of the run; those that it leaves,
        and all without it, wait for another window.
        """
        items = ask(
            self,
            text,
            session_key=session_key,
            thinking=thinking,
            run_id=run_id,
            patience_s=patience_s,
            attachments=ready(attachments),
            on_upload=on_upload,
            model=model,
            mode=mode,
            when=when,
        )
        return items if on_approval is None else decided_by(self, items, on_approval)

    async def send(
        self,
        text: str,
        attachments: Sequence[AttachmentInput] = (),
        *,
        session_key: str = "main",
        thinking: str | None = None,
        model: str | None = None,
        mode: str | None = None,
        when: When | None = None,
        on_approval: OnApproval | None = None,
    ) -> ReplyEnd:
        """Send a message with files and wait for the whole reply.

        Raises:
            ReplyFailed: the model gave an error. Else as ``ask``.
        """
        return await whole(
            self.ask(
                text,
                session_key=session_key,
                thinking=thinking,
                attachments=attachments,
                model=model,
                mode=mode,
                when=when,
                on_approval=on_approval,
            )
        )

    def follow(self, run_id: str, *, session_key: str = "main") -> AsyncIterator[Chunk | Notice | ReplyEnd]:
        """Yield the reply of a run that another client started: the text so far, then the rest as by ``ask``."""
        return follow(self, run_id, session_key=session_key)

    # -- listening --------------------------------------------------------------------------------------------------
    def subscribe(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        """Have ``callback`` called on the loop for every event, ``LOST`` included. Returns how to stop that."""
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback) if callback in self._subscribers else None

    async def events(self) -> AsyncIterator[Event]:
        """The events from now on, up to and including ``LOST``."""
        queue: asyncio.Queue[Event] = asyncio.Queue()

        def put(event: Event) -> None:
            if queue.qsize() < limits.MAX_WAITING_EVENTS or event.name == LOST:
                queue.put_nowait(event)
            elif event.name != LOST:
                raise ConnectionLost(1008, "events are not read")

        stop = self.subscribe(put)
        try:
            while True:
                event = await queue.get()
                yield event
                if event.name == LOST:
                    return
        finally:
            stop()

    async def _read(self) -> None:
        """Take frames until the connection ends, then tell everybody who waits."""
        lost = ConnectionLost(None, "closed by this side")
        try:
            while True:
                self._dispatch(await self._read_frame())
        except ConnectionLost as exc:
            lost = exc
        except MALFORMED as exc:
            lost = ConnectionLost(1007, f"what answers does not speak the protocol: {type(exc).__name__}")
            _log.debug("a frame that cannot be read", exc_info=True)
        finally:
            for waiter in self._pending.values():
                if not waiter.done():
                    waiter.set_exception(lost)
                    waiter.exception()  # a caller cancelled meanwhile does not fetch it
            self._notify(Event(LOST, {"code": lost.code, "reason": lost.reason}))

    async def _read_frame(self) -> Mapping[str, Any]:
        socket = self._socket
        if socket is None:
            raise ConnectionLost(None, "closed by this side")
        text = await socket.read_message()
        if text is None:
            self._over = True
            raise ConnectionLost(socket.close_code, socket.close_reason or "")
        self._heard_at = monotonic()
        try:
            frame = json.loads(text)
        except (ValueError, RecursionError):
            frame = None
        if not isinstance(frame, dict):
            socket.close(1007, "not a frame")
            raise ConnectionLost(1007, "what answers does not speak the protocol")
        return frame

    def _dispatch(self, frame: Mapping[str, Any]) -> None:
        if frame.get("type") == "res":
            waiter = self._pending.get(str(frame.get("id")))
            if waiter is None or waiter.done():
                return
            if frame.get("ok"):
                payload = frame.get("payload")
                first = isinstance(payload, dict) and payload.get("status") == "accepted"
                if not (first and frame["id"] in self._final):
                    waiter.set_result(payload)
            else:
                waiter.set_exception(from_wire(frame.get("error")))
        elif frame.get("type") == "event":
            self._check_seq(frame.get("seq"))
            payload = frame.get("payload")
            self._notify(Event(str(frame.get("event")), payload if isinstance(payload, dict) else {}))

    def _check_seq(self, seq: Any) -> None:
        """A gap means that an event was missed: a fresh connection is the one way to be sure of everything again."""
        if isinstance(seq, int):
            if self._seq is not None and seq != self._seq + 1:
                raise ConnectionLost(None, f"event {self._seq + 1} is missing")
            self._seq = seq

    def _notify(self, event: Event) -> None:
        for callback in list(self._subscribers):
            callback(event)

    async def _watch(self) -> None:
        """Close a connection on which nothing was heard for too long (a suspended machine, a dead network)."""
        interval = object_of(self.hello.get("policy")).get("tickIntervalMs")
        interval_ms = (
            min(max(interval, 1), limits.MAX_TICK_MS) if isinstance(interval, (int, float)) else limits.TICK_MS
        )
        patience = limits.DEAD_AFTER_TICKS * interval_ms / 1000 + 1
        while True:
            await asyncio.sleep(patience / 4)
            if monotonic() - self._heard_at > patience and self._socket is not None:
                # Tornado cuts it 5 s later without an answer.
                self._socket.close(limits.TICK_TIMEOUT_CODE, "tick timeout")
                return


async def _drain(socket: WebSocketClientConnection) -> None:
    while await socket.read_message() is not None:
        pass
