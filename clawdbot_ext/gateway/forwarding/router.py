"""The way of a request to the gateway that carries it out."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec

from ...protocol import frames
from ...protocol.errors import GatewayError, Relayed, ShuttingDown, Unavailable
from ...protocol.frames import Request
from ...protocol.keys import is_temporary
from ...protocol.schema import METHODS, NodeEventParams, NodeInvokeParams, Params
from ..access.policy import require_method
from ..connections.connection import Connection
from ..connections.nodes import node_id, payload_of
from ..connections.remote import RemoteConnection
from ..dispatch import authorize, dispatch, read_params, told
from ..services import Services
from .homes import Homes
from .link import Link
from .messages import Answer, Ask, Done
from .subjects import ABOUT, About, is_send, may_repeat, named_key

PATIENCE_S = 20.0
"""The time in which a session whose home has died gets another one, and more."""
LOOK_AGAIN_S = 0.1

Send = Callable[[bytes], None]
Place = str | Link | None
"""A session key, another gateway, or ``None``: here."""


class Router:
    """Carries requests out here, or has the gateway do it that they belong to."""

    def __init__(self, services: Services, homes: Homes, links: Mapping[str, Link], member: Callable[[], str]) -> None:
        self._services, self._homes, self._links, self._member = services, homes, links, member
        self._in_line: Counter[str] = Counter()
        """By session: requests that have not begun yet; later ones come after them."""
        self.asked_by: dict[str, str] = {}
        """Invocation of a node of this gateway → the member that waits for its result."""
        self.questions: dict[str, str] = {}
        """Open question → the member at which it waits."""
        self.transcripts: Mapping[str, str] = {}
        """The current transcript of a temporary session of another gateway → that session."""
        self.stopped = False

    # -- requests of own clients ------------------------------------------------------------------------------------
    def dispatch(self, caller: Connection, request: Request, send: Send) -> Coroutine[Any, Any, None] | None:
        """As ``dispatch.dispatch``, wherever it is carried out."""
        about = ABOUT.get(request.method, About.NOTHING)
        row = METHODS.get(request.method)
        if about is About.NOTHING or row is None:
            return dispatch(self._services, caller, request, send)
        try:
            authorize(row, caller)
            require_method(self._services.config(), request.method)
            if len(memoryview(request.params)) > frames.LARGE_BYTES:
                return self._route(caller, request, send, self._place_of_large(caller, request))
            params = read_params(request.method, row.params, request.params)
            if about is About.SESSIONS:
                return self._route_parts(caller, request, send, params)
            place = self._place(about, caller, request, params)
        except GatewayError:  # the answer says why
            return dispatch(self._services, caller, request, send)
        if place is None:
            return dispatch(self._services, caller, request, send)
        if isinstance(place, str) and self._homes.is_own(place) and not self._in_line[place] and not self.stopped:
            return self._here(place, caller, request, send)
        return self._route(caller, request, send, place)

    def _here(self, key: str, caller: Connection, request: Request, send: Send) -> Coroutine[Any, Any, None] | None:
        rest = dispatch(self._services, caller, request, send)
        self._homes.touch(key)
        return None if rest is None else self._finish(key, rest)

    async def _finish(self, key: str, rest: Coroutine[Any, Any, None]) -> None:
        with self._homes.used(key):
            await rest

    async def _route(self, caller: Connection, request: Request, send: Send, place: Any) -> None:
        with told(caller, request, send):
            if not isinstance(place, (str, Link)):
                place = await place
            if isinstance(place, str):
                await self._at_home(place, caller, request, send)
            elif isinstance(place, Link):
                asked = place.ask(caller, request, "", send)
                if await asked.outcome != "done":
                    raise _gone()
            elif (rest := dispatch(self._services, caller, request, send)) is not None:
                await rest

    async def _at_home(self, key: str, caller: Connection, request: Request, send: Send) -> None:
        """Have the home of a session carry out a request; again, if it dies meanwhile and that does no harm."""
        end, once = time.monotonic() + PATIENCE_S, _Once(send)
        while True:
            if self.stopped:
                raise ShuttingDown("the gateway is stopping")
            with self._waiting(key):
                begun = self._begin(await self._homes.find(key), key, caller, request, once)
            outcome = await begun
            if outcome == "done":
                return
            if outcome == "lost" and not may_repeat(request.method):
                raise _gone()
            once.again()
            self._homes.forget(key)
            if time.monotonic() > end:
                raise Unavailable("no gateway has this conversation at present", reason="NO_HOME", retry_after_ms=1000)
            await asyncio.sleep(LOOK_AGAIN_S)

    def _begin(self, home: str, key: str, caller: Connection, request: Request, send: Send) -> Awaitable[str]:
        """Begin to carry out a request here or at another home; its outcome, as ``link.Asked`` has it."""
        if home == self._member():
            return _done(self._here(key, caller, request, send))
        link = self._links.get(home)
        if link is None:
            return _moved()
        return link.ask(caller, request, key, send).outcome

    async def _route_parts(self, caller: Connection, request: Request, send: Send, params: Params) -> None:
        """Carry out ``sessions.bulk``: each home does its part, and the answers are joined."""
        with told(caller, request, send):
            keys = list(dict.fromkeys(map(self._services.sessions.canonical, getattr(params, "keys", ()))))
            homes = dict(zip(keys, await asyncio.gather(*map(self._homes.find, keys)), strict=True))
            parts = [[key for key in keys if homes[key] == home] for home in dict.fromkeys(homes.values())]
            given = msgspec.json.decode(request.params)
            results = await asyncio.gather(*(self._part(caller, request, {**given, "keys": part}) for part in parts))
            joined: dict[str, Any] = {"done": [], "failed": []}
            for part, (result, error) in zip(parts, results, strict=True):
                joined["done"] += result.pop("done", [])
                joined["failed"] += result.pop("failed", []) or [{"key": key, "error": error} for key in part if error]
                joined |= result
            send(frames.response(request.id, joined))

    async def _part(
        self, caller: Connection, request: Request, params: Mapping[str, Any]
    ) -> tuple[dict[str, Any], Mapping[str, Any] | None]:
        """The result of a request for some of its sessions, which have one home, or its error."""
        part = Request(request.id, request.method, msgspec.Raw(msgspec.json.encode(params)))
        return await self._answer(caller, part, params["keys"][0])

    async def _answer(
        self, caller: Connection, request: Request, key: str
    ) -> tuple[dict[str, Any], Mapping[str, Any] | None]:
        """The result of a request about a session, or its error."""
        got: list[bytes] = []
        with told(caller, request, got.append):
            await self._at_home(key, caller, request, got.append)
        frame = msgspec.json.decode(got[0])
        return frame.get("payload", {}), frame.get("error")

    async def ask(
        self, caller: Connection, method: str, params: Mapping[str, Any], key: str
    ) -> Mapping[str, Any] | None:
        """As ``services.Others.ask``."""
        if await self._homes.find(key) == self._member():
            return None
        payload, error = await self._answer(caller, Request("", method, msgspec.Raw(msgspec.json.encode(params))), key)
        if error is not None:
            raise Relayed(error)
        return payload

    @contextmanager
    def _waiting(self, key: str) -> Iterator[None]:
        self._in_line[key] += 1
        try:
            yield
        finally:
            self._in_line[key] -= 1
            if not self._in_line[key]:
                del self._in_line[key]

    # -- requests of other gateways' clients ------------------------------------------------------------------------
    def serve(self, link: Link, ask: Ask) -> Coroutine[Any, Any, None] | None:
        """Carry out a request that another gateway passes on. Returns the rest of the work, if any."""
        client = link.clients.get(ask.conn_id)
        if client is None or self.stopped or (self._services.runs.stopping and is_send(ask.method)):
            link.post(Done(ask.number, moved=True))
            return None
        if ask.session_key and (not self._homes.is_own(ask.session_key) or self._in_line[ask.session_key]):
            return self._serve_later(link, client, ask)
        rest = self._serve(link, client, ask)
        if rest is None:
            link.post(Done(ask.number))
            return None
        return self._serve_rest(link, ask, rest)

    def _serve(self, link: Link, client: RemoteConnection, ask: Ask) -> Coroutine[Any, Any, None] | None:
        def send(frame: bytes) -> None:
            link.post(Answer(ask.number, frame))

        request = Request(ask.request_id, ask.method, msgspec.Raw(ask.params))
        if ask.session_key:
            return self._here(ask.session_key, client, request, send)
        return dispatch(self._services, client, request, send)

    async def _serve_rest(self, link: Link, ask: Ask, rest: Coroutine[Any, Any, None]) -> None:
        try:
            await rest
        finally:
            link.post(Done(ask.number))

    async def _serve_later(self, link: Link, client: RemoteConnection, ask: Ask) -> None:
        moved = True
        rest: Coroutine[Any, Any, None] | None = None
        try:
            with self._waiting(ask.session_key):
                if await self._homes.find(ask.session_key) == self._member() and not self.stopped:
                    moved = False
                    rest = self._serve(link, client, ask)
            if rest is not None:
                await rest
        except GatewayError:  # the home cannot be looked up now: the other gateway asks again
            moved = True
        finally:
            link.post(Done(ask.number, moved))

    # -- the place of a request -------------------------------------------------------------------------------------
    async def _place_of_large(self, caller: Connection, request: Request) -> Any:
        row = METHODS[request.method]
        params = await asyncio.to_thread(read_params, request.method, row.params, request.params)
        place = self._place(ABOUT[request.method], caller, request, params)
        return place if place is None or isinstance(place, (str, Link)) else await place

    def _place(self, about: About, caller: Connection, request: Request, params: Params) -> Any:
        """A ``Place``, or a coroutine that finds it. Raises ``GatewayError``."""
        if about is About.SESSION:
            return self._key_of(request.method, params)
        if about is About.TEMPORARY:
            named = named_key(params) or self.transcripts.get(str(getattr(params, "session_id", None) or "").strip())
            return named if named is not None and is_temporary(named) else None
        if about is About.MAIN:
            of_device = str(getattr(params, "text", "")).startswith("Node:")
            return None if of_device else self._services.sessions.main_key()
        if about is About.NODE:
            assert isinstance(params, NodeInvokeParams)
            return _owner(self._services.peers.nodes.connected().get(params.node_id))
        if about is About.TOLD:
            assert isinstance(params, NodeEventParams)
            return self._place_of_told(caller, params)
        subject: str = getattr(params, "id", "")
        if about is About.CHANGE:
            return self._session_of_change(subject)
        if about is About.APPROVAL:
            own = subject in self._services.runs.approvals.pending
            return None if own else self._links.get(self.questions.get(subject, ""))
        if about is About.INVOCATION:
            return self._links.get(self.asked_by.pop(subject, ""))
        return None

    def _key_of(self, method: str, params: Params) -> Any:
        sessions = self._services.sessions
        if (named := named_key(params)) is not None:
            return sessions.canonical(named)
        if session_id := str(getattr(params, "session_id", None) or "").strip():
            otherwise = sessions.canonical(session_id) if method == "agent" else None
            return self._session_of_transcript(session_id, otherwise)
        return sessions.main_key() if method == "agent" else None

    async def _session_of_transcript(self, session_id: str, otherwise: str | None) -> str | None:
        if (key := self.transcripts.get(session_id)) is not None:
            return key
        session = (await self._services.store.history(session_id=session_id, limit=1)).session
        return session.key if session is not None else otherwise

    async def _session_of_change(self, id_: str) -> str | None:
        change = await self._services.store.get_change(id_)
        return None if change is None else str(change["sessionKey"])

    def _place_of_told(self, caller: Connection, params: NodeEventParams) -> Any:
        payload = payload_of(params)
        facts = payload if isinstance(payload, Mapping) else {}
        sessions = self._services.sessions
        if params.event == "node.progress":
            return self._links.get(self.asked_by.get(str(facts.get("id")), ""))
        if params.event in ("exec.started", "exec.finished", "exec.denied"):
            return sessions.main_key()
        if params.event in ("agent.request", "voice.transcript"):
            key = facts.get("sessionKey")
            if isinstance(key, str) and key.strip():
                return sessions.canonical(key)
            of_voice = params.event == "voice.transcript"
            return sessions.main_key() if of_voice else sessions.canonical(f"node-{node_id(caller)}")
        return None


class _Once:
    """Passes each response on once, also when the request is made again."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._passed = self._seen = 0

    def again(self) -> None:
        """The request is made again: the responses begin anew."""
        self._seen = 0

    def __call__(self, frame: bytes) -> None:
        self._seen += 1
        if self._seen > self._passed:
            self._passed += 1
            self._send(frame)


async def _done(rest: Awaitable[None] | None) -> str:
    if rest is not None:
        await rest
    return "done"


async def _moved() -> str:
    return "moved"


def _owner(node: Connection | None) -> Link | None:
    owner = node.owner if isinstance(node, RemoteConnection) else None
    return owner if isinstance(owner, Link) else None


def _gone() -> Unavailable:
    return Unavailable(
        "the gateway that was asked went away before it answered; look whether it was done, and try again",
        reason="GATEWAY_GONE",
    )
