"""The gateway object: what it is made of, how it starts and stops, who is connected.

One process has one ``Gateway``; the edge (``handlers.py``, ``app.py``) makes it, calls ``start``, ``accept`` for each
socket and ``stop``. Everything a client may ask is a function in one of the method modules (``chat``, ``sessions`` …).
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any

from .. import discovery
from .._version import __version__
from ..agent.models import Model
from ..agent.prompt import Environment
from ..agent.provider import ThinkingLevel
from ..agent.registry import Providers
from ..config import Config
from ..protocol.clock import now_ms
from ..protocol.errors import GatewayError
from ..protocol.frames import CloseCode, encode
from ..protocol.keys import AGENT_ID, canonical, is_temporary, main_session_key
from ..protocol.schema import (
    CAP_APPEND,
    CAP_SESSION_EVENTS,
    CAP_SUBSCRIBE,
    CAP_SWITCH,
    EVENTS,
    PROTOCOL_VERSION,
    SCOPE_APPROVALS,
    SessionChange,
    SessionChangedEvent,
    ShutdownEvent,
    TickEvent,
)
from ..store.api import Session, Store, StoreDamaged
from . import (  # noqa: F401  each registers its methods
    agents,
    approvals,
    branches,
    chat,
    configuration,
    credentials,
    devices,
    export,
    importing,
    models,
    nodes,
    presence,
    prompts,
    search,
    sessions,
    surface,
    system,
    tail,
    usage,
)
from .approvals import Approvals
from .auth import Auth
from .broadcast import Broadcast
from .client import Client, Peer
from .devices import Devices
from .entries import session_entry
from .files import Listing
from .limits import Requests
from .live import LiveConfig
from .media import methods as _media_methods  # noqa: F401  registers them
from .media.attachments import ReadFile
from .media.library import Library
from .methods import callable_by
from .nodes import Nodes
from .policy import disabled, methods_off, require
from .presence import Presence
from .rotation import hash_stored_password
from .runs import Runs
from .sweeper import Sweeper
from .titles import Titles

log = logging.getLogger(__name__)

POLL_INTERVAL_S = 1.0
"""How soon a change of the configuration file by another process is noticed."""


class Gateway:
    """The parts and the clients of one running gateway."""

    def __init__(
        self,
        live: LiveConfig,
        store: Store,
        auth: Auth,
        providers: Providers | None = None,
        environment: Environment | None = None,
        files: Listing | None = None,
    ):
        self.live, self.store, self.auth = live, store, auth
        self.providers = providers or Providers(live)
        self.models = self.providers.models
        self.environment = environment or Environment()
        self.files = files
        """Lists directories of the Jupyter server; ``None`` where there is none."""
        self.broadcast = Broadcast()
        self.runs = Runs(self)
        self.sweeper = Sweeper(store)
        self.presence = Presence(self)
        self.devices = Devices(self, lambda: discovery.secret(live(), "devices"))
        auth.device_scopes = self.devices.scopes_of
        self.nodes = Nodes(self)
        self.approvals = Approvals()
        self.titles = Titles(self)
        self.media = Library(live, store)
        self.read_file: ReadFile | None = None
        """Reads files of the Jupyter server; ``None`` where there is none."""
        self.requests = Requests()
        self.changing_config = 0
        """How many changes of the configuration file by clients are under way."""
        self.started_at = now_ms()
        self.on_stop_requested: Callable[[bool], None] = lambda restart: None
        """Called by the method ``gateway.stop``; the edge decides what stopping means where it runs."""
        self.before_rotation: Callable[[], None] = lambda: None
        """Called before there is another secret: the edge ends what is not the gateway's own and could read it."""
        self.on_void: Callable[[], None] = lambda: None
        """Called when something that others were made by may be void; the edge ends what came of it."""
        self.known_sessions: dict[str, Any] = {"count": 0, "recent": []}
        """How many sessions there are and the newest, as ``health`` tells; looked up by the method."""
        self._pending: set[Client] = set()
        self._ticker: asyncio.Task[None] | None = None
        self._warming: asyncio.Task[None] | None = None

    # -- life -------------------------------------------------------------------------------------------------------
    async def start(self) -> None:
        """Open the store, end what a crash cut off, take up what was still waiting. Raises the store's errors."""
        await self.store.open()
        try:
            await self.devices.load()
            await credentials.load_logged_out(self)
            await self.media.open()
            await self.runs.recover()
        except BaseException:
            await self.store.close()
            raise
        self.sweeper.start()
        self.live.watch(self._config_changed)
        self._ticker = asyncio.create_task(self._tick(), name="tick")

    async def stop(self, reason: str = "stopping", restart_expected_ms: int | None = None) -> None:
        """Say goodbye, let runs end or mark them interrupted (≤ 8 s), close sockets, close the store."""
        if self._ticker:
            self._ticker.cancel()
            self._ticker = None
            self.live.unwatch(self._config_changed)
        self.presence.close()
        event = ShutdownEvent(reason=reason)
        if restart_expected_ms is not None:
            event.restart_expected_ms = restart_expected_ms
        self.broadcast.emit("shutdown", event)
        await self.runs.drain()
        await self.titles.close()
        restart = restart_expected_ms is not None
        for client in [*self.broadcast.clients, *self._pending]:
            code, why = (CloseCode.RESTART, "service restart") if restart else (CloseCode.GOING_AWAY, reason)
            client.close(code, why)
        await self.sweeper.stop()
        try:
            await self.providers.aclose()
            await self.media.close()
        finally:
            await self.store.close()

    async def _tick(self) -> None:
        elapsed = 0.0
        while True:
            await asyncio.sleep(POLL_INTERVAL_S)
            try:
                self.poll_config()
                self.on_void()  # what has expired, or was taken back by another process
                await self.runs.store_late_ends()
            except (OSError, StoreDamaged, GatewayError) as exc:  # the disk: clients hear ticks all the same
                log.error("%s", exc)
            elapsed += POLL_INTERVAL_S
            if elapsed * 1000 >= self.live()["gateway.tickIntervalMs"]:
                elapsed = 0.0
                self.broadcast.emit("tick", TickEvent(ts=now_ms()))

    def poll_config(self) -> None:
        """Take up what another process has changed; a password that it has written as text becomes a hash."""
        if self.changing_config:  # by a client, who gets an answer before anybody is disconnected for it
            return
        before = self.live()
        self.live.poll()
        if self.live() is not before:
            configuration.note_changes(self, before, {"via": "file"})
            if hash_stored_password(self.live()):
                self.live.reload()

    def _config_changed(self, config: Config) -> None:
        self.providers.reload()
        self.warm_up()
        self.broadcast.emit("health", self.health())

    def warm_up(self) -> None:
        """Import the provider's SDK and list its models in the background, so that no message waits for it.

        Done when the first client comes, if not before: a server that nobody talks to stays light. The demo needs
        neither."""
        if not self.setup()["needsKey"]:
            self._warming = asyncio.create_task(self.providers.warm(), name="warm up")

    # -- clients ----------------------------------------------------------------------------------------------------
    def accept(self, peer: Peer) -> Client:
        """A socket has opened: the client is challenged at once."""
        client = Client(self, peer)
        self._pending.add(client)
        return client

    def joined(self, client: Client) -> None:
        self._pending.discard(client)
        self.broadcast.clients.add(client)
        if client.sees(EVENTS["health"]):
            client.send_event("health", encode(self.health()))
        self.presence.joined(client)
        if self._warming is None:
            self.warm_up()

    def left(self, client: Client) -> None:
        self._pending.discard(client)
        if client in self.broadcast.clients:
            self.broadcast.clients.discard(client)
            self.nodes.left(client)
            self.presence.left(client)

    def hello(self, client: Client) -> dict[str, Any]:
        """The payload of ``hello-ok``."""
        config = self.live()
        identity = client.identity
        assert identity is not None
        return {
            "type": "hello-ok",
            "protocol": PROTOCOL_VERSION,
            "server": {"version": __version__, "host": socket.gethostname(), "connId": client.conn_id},
            "features": {
                "methods": sorted(callable_by(client) - methods_off(config)),
                "events": list(EVENTS),
                "disabled": list(config["policy.disabled"]),
                "caps": [CAP_APPEND, CAP_SESSION_EVENTS, CAP_SWITCH, CAP_SUBSCRIBE],
            },
            "snapshot": {
                "presence": self.presence.rows(),
                "health": self.health(),
                "stateVersion": {"presence": self.presence.version, "health": 1},
                "uptimeMs": now_ms() - self.started_at,
                "configPath": str(config.path),
                "stateDir": str(config.state),
                "sessionDefaults": {
                    "defaultAgentId": AGENT_ID,
                    "mainKey": config["session.mainKey"],
                    "mainSessionKey": main_session_key(config["session.mainKey"]),
                    "scope": "per-sender",
                },
                "setup": self.setup(),
                **({"approvals": self.approvals.rows()} if SCOPE_APPROVALS in client.scopes else {}),
            },
            "policy": {
                "maxPayload": config["gateway.maxPayloadBytes"],
                "maxBufferedBytes": config["gateway.maxBufferedBytes"],
                "tickIntervalMs": config["gateway.tickIntervalMs"],
            },
        } | {"user": {"name": identity.user, "via": identity.via, "scopes": sorted(client.scopes)}}

    # -- small questions that every method asks -----------------------------------------------------------------------
    def canonical(self, key: str) -> str:
        """The one spelling of a session key. Raises ``InvalidRequest``, and ``SwitchedOff`` of a temporary one."""
        if is_temporary(found := canonical(key, self.live()["session.mainKey"])):
            require(self.live(), "temporary")
        return found

    def main_key(self) -> str:
        return main_session_key(self.live()["session.mainKey"])

    def thinking_level(self, session: Session | None) -> ThinkingLevel:
        """The session's own level, else the default's."""
        own: ThinkingLevel | None = session.settings.get("thinkingLevel") if session else None
        return own or self.live()["agents.defaults.thinking"]

    def session_model(self, session: Session | None) -> Model:
        """The model that would answer in a session now; the default when its own is gone."""
        own = session.settings.get("model") if session else None
        return self.models.find(own) or self.models.default()

    def entry(self, session: Session, *, titles: bool = True, last_message: bool = True) -> dict[str, Any]:
        """A session as clients see it."""
        return session_entry(
            session,
            model=self.session_model(session),
            running=self.runs.active(session.key) is not None,
            queued=len(self.runs.queued(session.key)),
            titles=titles,
            last_message=last_message,
        )

    def tell_session(self, session: Session, reason: SessionChange) -> None:
        """Tell clients with ``session.events`` what a session is now; nothing of one that is deleted (epoch 0)."""
        if session.epoch == 0:
            return
        self.broadcast.emit(
            "session.changed",
            lambda: SessionChangedEvent(key=session.key, reason=reason, entry=self.entry(session)),
            session=session.key,
        )

    def tell_deleted(self, key: str) -> None:
        self.broadcast.emit("session.changed", lambda: SessionChangedEvent(key=key, reason="deleted"), session=key)

    @staticmethod
    def after_answer(call: Callable[[], None]) -> None:
        """Do something once the response under way has been sent."""
        asyncio.get_running_loop().call_soon(call)

    # -- what it knows of itself --------------------------------------------------------------------------------------
    def setup(self) -> dict[str, Any]:
        """Which provider answers, and whether the user should be asked for a key."""
        name = self.providers.default_name()
        return {"provider": name, "needsKey": name == "demo" and not disabled(self.live(), "settings")}

    def health(self) -> dict[str, Any]:
        """The payload of ``health`` (method and event): no I/O; ``sessions`` is what was last looked up."""
        known = {"path": str(self.live().home), **self.known_sessions}
        return {
            "ok": True,
            "ts": now_ms(),
            "durationMs": 0,
            "channels": {},
            "channelOrder": [],
            "channelLabels": {},
            "heartbeatSeconds": 0,
            "defaultAgentId": AGENT_ID,
            "agents": [
                {
                    "agentId": AGENT_ID,
                    "isDefault": True,
                    "heartbeat": {"enabled": False, "every": "0m", "everyMs": None},
                    "sessions": known,
                }
            ],
            "sessions": known,
            "uptimeMs": now_ms() - self.started_at,
            "runs": self.runs.counts(),
            "setup": self.setup(),
        }
