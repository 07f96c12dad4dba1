"""Leader election among the Jupyter servers of one state directory: the leader runs the gateway, the others stand by.

    start ──the lock is free──▶ LEADER ──the server stops, or a failure──▶ STOPPED
      └──another has it──▶ STANDBY ──that one ends──▶ LEADER

The leader listens on ``gateway.port`` besides its mount, except on a Hub. Its gateway starts with the first request, or
at once if it takes over from another process. A standby proxies every request to the leader (``handlers.proxy``). Heavy
modules are imported inside functions, so that a Lab's start does not wait. Design: docs/design/0007-one-gateway.md.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import threading
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..config import ConfigError
from ..i18n import catalogue, environment_language
from ..runtime import server_info
from ..runtime.gateway_lock import GatewayLock, acquire, wait
from ..runtime.paths import conversations, on_network
from ..runtime.secrets import client_credential, local_token

if TYPE_CHECKING:
    from tornado.routing import Rule

    from ..config.live import LiveConfig
    from ..gateway.gateway import Gateway
    from .context import ServerContext
    from .hands_node.remote_connection import RemoteConnection
    from .side_listener import SideListener
    from .tailscale_serve import TailscaleServe

TAKEOVER_S = 3.0
"""Seconds that a request waits for a gateway while one process takes over from another."""
POLL_S = 0.05
PORT_RETRY_S = 1.0
"""Seconds that a new leader waits for the former leader's port, which is free as soon as that process has ended."""
STANDBY_AGAIN_S = 30.0
"""Seconds after which a standby that could not even wait for the lock (no permission, say) tries again."""
ACTIVITY_S = 30.0
"""Interval at which a running reply counts as activity of the server. A Hub is told every five minutes."""

t = catalogue("server")


class LeadershipState(enum.Enum):
    STANDBY = "standby"
    LEADER = "leader"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Host:
    """Facts about the Jupyter server around the mount."""

    server_url: str
    """The server's address for programs of this machine, with a trailing slash."""
    mount_url: str
    """The mount's address, likewise."""
    mount_path: str
    root_dir: str
    on_hub: bool
    app: Any
    """Jupyter's ``ServerApp``."""
    settings: dict[str, Any]
    """The Tornado application's."""
    log: logging.Logger

    def active(self) -> None:
        """Record activity that an idle cull of the server has to respect."""
        self.settings["clawdbot_last_activity"] = datetime.now(timezone.utc)


