"""The gateway: the composition root of the services, and the owner of the connections.

A process has at most one ``Gateway``. The server package creates it and calls ``start``, ``accept`` for each socket and
``stop``. The methods of the wire are functions in ``gateway/methods``, which get the ``Services``.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import cached_property
from typing import Any

from .._version import __version__
from ..agent.context.system_prompt import Environment
from ..agent.providers.registry import Providers
from ..cluster.api import Cluster
from ..config import Config
from ..config.live import LiveConfig
from ..protocol.clock import now_ms
from ..protocol.errors import GatewayError
from ..protocol.frames import CloseCode, Request, encode
from ..protocol.keys import AGENT_ID, main_session_key
from ..protocol.schema import (
    CAP_APPEND,
    CAP_SESSION_EVENTS,
    CAP_SUBSCRIBE,
    CAP_SWITCH,
    EVENTS,
    PROTOCOL_VERSION,
    SCOPE_APPROVALS,
    ShutdownEvent,
    TickEvent,
)
from ..runtime.measures import MEASURES
from ..runtime.paths import conversations
from ..runtime.secrets import get_or_create_secret
from ..runtime.supervision import Supervisor
from ..store.api import Store, StoreDamaged
from . import error_texts, methods  # noqa: F401  its modules register their methods
from .access.auth import Auth
from .access.control import AccessControl
from .access.devices import Devices
from .access.policy import methods_off
from .access.rate_limits import RequestLimits
from .backups import Backups
from .connections.broadcast import Broadcast
from .connections.connection import Connection
from .connections.nodes import Nodes
from .connections.peer import Peer
from .connections.presence import Presence
from .dispatch import callable_by, dispatch
from .forwarding.service import Forwarding
from .hands.approvals import Approvals
from .hands.services import hands_services
from .media.library import MediaLibrary
from .methods.auth import load_logged_out
from .methods.config import poll_file
from .methods.system import health_snapshot
from .runs.budget import Budget
from .runs.context import RunContext
from .runs.conversation import Conversations
from .runs.manager import RunManager
from .services import HostFacts, Peers, Services, SessionDirectory, provider_setup
from .sweeper import Sweeper

log = logging.getLogger(__name__)

TASKS_STOP_S = 1.0
STOP_S = 8.75
"""All of a stop; the server ends it after 9 s, whatever it is doing."""
CUT_OFF_S = 0.75
"""The share of a stop that is kept for ending what does not end by itself."""
LEAST_S = 0.1
RESCUE_S = 5.0
"""A stop waits at most this long until what would be gone with the process is written out."""
ELSEWHERE_MS = 500
"""A client may come back after so long where another gateway goes on."""
POLL_INTERVAL_S = 1.0
"""The interval at which the configuration file is checked for changes by other processes."""


async def _within(ends: float, what: str, work: Awaitable[None]) -> None:
    """Wait for a part of a stop until a time of the monotonic clock, and a moment in any case; one that takes longer
    is given up and logged."""
    try:
        await asyncio.wait_for(work, max(LEAST_S, ends - time.monotonic()))
    except asyncio.TimeoutError:
        log.critical("the gateway stops, and %s did not come to an end in time", what)


class Gateway:
    """The composition root of the gateway: builds the ``Services``, starts and stops them, and owns the connections.

    It implements ``ConnectionHost`` for its connections."""

    def __init__(
        self,
        config: LiveConfig,
        store: Store,
        auth: Auth,
        providers: Providers | None = None,
        host: HostFacts | None = None,
        cluster: Cluster | None = None,
        supervisor: Supervisor | None = None,
    ) -> None:
        """
        Args:
            cluster: the other gateways on the same database; ``None``: there are none.
            supervisor: has the tasks of the cluster, too.
        """
        providers, host = providers or Providers(config), host or HostFacts(Environment())
        events, supervisor = Broadcast(), supervisor or Supervisor()
        media = MediaLibrary(config, store, supervisor)
        devices = Devices(store, auth, emit=events.emit, secret=lambda: get_or_create_secret(config(), "devices"))
        auth.device_scopes = devices.scopes_of
        self.access = AccessControl(config, auth, devices, RequestLimits())
        peers = Peers(
            Presence(events, lambda: main_session_key(config()["session.mainKey"])),
            Nodes(events),
        )
        approvals = Approvals(store, events, lambda: conversations(config()))
        runs = RunManager(
            RunContext(
                config=config,
                store=store,
                events=events,
                providers=providers,
                media=media,
                approvals=approvals,
                hands=hands_services(config, store, events, peers.nodes, approvals, media),
                environment=host.environment,
                announce=lambda session, reason: sessions.announce(session, reason),  # noqa: PLW0108  it does not exist yet
                conversations=Conversations(store),
                budget=Budget(config, store, providers.models),
            )
        )
        sessions = SessionDirectory(config, providers, events, runs, Sweeper(store, supervisor))
        self.services = Services(
            config,
            store,
            events,
            runs,
            sessions,
            providers,
            media,
            self.access,
            peers,
            host,
            supervisor,
            Backups(config, store),
        )
        self.forwarding = Forwarding(self.services, cluster) if cluster is not None else None
        self._host = socket.gethostname()
        self._pending: set[Connection] = set()
        self._ticker: asyncio.Task[None] | None = None
        self._backups: asyncio.Task[None] | None = None
        self._warming: asyncio.Task[None] | None = None
        self._read_only: asyncio.Task[None] | None = None

    def dispatch(
        self, connection: Connection, request: Request, send: Callable[[bytes], None]
    ) -> Coroutine[Any, Any, None] | None:
        """Answer one request of a connection; ``send`` takes response frames. Returns the rest of the work, if any."""
        if self.forwarding is not None:
            return self.forwarding.dispatch(connection, request, send)
        return dispatch(self.services, connection, request, send)

    # -- life -------------------------------------------------------------------------------------------------------
    async def start(self) -> None:
        """Open the store, end what a crash cut off, take up what was still waiting. Raises the store's errors."""
        services = self.services
        await asyncio.to_thread(error_texts.prepare)
        await services.store.open()
        try:
            if self.forwarding is not None:  # no write before this gateway is a member
                await self.forwarding.join()
                self.access.auth.links.shared = services.store
            await services.access.devices.load()
            await load_logged_out(services)
            await services.media.open()
            if self.forwarding is None:
                await services.runs.recover()
            else:
                self.forwarding.start()
        except BaseException:
            await services.store.close()
            raise
        services.sessions.sweeper.start()
        services.runs.hands.retention.start(services.supervisor)
        if services.config()["storage.readOnly"]:
            await self._set_read_only(True)
        services.config.watch(self._config_changed)
        self._ticker = services.supervisor.run("tick", self._tick)
        self._backups = services.supervisor.run("backups", services.backups.run)

    async def stop(self, reason: str = "stopping", restart_expected_ms: int | None = None) -> None:
        """Emit ``shutdown``, let runs end or mark them interrupted (≤ 8 s), close the sockets and the store.

        Where others go on, clients are told to come back at once, which leads them there."""
        services, ends = self.services, time.monotonic() + STOP_S
        if restart_expected_ms is None and self.forwarding is not None and self.forwarding.links:
            restart_expected_ms = ELSEWHERE_MS
        if self._ticker:
            services.config.unwatch(self._config_changed)
        if tasks := [task for task in (self._ticker, self._backups) if task]:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=TASKS_STOP_S)  # neither may use a store that is closed
        self._ticker = self._backups = None
        services.peers.presence.close()
        event = ShutdownEvent(reason=reason)
        if restart_expected_ms is not None:
            event.restart_expected_ms = restart_expected_ms
        services.events.emit("shutdown", event)
        try:
            await self._drain(ends)
            await _within(ends, "what is made in the background", self._end_work())
            restart = restart_expected_ms is not None
            for connection in [*self.clients(), *self._pending]:
                code, why = (CloseCode.RESTART, "service restart") if restart else (CloseCode.GOING_AWAY, reason)
                connection.close(code, why)
            await _within(ends, "connections to providers, and uploads", self._close_services())
        finally:
            await services.store.close()

    async def _drain(self, ends: float) -> None:
        """Let replies end as long as what they say is stored. Where the files are moved meanwhile, write them out."""
        runs, health = self.services.runs, self.services.store.health
        draining = asyncio.create_task(runs.drain(ends - CUT_OFF_S), name="drain")
        while not (health.moved or draining.done()):
            await asyncio.wait({draining}, timeout=POLL_INTERVAL_S)
            await _within(ends, "a look at the files", self._carry_out("files", self._steps["files"]))
        if health.moved:  # nothing is stored any more, so there is no reply to wait for
            draining.cancel()
            await asyncio.wait({draining}, timeout=TASKS_STOP_S)
            rescue = self.services.backups.rescue()
            await _within(min(ends, time.monotonic() + RESCUE_S), "what the database held", rescue)
            await runs.drain(time.monotonic())
        else:
            await draining

    async def _end_work(self) -> None:
        runs = self.services.runs
        await runs.titles.close()
        await runs.hands.running.close()
        if self.forwarding is not None:
            await self.forwarding.stop()

    async def _close_services(self) -> None:
        services = self.services
        await services.sessions.sweeper.stop()
        await services.runs.hands.retention.stop()
        try:
            await services.providers.aclose()
        finally:
            await services.media.close()

    async def _tick(self) -> None:
        services = self.services
        elapsed = 0.0
        while True:
            due = time.monotonic() + POLL_INTERVAL_S
            await asyncio.sleep(POLL_INTERVAL_S)
            MEASURES.last_lag = max(0.0, time.monotonic() - due)
            MEASURES.loop_lag.add(MEASURES.last_lag)
            for name, step in self._steps.items():
                await self._carry_out(name, step)
            elapsed += POLL_INTERVAL_S
            if elapsed * 1000 >= services.config()["gateway.tickIntervalMs"]:
                elapsed = 0.0
                services.events.emit("tick", TickEvent(ts=now_ms()))

    @cached_property
    def _steps(self) -> Mapping[str, Callable[[], Awaitable[None] | None]]:
        """The work of each tick; none keeps the others from theirs."""
        return {
            "configuration": lambda: poll_file(self.services),
            # What has expired, or was taken back by another process; the server assigns it once the gateway is made.
            "credentials": lambda: self.access.on_void(),  # noqa: PLW0108
            "files": lambda: self.services.store.look(locked=self.services.host.holds_lock()),
            "late ends": self.services.runs.store_late_ends,
            "homes": lambda: None if self.forwarding is None else self.forwarding.tick(),
        }

    async def _carry_out(self, name: str, step: Callable[[], Awaitable[None] | None]) -> None:
        troubles = self.services.supervisor.troubles
        try:
            if (pending := step()) is not None:
                await pending
        except Exception as exc:
            if troubles.get(name) != repr(exc):  # once, not every second
                log.error("%s: %s", name, exc, exc_info=not isinstance(exc, (OSError, StoreDamaged, GatewayError)))
            troubles[name] = repr(exc)
        else:
            troubles.pop(name, None)

    def _config_changed(self, config: Config) -> None:
        services = self.services
        services.providers.reload()
        self.warm_up()
        if config["storage.readOnly"] != services.store.health.read_only:
            change = self._set_read_only(config["storage.readOnly"])
            self._read_only = asyncio.create_task(change, name="read only")
        services.events.emit("health", health_snapshot(services))

    async def _set_read_only(self, on: bool) -> None:
        """Carry ``storage.readOnly`` out, and tell it: what failed is seen by the setting and the state differing."""
        services = self.services
        try:
            await services.store.set_read_only(on)
        except (GatewayError, StoreDamaged) as exc:
            log.error("storage.readOnly is not in force: %s", exc)
        else:
            log.warning("conversations can %s", "only be read (storage.readOnly)" if on else "be continued again")
        services.events.emit("health", health_snapshot(services))

    def warm_up(self) -> None:
        """Import the provider's SDK and list its models in the background, so that no message waits for it.

        Done when the first connection comes, if not before: an unused server stays light. The demo needs
        neither."""
        services = self.services
        if not provider_setup(services)["needsKey"]:
            self._warming = asyncio.create_task(services.providers.warm(), name="warm up")

    # -- clients ----------------------------------------------------------------------------------------------------
    def accept(self, peer: Peer) -> Connection:
        """Create the connection of an opened socket, which is challenged at once."""
        connection = Connection(self, peer)
        self._pending.add(connection)
        return connection

    def clients(self) -> tuple[Connection, ...]:
        """The clients that are connected to this very gateway."""
        return tuple(client for client in self.services.events.connections if not client.remote)

    def newcomers(self) -> tuple[Connection, ...]:
        """The sockets that have not logged in yet."""
        return tuple(self._pending)

    def joined(self, connection: Connection) -> None:
        services = self.services
        self._pending.discard(connection)
        services.events.connections.add(connection)
        if self.forwarding is not None:
            self.forwarding.joined(connection)
        if connection.may_receive(EVENTS["health"]):
            connection.send_event("health", encode(health_snapshot(services)))
        services.peers.presence.joined(connection)
        if self._warming is None:
            self.warm_up()

    def left(self, connection: Connection) -> None:
        services = self.services
        self._pending.discard(connection)
        if connection in services.events.connections:
            services.events.connections.discard(connection)
            services.peers.nodes.left(connection)
            services.peers.presence.left(connection)
            if self.forwarding is not None:
                self.forwarding.left(connection)

    def changed(self, connection: Connection) -> None:
        if self.forwarding is not None:
            self.forwarding.changed(connection)

    def _questions(self, connection: Connection) -> dict[str, Any]:
        """The open questions, for clients that may decide."""
        if SCOPE_APPROVALS not in connection.scopes:
            return {}
        return {"approvals": self.services.runs.approvals.rows(connection)}

    def hello(self, connection: Connection) -> dict[str, Any]:
        """The payload of ``hello-ok``."""
        services = self.services
        config = services.config()
        identity = connection.identity
        assert identity is not None
        rows, version = services.peers.presence.for_newcomer()
        return {
            "type": "hello-ok",
            "protocol": PROTOCOL_VERSION,
            "server": {"version": __version__, "host": self._host, "connId": connection.conn_id},
            "features": {
                "methods": callable_by(connection.scopes, methods_off(config).union(services.host.closed)),
                "events": list(EVENTS),
                "disabled": list(config["policy.disabled"]),
                "caps": [CAP_APPEND, CAP_SESSION_EVENTS, CAP_SWITCH, CAP_SUBSCRIBE],
            },
            "snapshot": {
                "presence": rows,
                "health": health_snapshot(services),
                "stateVersion": {"presence": version, "health": 1},
                "uptimeMs": now_ms() - services.host.started_at,
                "configPath": str(config.path),
                "stateDir": str(config.state),
                "sessionDefaults": {
                    "defaultAgentId": AGENT_ID,
                    "mainKey": config["session.mainKey"],
                    "mainSessionKey": main_session_key(config["session.mainKey"]),
                    "scope": "per-sender",
                },
                "setup": provider_setup(services),
                **self._questions(connection),
            },
            "policy": {
                "maxPayload": config["gateway.maxPayloadBytes"],
                "maxBufferedBytes": config["gateway.maxBufferedBytes"],
                "tickIntervalMs": config["gateway.tickIntervalMs"],
            },
        } | {"user": {"name": identity.user, "via": identity.via, "scopes": sorted(connection.scopes)}}
