"""Connections to running kernels: requests, their outputs as they come, questions of ``input()``, and subshells.

One connection a kernel, with a session key of its own so that a kernel's ``input()`` asks here only for what was
started here. A page that uses the same kernel sees the cells run, and does not show their outputs.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import zmq
from jupyter_client.session import Session
from jupyter_server.utils import ensure_async

from .errors import HandsError
from .host import JupyterHost
from .sessions import Sessions

log = logging.getLogger(__name__)

READY_S = 15.0
"""Seconds that a kernel has to answer for the first time."""
STDIN_LOOK_S = 0.05
LOOK_S = 0.5
"""Interval at which a kernel that owes an answer is looked at: it may have died or been restarted."""
IDLE_S = 1.5
"""Seconds within which an idle kernel answers, also on a loaded machine."""
QUESTION_S = 10.0
"""Seconds for an answer about variables, docs and packages."""
SUBSHELLS = "kernel subshells"

Message = Mapping[str, Any]


class Call:
    """One request to a kernel: the reply and the messages that belong to it."""

    def __init__(self, on_message: Callable[[Message], None] | None, on_input: Callable[[Message], None] | None):
        loop = asyncio.get_running_loop()
        self.reply: asyncio.Future[Message] = loop.create_future()
        self.idle: asyncio.Future[None] = loop.create_future()
        self.on_message, self.on_input = on_message, on_input
        self.id = ""

    def fail(self, error: HandsError) -> None:
        for future in (self.reply, self.idle):
            if not future.done():
                future.set_exception(error)
                future.exception()  # looked at, so that asyncio does not complain


class _Connected:
    """Whether a socket's connection to a kernel stands.

    A kernel drops a question for an identity that it does not know yet, and waits for the answer for ever; no message
    tells when it knows it. So ZeroMQ's own events are watched, which have to be asked for before the connection is
    made: it is made again here, with the identity, which must not be known by two connections.
    """

    def __init__(self, socket: zmq.Socket[bytes], identity: bytes):
        self._socket = socket
        address = socket.get_string(zmq.LAST_ENDPOINT).rstrip("\0")
        socket.disconnect(address)
        socket.identity = identity
        events = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
        self._events: zmq.Socket[bytes] = zmq.Socket.shadow(
            events
        )  # without the futures that an asynchronous context gives
        self._seen = False
        socket.connect(address)

    def now(self) -> bool:
        if not self._seen and self._events.poll(0):
            self._seen = True
        return self._seen

    def close(self) -> None:
        """Watch no longer. May be called again."""
        if not self._events.closed:
            self._socket.disable_monitor()
            self._events.close(linger=0)


class KernelLink:
    """A client of one incarnation of a kernel."""

    def __init__(self, sessions: Sessions, kernel_id: str):
        self._sessions, self.kernel_id = sessions, kernel_id
        self.incarnation = sessions.incarnation(kernel_id)
        manager = sessions.host.kernels.get_kernel(kernel_id)
        self._session = Session(username="clawdbot", key=manager.session.key)
        self._session.signature_scheme = manager.session.signature_scheme
        self._streams = _streams(manager, self._session.bsession)
        self._stdin = _Connected(self._streams["stdin"].socket, self._session.bsession)
        self._calls: dict[str, Call] = {}
        self._heard = asyncio.Event()
        self._subshell: str | None = None
        self.features: frozenset[str] = frozenset()
        self.language = ""

    # -- life ---------------------------------------------------------------------------------------------------------
    async def open(self) -> None:
        """Connect and wait until outputs and questions of the kernel arrive. Raises ``NO_ANSWER``, ``NO_KERNEL``."""
        for name, stream in self._streams.items():
            stream.on_recv(partial(self._received, name))
        ends = asyncio.get_running_loop().time() + READY_S
        calls: list[Call] = []
        while not (self._heard.is_set() and self._stdin.now() and any(call.reply.done() for call in calls)):
            if asyncio.get_running_loop().time() > ends:
                raise HandsError("NO_ANSWER", "the kernel does not answer")
            # Asked again, since what is sent before the outputs are subscribed to is not heard; on the control channel
            # too, which a kernel serves while a cell runs.
            calls += [self._send("kernel_info_request", {}, channel=channel) for channel in ("shell", "control")]
            await asyncio.wait([call.reply for call in calls], timeout=0.2, return_when=asyncio.FIRST_COMPLETED)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._heard.wait(), 0.2)
            if not self._stdin.now():
                await asyncio.sleep(STDIN_LOOK_S)
        self._stdin.close()
        info = next(call.reply.result()["content"] for call in calls if call.reply.done())
        for call in calls:
            self._calls.pop(call.id, None)
        self.features = frozenset(info.get("supported_features") or ())
        self.language = str((info.get("language_info") or {}).get("name") or "")

    async def close(self) -> None:
        """Disconnect; calls under way fail."""
        self._stdin.close()
        for stream in self._streams.values():
            stream.close(linger=0)
        for call in list(self._calls.values()):
            call.fail(HandsError("KERNEL_DIED", "the connection to the kernel was closed"))

    @property
    def current(self) -> bool:
        """Whether the kernel is still the process that this is a client of."""
        kernels = self._sessions.host.kernels
        return self.kernel_id in kernels and self._sessions.incarnation(self.kernel_id) == self.incarnation

    async def _alive(self) -> bool:
        kernels = self._sessions.host.kernels
        return self.current and bool(await ensure_async(kernels.is_alive(self.kernel_id)))

    # -- messages ------------------------------------------------------------------------------------------------------
    def _received(self, name: str, frames: list[bytes]) -> None:
        if name == "iopub":
            self._heard.set()
        try:
            _, fed = self._session.feed_identities(frames)
            message = self._session.deserialize(fed)
        except ValueError as exc:  # not signed with the kernel's key, or seen before
            log.warning("a message of kernel %s was refused: %s", self.kernel_id, exc)
            return
        call = self._calls.get((message.get("parent_header") or {}).get("msg_id", ""))
        if call is None:
            return
        try:
            self._dispatch(name, message, call)
        except Exception as exc:  # a foreign kernel's message: the call fails, the connection goes on
            log.exception("a message of a kernel was not understood")
            call.fail(HandsError("FAILED", f"the kernel sent a message that is not understood: {exc}"[:300]))

    def _dispatch(self, name: str, message: Message, call: Call) -> None:
        kind = message["header"]["msg_type"]
        if name in ("shell", "control"):
            if not call.reply.done():
                call.reply.set_result(message)
        elif name == "stdin":
            if kind == "input_request" and call.on_input is not None:
                call.on_input(message)
        elif kind == "status":
            if message["content"].get("execution_state") == "idle" and not call.idle.done():
                call.idle.set_result(None)
        elif call.on_message is not None:
            call.on_message(message)

    def _send(
        self,
        kind: str,
        content: Mapping[str, Any],
        *,
        channel: str = "shell",
        subshell: str | None = None,
        call: Call | None = None,
    ) -> Call:
        call = call or Call(None, None)
        message = self._session.msg(kind, dict(content))
        if subshell is not None:
            message["header"]["subshell_id"] = subshell
        id_ = message["header"]["msg_id"]
        self._calls[id_] = call
        call.id = id_
        self._session.send(self._streams[channel], message)
        return call

    async def interrupt(self) -> None:
        """Interrupt what runs. Raises ``NO_KERNEL``, ``FAILED``."""
        if self.current:
            await self._sessions.interrupt(self.kernel_id)

    def answer_input(self, value: str) -> None:
        """Answer the ``input()`` that the kernel waits in."""
        self._session.send(self._streams["stdin"], self._session.msg("input_reply", {"value": value}))

    async def request(
        self,
        kind: str,
        content: Mapping[str, Any],
        *,
        on_message: Callable[[Message], None] | None = None,
        on_input: Callable[[Message], None] | None = None,
        subshell: str | None = None,
        channel: str = "shell",
        timeout_s: float | None = None,
    ) -> Message:
        """Send a request and wait for its reply and the end of its outputs; the reply's content.

        Raises:
            HandsError: ``KERNEL_DIED``, ``TIMEOUT``.
        """
        call = self._send(kind, content, subshell=subshell, channel=channel, call=Call(on_message, on_input))
        ends = None if timeout_s is None else asyncio.get_running_loop().time() + timeout_s
        waiting: set[asyncio.Future[Any]] = {call.reply, call.idle}
        try:
            while waiting:
                left = LOOK_S if ends is None else min(LOOK_S, ends - asyncio.get_running_loop().time())
                if left <= 0:
                    raise HandsError("TIMEOUT", "the kernel did not answer in time")
                done, waiting = await asyncio.wait(waiting, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                if not done and not await self._alive():
                    raise HandsError("KERNEL_DIED", "the kernel died or was restarted")
                if call.reply.done() and call.reply.result()["content"].get("status") == "aborted":
                    break  # there is no end of outputs for what was never begun
        finally:
            self._calls.pop(call.id, None)
        content_: Message = call.reply.result()["content"]
        return content_

    async def ask(self, kind: str, content: Mapping[str, Any], *, timeout_s: float = QUESTION_S) -> Message:
        """Ask something that changes nothing: beside a running cell where the kernel can (subshells).

        Raises:
            HandsError: ``KERNEL_BUSY``; as ``request``.
        """
        subshell = await self._get_subshell()
        if subshell is None:
            await self.require_idle("a cell runs, and this kernel cannot be asked beside it")
        return await self.request(kind, content, subshell=subshell, timeout_s=timeout_s)

    async def wait_idle(self) -> None:
        """Wait for the end of what runs or waits in the kernel, also of others. Raises ``KERNEL_DIED``.

        A kernel answers in order. What the server knows of its state is no use: an answer beside a cell makes it idle.
        """
        await self.request("kernel_info_request", {})

    async def require_idle(self, reason: str) -> None:
        """Raise ``KERNEL_BUSY`` with the reason if the kernel is not idle within ``IDLE_S``."""
        if not await self.is_idle(IDLE_S):
            raise HandsError("KERNEL_BUSY", reason)

    async def is_idle(self, seconds: float) -> bool:
        """Whether the kernel answers within so many seconds. Raises ``KERNEL_DIED``."""
        try:
            await self.request("kernel_info_request", {}, timeout_s=seconds)
        except HandsError as exc:
            if exc.code == "TIMEOUT":
                return False
            raise
        return True

    async def _get_subshell(self) -> str | None:
        if SUBSHELLS not in self.features:
            return None
        if self._subshell is None:
            reply = await self.request("create_subshell_request", {}, channel="control", timeout_s=QUESTION_S)
            self._subshell = reply.get("subshell_id")
        return self._subshell


class Kernels:
    """The connections to the server's kernels, made when they are needed."""

    def __init__(self, host: JupyterHost, sessions: Sessions):
        self._host, self.sessions = host, sessions
        self._links: dict[str, KernelLink] = {}
        self._opening = asyncio.Lock()

    async def link(self, kernel_id: str) -> KernelLink:
        """The connection to a kernel as it is now. Raises ``NO_KERNEL``, ``NO_ANSWER``, ``NOT_SUPPORTED``."""
        async with self._opening:
            for known, link in list(self._links.items()):
                if not link.current:
                    del self._links[known]
                    await link.close()
            if kernel_id not in self._links:
                if kernel_id not in self._host.kernels:
                    raise HandsError("NO_KERNEL", "the kernel does not run any more")
                link = KernelLink(self.sessions, kernel_id)
                try:
                    await link.open()
                except BaseException:
                    await link.close()
                    raise
                self._links[kernel_id] = link
            return self._links[kernel_id]

    async def close(self) -> None:
        """Disconnect from all kernels; they go on."""
        links, self._links = list(self._links.values()), {}
        for link in links:
            await link.close()


def _streams(manager: Any, identity: bytes) -> dict[str, Any]:
    """The channels of a kernel, as streams of the loop: what arrives at jupyter_client's own while something is
    sent stays unread until the next message. Raises ``NOT_SUPPORTED``."""
    try:
        return {
            "stdin": manager.connect_stdin(),  # its identity comes with ``_Connected``
            "shell": manager.connect_shell(identity=identity),
            "control": manager.connect_control(identity=identity),
            "iopub": manager.connect_iopub(identity=identity),
        }
    except (AttributeError, NotImplementedError) as exc:
        raise HandsError("NOT_SUPPORTED", "this server keeps its kernels elsewhere (a kernel gateway)") from exc