class Leadership:
    """The leadership of one server; all methods run on the server's event loop."""

    def __init__(self, live: LiveConfig, host: Host):
        self.live, self.host = live, host
        self.state = LeadershipState.STOPPED
        self._lock: GatewayLock | None = None
        self._listener: SideListener | None = None
        self._tailscale_serve: TailscaleServe | None = None
        self._starting = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._activity_task: asyncio.Task[None] | None = None
        self._log_file: logging.Handler | None = None
        self._node: RemoteConnection | None = None

    @cached_property
    def context(self) -> ServerContext:
        """The context shared by the handlers; created at first use."""
        from .context import ServerContext

        context = ServerContext(self.live, "jupyter")
        context.ready, context.auth.own_logins = self.ready, not self.host.on_hub
        return context

    def routes(self) -> Sequence[Rule]:
        """Return the mount's current routes: the gateway's own, or a proxy to the leader."""
        return self._gateway_routes if self.state is LeadershipState.LEADER else self._proxy_routes

    @cached_property
    def _gateway_routes(self) -> Sequence[Rule]:
        from .handlers.routes import mount_routes

        return mount_routes(self.host.mount_path, self.context)

    @cached_property
    def _proxy_routes(self) -> Sequence[Rule]:
        from .handlers.proxy import proxy_routes
        from .handlers.routes import mount_routes

        return proxy_routes(mount_routes(self.host.mount_path, self.context), self)

    # -- election -----------------------------------------------------------------------------------------------------
    async def campaign(self) -> None:
        """Become the leader, or stand by. Raises ``OSError`` (the state directory cannot be used)."""
        lock = acquire(self.live(), patience_s=0)
        if lock is not None:
            await self._become_leader(lock)
            return
        self.state = LeadershipState.STANDBY
        self._wait_for_lock()
        leader = server_info.find_running_gateway(self.live())
        self._log_info("lab.relay", url=self.chat_url, owner=leader.url if leader else "?")

    def _wait_for_lock(self) -> None:
        loop = asyncio.get_running_loop()

        def wait_for_lock() -> None:
            lock = self._wait_patiently()
            try:
                loop.call_soon_threadsafe(self._take_over, lock)
            except RuntimeError:  # the server has ended meanwhile
                lock.release()

        threading.Thread(target=wait_for_lock, name="clawdbot standby", daemon=True).start()

    def _wait_patiently(self) -> GatewayLock:
        """Wait for the lock, on a thread that must not end: no other one would take over."""
        while True:
            try:
                return wait(self.live())
            except OSError as exc:
                self._log_warning("lab.standbyTrouble", path=self.live().home, problem=exc.strerror or exc)
                time.sleep(STANDBY_AGAIN_S)

    def _take_over(self, lock: GatewayLock) -> None:
        if self.state is LeadershipState.STANDBY:
            self._spawn(self._become_leader(lock, takes_over=True))
        else:
            lock.release()

    async def _become_leader(self, lock: GatewayLock, *, takes_over: bool = False) -> None:
        """Listen and publish the address; if another process has led before, start the gateway at once."""
        self._lock, self.state = lock, LeadershipState.LEADER
        await self._disconnect_node()
        loop = asyncio.get_running_loop()
        lock.when_lost(lambda: loop.call_soon_threadsafe(self._spawn, self.step_down("another machine has taken over")))
        if on_network(self.live()):
            self._log_warning("start.network", path=self.live().home)
        self._log_to_file()
        if self.live()["users.from"]:
            self._log_warning("lab.users")
        if not self.host.on_hub and self.live()["gateway.listenWithJupyter"] == "on":
            await self._listen(PORT_RETRY_S if takes_over else 0)
        if self.state is not LeadershipState.LEADER:  # stopped meanwhile
            return
        for make in (client_credential, local_token):  # before the first client presents them
            make(self.live(), create=True)
        url = self._listener.url if self._listener else self.host.mount_url
        tls = self._listener.tls if self._listener else None
        lock.publish(
            server_info.GatewayInfo.of_this_process(
                url, "jupyter", self.host.server_url, tls.fingerprint if tls else None
            )
        )
        if self._listener:
            self._start_tailscale(self._listener, lock)
        key = "lab.tookOver" if takes_over else "lab.chatBoth" if self._listener else "lab.chat"
        self._log_info(key, url=self.chat_url, listener=url)
        if takes_over:
            await self.ready()

    def _start_tailscale(self, listener: SideListener, lock: GatewayLock) -> None:
        """Expose the gateway's own port by Tailscale if configured, never the server around it."""
        if self.live()["gateway.tailscale.mode"] == "off":
            return
        from .tailscale_serve import TailscaleServe

        def notify(key: str, **facts: Any) -> None:
            (self._log_info if key in ("tailscale.serve", "tailscale.funnel") else self._log_warning)(key, **facts)

        self._tailscale_serve = TailscaleServe(self.live(), listener.port, tls=listener.tls is not None, notify=notify)
        self._tailscale_serve.start(lock)

    async def _listen(self, patience_s: float) -> None:
        from .net.bind import Busy, NoAddress
        from .net.tls import BadCertificate
        from .side_listener import ListenerNotAllowed, SideListener

        ends = asyncio.get_running_loop().time() + patience_s
        while True:
            try:
                self._listener = SideListener(self.live, lambda: self.context, self.host.settings.get("log_function"))
                return
            except Busy as exc:
                if asyncio.get_running_loop().time() < ends:
                    await asyncio.sleep(POLL_S)
                    continue
                await self._warn_port_in_use(exc)
            except (NoAddress, BadCertificate) as exc:
                self._log_warning(exc.key, **exc.facts)
            except (ListenerNotAllowed, ConfigError, OSError) as exc:
                self._log_warning("lab.noListener", port=self.live()["gateway.port"], problem=exc)
            return

    async def _warn_port_in_use(self, busy: Any) -> None:
        from ..runtime.port_probe import identify

        holder = await asyncio.to_thread(identify, busy.address, busy.port)
        key = f"busy.{holder.kind}" if holder.kind != "unknown" or holder.program is None else "busy.program"
        problem = t(
            environment_language(), key, port=busy.port, pid=holder.pid or "?", url=holder.url, program=holder.program
        )
        self._log_warning("lab.busy", problem=problem, url=self.chat_url)

    # -- leading -----------------------------------------------------------------------------------------------------
    async def ready(self) -> None:
        """Start the gateway if this server leads and it does not run yet."""
        if self.state is not LeadershipState.LEADER or self.context.gateway is not None:
            return
        from ..gateway.error_texts import told
        from ..protocol.errors import GatewayError
        from ..store.api import SchemaTooNew, StoreDamaged

        async with self._starting:
            lock = self._lock
            if lock is None or self.context.gateway is not None:
                return
            try:
                gateway = await self.context.start(lock, self.host.root_dir, self.host.app.contents_manager)
            except (StoreDamaged, SchemaTooNew, GatewayError, OSError) as exc:
                problem = told(exc, environment_language())
                self._log_warning("start.store", path=conversations(self.live()), problem=problem)
                await self.step_down("cannot start")
                return
            self._attach_notebooks(gateway)
            gateway.services.host.on_stop_requested = lambda restart: self._spawn(self._stop_requested(restart))
            self._activity_task = asyncio.create_task(self._report_activity(), name="clawdbot activity")

    def _attach_notebooks(self, gateway: Gateway) -> None:
        """Make this server's notebooks, files and kernels a node of its gateway."""
        from .hands_node.connection import LocalConnection

        LocalConnection(gateway, self.host.app)

    async def _report_activity(self) -> None:
        """Report running replies as activity, so that the server is not culled; open pages alone do not count."""
        while (gateway := self.context.gateway) is not None:
            seen = gateway.services.events.last_run_event
            await asyncio.sleep(ACTIVITY_S)
            if gateway.services.runs.counts()["running"] or gateway.services.events.last_run_event != seen:
                self.host.active()

    async def _stop_requested(self, restart: bool) -> None:
        """Handle the method ``gateway.stop``: end the gateway, not the Lab around it."""
        if not restart:
            await self.step_down("stopped by request")
            return
        lock, self._lock = self._lock, None
        await self._close("restarting", restarts=True)
        if lock is not None and self.state is LeadershipState.LEADER:
            await self._become_leader(lock, takes_over=True)

    def counts(self) -> dict[str, int]:
        """Return the numbers of running and queued replies, if this server leads."""
        gateway = self.context.gateway if "context" in self.__dict__ else None
        return gateway.services.runs.counts() if gateway else {}

    # -- stepping down -----------------------------------------------------------------------------------------------
    async def step_down(self, reason: str) -> None:
        """Let replies end, close the store and the port, and give the lock up for good."""
        self.state = LeadershipState.STOPPED
        await self._disconnect_node()
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.unpublish()
        await self._close(reason)
        if lock is not None:
            lock.release()

    async def _close(self, reason: str, *, restarts: bool = False) -> None:
        if self._tailscale_serve is not None:
            await self._tailscale_serve.stop(restarts=restarts)
        if self._listener is not None:  # before the lock, so that the next leader finds the port free
            self._listener.close()
            self._listener = None
        if self._activity_task is not None:
            self._activity_task.cancel()
        if "context" in self.__dict__:
            await self.context.stop(reason, restarts=restarts, keep_lock=True)
        if self._log_file is not None:
            logging.getLogger("clawdbot_ext").removeHandler(self._log_file)
            self._log_file.close()
            self._log_file = None

    # -- standing by -------------------------------------------------------------------------------------------------
    async def leader_info(self) -> server_info.GatewayInfo | None:
        """Return the leader's address; waits up to ``TAKEOVER_S`` while one process takes over from another."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + TAKEOVER_S
        while True:  # for some 50 ms at a takeover; a file that another process writes has no event of this loop
            info = server_info.find_running_gateway(self.live())
            if info is not None or self.state is LeadershipState.STOPPED or loop.time() > ends:
                return info
            await asyncio.sleep(POLL_S)

    def relayed(self) -> None:
        """A request was proxied, so that the leader's gateway runs: make this server's notebooks a node of it."""
        if self._node is None and self.state is LeadershipState.STANDBY:
            from .hands_node.remote_connection import RemoteConnection

            self._node = RemoteConnection(self.host.app, self.live)

    async def _disconnect_node(self) -> None:
        node, self._node = self._node, None
        if node is not None:
            await node.close()

    # -- messages -----------------------------------------------------------------------------------------------------
    @property
    def chat_url(self) -> str:
        return f"{self.host.mount_url}chat"

    def _log_info(self, key: str, **facts: Any) -> None:
        self.host.log.info(t(environment_language(), key, **facts))

    def _log_warning(self, key: str, **facts: Any) -> None:
        self.host.log.warning(t(environment_language(), key, **facts))

    def _log_to_file(self) -> None:
        from . import log_files

        self._log_file = log_files.to_file(self.live())
        log_files.guard(self.host.log)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
