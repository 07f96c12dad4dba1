"""State shared by all handlers of one server: configuration, authentication, and the gateway while this process runs
it.

Above it are ``handlers`` (HTTP and sockets), ``serverapp`` (the standalone server) and ``extension`` (a mount in
another Jupyter server); below it the gateway, the store and the lock."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote
from weakref import WeakKeyDictionary

from tornado.websocket import WebSocketHandler

from ..config import Config
from ..config.live import LiveConfig
from ..gateway.access.auth import Auth, ExternalIdentity, RequestCredentials
from ..gateway.access.identity import GUEST_SCOPES, Identity
from ..gateway.access.rate_limits import Connections, client_key
from ..gateway.access.rotation import hash_stored_password
from ..gateway.access.scopes import expand
from ..gateway.connections.logout import LOG_OUT_AFTER_S, disconnect, log_out_everywhere
from ..gateway.methods.auth import keep_logged_out
from ..i18n import language
from ..protocol.errors import GatewayError
from ..protocol.frames import CloseCode
from ..runtime import server_info
from ..runtime.gateway_lock import GatewayLock
from ..runtime.measures import MEASURES
from ..runtime.paths import database_path, on_network
from ..runtime.supervision import Supervisor
from .audit_log import Audit
from .diagnosis import Diagnosis
from .net import fd_limits
from .net.forwarded_headers import RELAYED_SCOPES, RELAYED_USER, client_of
from .net.outgoing import Turn
from .net.unfinished_frames import UnfinishedFrames

if TYPE_CHECKING:
    from tornado.httputil import HTTPHeaders, HTTPServerRequest
    from tornado.web import RequestHandler

    from ..cluster.postgres import PostgresCluster
    from ..gateway.gateway import Gateway
    from ..gateway.services import HostFacts
    from ..store.api import Store
    from .metrics import GatewayMetrics
    from .net.tls import Certificate

log = logging.getLogger(__name__)

STOP_SECONDS = 9.0
"""The longest time a stop of the gateway may take; the process as a whole has 10 s."""
RESTART_EXPECTED_MS = 1500
CLOSE_TIMEOUT_S = 0.5
"""Seconds that one of Jupyter's own sockets has to take the close frame."""

Mount = Literal["standalone", "jupyter"]


async def _ready() -> None:
    """Return at once: the default of ``ServerContext.ready``."""


class ServerContext:
    """The shared state of one server. ``gateway`` is ``None`` before ``start``, after ``stop``, and while the state
    directory has its gateway in another process."""

    def __init__(self, live: LiveConfig, mount: Mount):
        self.live, self.mount = live, mount
        self.auth = Auth(live)
        self.gateway: Gateway | None = None
        self.cluster: PostgresCluster | None = None
        """The other gateways on the same database; ``None`` where there cannot be any."""
        self.tailscale: Callable[[HTTPHeaders, str], Awaitable[str | None]] | None = None
        """Lookup of the Tailscale login that sent a request with these headers from this address; ``None``: not in
        use."""
        self.ready: Callable[[], Awaitable[None]] = _ready
        """Awaited by every request: in a mount the gateway starts with the first one."""
        self.connections = Connections()
        self.unfinished = UnfinishedFrames()
        self.turn = Turn()
        self._told_of_proxy = False
        self._lock: GatewayLock | None = None
        self._audit: Audit | None = None
        self._metrics: GatewayMetrics | None = None
        self._stopping = asyncio.Lock()
        self._mark = self.auth.mark()
        self._open_requests: WeakKeyDictionary[RequestHandler, tuple[Identity, str]] = WeakKeyDictionary()
        live.watch(self._config_changed)

    # -- life -------------------------------------------------------------------------------------------------------
    async def start(self, lock: GatewayLock, server_root: str, contents: Any = None) -> Gateway:
        """Create and start the gateway; ``lock`` belongs to the context from now on, also when this fails.

        ``server_root`` is the directory that notebooks are served from, as the assistant is told; ``contents`` the
        server's contents manager.

        Raises what the store raises when it cannot be opened: ``StoreDamaged``, ``SchemaTooNew``, ``GatewayError``,
        ``OSError``.
        """
        from ..agent.context.system_prompt import Environment
        from ..gateway.services import HostFacts
        from .contents import listing as contents_listing
        from .contents import reading as contents_reading
        from .metrics import GatewayMetrics

        self._lock = lock
        self._audit = Audit(self.live())
        self.auth.note = self._audit.note
        if hash_stored_password(self.live()):
            self.live.reload()
            self.auth.note("password", {})
            log.warning("the password in %s is kept as a hash from now on", self.live().path)
        files = None if contents is None else contents_listing(contents)
        host = HostFacts(
            Environment(server_root=server_root),
            list_files=files,
            read_file=None if contents is None else contents_reading(contents),
            examine=Diagnosis(self.live).examine,
            holds_lock=lock.still_ours,
        )
        gateway = await self._start(host)
        self._metrics = GatewayMetrics(gateway)
        self._metrics.start()
        return gateway

    async def _start(self, host: HostFacts, space: str | None = None) -> Gateway:
        """Create and start the gateway on the configured store. Raises the store's errors.

        ``space``: the slug of a user's space, which in a database has tables of its own.
        """
        from ..gateway.gateway import Gateway  # with the agent and SQLite, which a server without the lock never needs

        config, supervisor = self.live(), Supervisor()
        store, self.cluster = _storage(config, supervisor, space)
        gateway = Gateway(self.live, store, self.auth, host=host, cluster=self.cluster, supervisor=supervisor)
        gateway.access.before_rotation, gateway.access.on_void = self._close_requests, self.close_revoked
        await gateway.start()
        self.gateway = gateway
        return gateway

    def measure_users(self, gateways: Callable[[], Sequence[Gateway]]) -> None:
        """Count the gateways of users with this one in ``/metrics``."""
        if self._metrics is not None:
            self._metrics.of_users = gateways

    def publish(self, url: str, tls: Certificate | None) -> None:
        """Tell the user's other processes that the gateway answers at ``url`` (with its slash). After ``start``."""
        assert self._lock is not None
        fingerprint = tls.fingerprint if tls else None
        self._lock.publish(server_info.GatewayInfo.of_this_process(url, self.mount, tls_fingerprint=fingerprint))

    async def stop(self, reason: str, *, restarts: bool = False, keep_lock: bool = False) -> None:
        """Stop the gateway, within ``STOP_SECONDS``, and give up the lock. Called again, it waits for the same end.

        With ``keep_lock`` the lock stays with the caller of ``start``, for a gateway that restarts at once.
        """
        async with self._stopping:  # the lock of the state directory is kept until the store is closed
            if self._lock is not None:
                self._lock.unpublish()  # no new clients come, and proxying servers look for the next gateway
            if keep_lock:
                self._lock = None
            await self._stop(reason, restarts)

    async def _stop(self, reason: str, restarts: bool) -> None:
        gateway, self.gateway = self.gateway, None
        if self._metrics is not None:
            self._metrics.stop()
            self._metrics = None
        if gateway is not None:
            stopping = gateway.stop(reason=reason, restart_expected_ms=RESTART_EXPECTED_MS if restarts else None)
            try:
                await asyncio.wait_for(stopping, STOP_SECONDS)
            except asyncio.TimeoutError:
                log.error("the gateway did not stop in %g s; what was acknowledged is stored", STOP_SECONDS)
            except Exception:  # whatever fails at the end, the process must end all the same
                log.exception("the gateway did not stop cleanly")
            finally:
                self._give_up_lock()
        else:
            self._give_up_lock()

    def _give_up_lock(self) -> None:
        if self._audit is not None:
            self._audit.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def leader_info(self) -> server_info.GatewayInfo | None:
        """Return the address of the gateway that another process runs; ``None`` if unknown."""
        return server_info.find_running_gateway(self.live())

    def _config_changed(self, config: Config) -> None:
        """Log out clients whose secret is no longer valid, after the client that changed it has its response."""
        mark = self.auth.mark()
        if mark != self._mark:
            if self.gateway is not None:
                disconnect(self.gateway.clients(), "credentials changed")
            self._close_requests()
        self._mark = mark
        if self.gateway is not None:
            asyncio.get_running_loop().call_later(LOG_OUT_AFTER_S, self.close_revoked)

    async def log_out(self, cookie: str) -> None:
        """Revoke a login cookie and close everything opened with it, or with a login derived from it."""
        identity = self.auth.read_cookie(cookie)
        if identity is None or identity.expires is None:
            return
        self.auth.log_out({identity.lineage[-1]: identity.expires})
        self.close_revoked()
        if self.gateway is not None:
            await keep_logged_out(self.gateway.services, identity.lineage[-1], identity.expires)

    # -- open requests ----------------------------------------------------------------------------------------------
    def track(self, handler: RequestHandler, identity: Identity) -> None:
        """Track an authenticated request, so that it is closed when its credential is revoked. The gateway's own
        sockets are tracked by the gateway as its connections."""
        self._open_requests[handler] = identity, self.auth.epoch(identity)

    def close_revoked(self) -> None:
        """Close sockets and requests whose credential has been revoked or has lost scopes."""
        for client in self.gateway.clients() if self.gateway is not None else ():
            now = None if client.identity is None else self.auth.current(client.identity)
            if now is None or not client.scopes <= expand(now.scopes):
                client.close(CloseCode.POLICY, "credentials void")
        for handler, (identity, epoch) in list(self._open_requests.items()):
            now = self.auth.current(identity)
            if now is None or not identity.scopes <= now.scopes or epoch != self.auth.epoch(identity):
                close_request(handler)

    @property
    def busy(self) -> bool:
        """Whether there is a request under way."""
        return any(not handler._finished for handler in self._open_requests)

    def _close_requests(self) -> None:
        """Close every tracked request, of Jupyter's handlers and of this package's."""
        for handler in list(self._open_requests):
            close_request(handler)

    def log_out_everywhere(self) -> None:
        """End every login of a browser. Raises ``OSError``."""
        if self.gateway is not None:
            log_out_everywhere(self.gateway.access, self.gateway.services.events)
            self.gateway.services.others.tell("logins", self.auth.generation())
        else:
            self.auth.log_out_everywhere()

    # -- requests ---------------------------------------------------------------------------------------------------
    def client_key(self, request: HTTPServerRequest) -> str:
        """Return the key under which the rate limits count the sender of ``request``."""
        sent = client_of(request, self.live())
        if sent.ignored and not self._told_of_proxy and self.live()["gateway.tailscale.mode"] == "off":
            self._told_of_proxy = True
            log.warning(
                "%s forwards requests and is not in gateway.trustedProxies: all of its clients count as one",
                sent.address,
            )
        return client_key(sent.address)

    def is_https(self, request: HTTPServerRequest) -> bool:
        """Return whether ``request`` was sent over https, to this server or to a proxy in front of it."""
        tailnet = self.live()["gateway.tailscale.mode"] != "off" and request.host_name.endswith(".ts.net")
        return tailnet or (client_of(request, self.live()).scheme or request.protocol) == "https"

    def credentials(self, request: HTTPServerRequest) -> RequestCredentials:
        """Collect the credentials of ``request`` for ``gateway.access.auth``."""
        morsel = request.cookies.get(cookie_name(request))
        user, scopes = request.headers.get(RELAYED_USER), request.headers.get(RELAYED_SCOPES)
        return RequestCredentials(
            client_key=self.client_key(request),
            authorization=request.headers.get("Authorization"),
            cookie="" if morsel is None else morsel.value,
            by_page="Origin" in request.headers,
            socket=request.headers.get("Upgrade", "").lower() == "websocket",
            relayed_user=unquote(user) if user else None,
            relayed_scopes=GUEST_SCOPES if scopes is None else frozenset(scopes.split(",")),
        )

    async def identify(self, request: HTTPServerRequest) -> Identity | None:
        """Authenticate a request to the standalone server, by Tailscale's identity if necessary. Raises
        ``Unauthorized``, ``RateLimited``."""
        given = self.credentials(request)
        await self.load_devices(given)
        if self.tailscale is not None and self.auth.allows_tailscale() and not self.auth.recognize(given):
            login = await self.tailscale(request.headers, request.remote_ip or "")
            given = replace(given, external=ExternalIdentity(login, "tailscale") if login else None)
        identity = self.auth.identify(given)
        if identity is not None:
            fd_limits.mark_authenticated(fd_limits.stream_of(request))
        return identity

    async def load_devices(self, given: RequestCredentials) -> None:
        """Wait for the gateway if a cookie was issued to a device, which only the gateway can look up."""
        if given.cookie and self.gateway is None and self.auth.is_of_device(given.cookie):
            await self.ready()

    def is_authenticated(self, request: HTTPServerRequest) -> bool:
        """Return whether a request has a valid credential; if so, its connection counts as authenticated."""
        try:
            identity = self.auth.identify(self.credentials(request))
        except GatewayError:
            return False
        if identity is not None:
            fd_limits.mark_authenticated(fd_limits.stream_of(request))
        return identity is not None

    def locale(self, request: HTTPServerRequest) -> str:
        """Return the language of the response: ``ui.locale``, else the browser's first."""
        configured: str = self.live()["ui.locale"]
        return language(configured or request.headers.get("Accept-Language", "").split(",")[0])


def _storage(config: Config, supervisor: Supervisor, space: str | None) -> tuple[Store, PostgresCluster | None]:
    """The store, not opened yet, and the gateways that share it. Raises ``Unavailable``: psycopg is missing."""
    from ..store.router import open_stores, open_stores_at

    on_commit = MEASURES.commit.add
    if not (url := config["storage.url"]):
        return open_stores(database_path(config), wal=not on_network(config), on_commit=on_commit), None
    cluster: PostgresCluster | None = None
    schema: str | None = None
    if space is not None:
        from ..store.postgres.spaces import schema_of

        schema = schema_of(space)
    store = open_stores_at(
        url,
        exclusive=False,
        fence=lambda: None if cluster is None else cluster.fence,
        on_commit=on_commit,
        schema=schema,
    )
    from ..cluster.postgres import PostgresCluster  # after the store, which says what is missing

    cluster = PostgresCluster(url, supervisor, schema=schema)
    return store, cluster


def close_request(handler: RequestHandler) -> None:
    """Cut a request off: a socket with close code 1008, a response in its middle."""
    if isinstance(handler, WebSocketHandler):
        connection: Any = handler.ws_connection
        if connection is not None:
            handler.close(CloseCode.POLICY, "logged out")
            connection.client_terminated = True  # what still comes is not listened to
            asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, connection.stream.close)
        return
    stream = getattr(handler.request.connection, "stream", None)
    if not handler._finished and stream is not None:
        stream.close()


def cookie_name(request: HTTPServerRequest) -> str:
    """Return the login cookie's name, with the port as the browser sees it, since the ports of a host share its
    cookies."""
    _, _, port = request.host.rpartition(":")
    return f"clawdbot-{port}" if port.isdigit() else "clawdbot"
