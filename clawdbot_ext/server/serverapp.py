"""The standalone server: Jupyter Server with the gateway at its root.

``bootstrap`` decides whether this process may be the gateway before anything heavy is built; this module runs the
server after that."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import signal
import threading
from typing import TYPE_CHECKING, Any

from jupyter_core.application import JupyterApp
from jupyter_server.auth.identity import IdentityProvider
from jupyter_server.base.handlers import TrailingSlashHandler
from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join
from tornado.routing import Rule
from traitlets import Any as AnyTrait
from traitlets import Bool, Type, Unicode, default

from ..config.live import LiveConfig
from ..gateway.access.auth import by_token
from ..protocol.errors import GatewayError
from ..runtime.browser import open_page
from ..runtime.paths import conversations, on_network
from ..store.api import SchemaTooNew, StoreDamaged
from . import log_files, process_tuning
from .banner import greet, say
from .bootstrap import Bootstrap, StartupError, bootstrap
from .context import ServerContext
from .handlers.base import BARE_CSP, SECURITY_HEADERS, Authenticator
from .handlers.routes import last_routes
from .handlers.standalone import StandaloneAuthenticator
from .identity_provider import GatewayIdentity
from .net.fd_limits import FdLimitedHTTPServer
from .net.tailscale import Whois
from .net.transport_security import Policy, RejectedRequest, RejectHandler
from .options import RESTARTED, Options
from .tailscale_serve import TailscaleServe

if TYPE_CHECKING:
    from tornado.httputil import HTTPServerRequest

    from .users.spaces import UserSpaces

log = logging.getLogger(__name__)

NODE = "clawdbot_ext.server.hands_node.connection"
"""Imported late, as it is not needed to say that another one runs."""
STOP_SECONDS = 10.0
EXIT_FAILED = 1
EXIT_KILLED = 128 + signal.SIGTERM


class ClawdbotServer(ServerApp):
    """A Jupyter server with the gateway's address, login and transport security. See ``process.run``."""

    port_default_value = 18789
    port_retries_default_value = 0
    subcommands: dict[str, Any] = {}  # noqa: RUF012  as the base declares it; never changed
    identity_provider_class = Type(default_value=GatewayIdentity, klass=IdentityProvider)
    """Not configurable: another provider would be another secret."""
    allow_unauthenticated_access = Bool(False)
    config_file_name = Unicode("jupyter_clawdbot_config")
    """Not ``jupyter_server_config``: an address, password or ``allow_origin`` there is meant for the user's Lab."""
    options = AnyTrait(Options())

    exit_code = 0
    _restart = False
    _bootstrap: Bootstrap

    @default("log_level")
    def _default_log_level(self) -> int:
        return logging.INFO if self.options.verbose else logging.WARNING

    # -- start-up ---------------------------------------------------------------------------------------------------
    def init_configurables(self) -> None:
        """Bootstrap once all configuration is read and before anything is built."""
        try:
            self._bootstrap = bootstrap(self.options, self._configured())
        except StartupError as error:
            say(error.text, error=error.exit_code != 0)
            if error.open_url and self.options.browser and self.open_browser:
                open_page(error.open_url, browser=self.browser)
            self.exit(error.exit_code)
        self.ip, self.port = self._bootstrap.addresses.wanted, self._bootstrap.port
        if path := self._bootstrap.config["gateway.controlUi.basePath"]:
            self.base_url = path
        if self._bootstrap.tls is not None:
            self.certfile, self.keyfile = str(self._bootstrap.tls.cert), str(self._bootstrap.tls.key)
        self.cookie_secret = os.urandom(32)  # signs cookies of Jupyter's that our identity provider does not use
        self.allow_remote_access = True  # the transport security checks Host, for Jupyter's routes too
        try:
            self.context = ServerContext(
                LiveConfig(self._bootstrap.load), "standalone"
            )  # the first start writes secrets
        except OSError as exc:
            state = self._bootstrap.config.state
            say(self._bootstrap.text("start.stateDir", path=state, problem=exc.strerror or exc), error=True)
            self.exit(EXIT_FAILED)
        self.context.tailscale = Whois()
        self.authenticator = self._authenticator()
        self._tailscale_serve = TailscaleServe(
            self._bootstrap.config, self.port, tls=self._bootstrap.tls is not None, notify=self._notify
        )
        log_files.start(self._bootstrap.config, self.log, verbose=self.options.verbose)
        super().init_configurables()

    def _authenticator(self) -> Authenticator:
        """The gateway's own credentials; with ``users.from`` the sign-in of its users before them."""
        self._spaces = None
        if not self._bootstrap.config["users.from"]:
            return StandaloneAuthenticator()
        from .users.authenticator import authenticator_of  # a gateway of one user never imports them

        authenticator = authenticator_of(self.context, self._bootstrap.environment)
        self._spaces = authenticator.spaces
        return authenticator

    _spaces: UserSpaces | None

    def _configured(self) -> dict[str, Any]:
        """Return the settings from ``jupyter_clawdbot_config.py`` and Jupyter's own options (``--ServerApp.port``), by
        dotted name."""
        found: dict[str, Any] = {}
        given = {name for section in ("ServerApp", "ClawdbotServer") for name in self.config.get(section, {})}
        if "port" in given:
            found["gateway.port"] = self.port
        if "ip" in given:
            local = {"localhost": "loopback", "": "lan"}.get(self.ip)
            found |= {"gateway.bind": local} if local else {"gateway.bind": "custom", "gateway.customBindHost": self.ip}
        if "certfile" in given:
            found |= {
                "gateway.tls.enabled": True,
                "gateway.tls.certPath": self.certfile,
                "gateway.tls.keyPath": self.keyfile,
            }
        app = self.starter_app
        return found | (dict(app.gateway_config) if hasattr(app, "gateway_config") else {})

    def init_webapp(self) -> None:
        """Put the transport security in front of every route and the fallback routes behind them."""
        headers = {**SECURITY_HEADERS, "Content-Security-Policy": BARE_CSP}
        self.tornado_settings.setdefault("headers", {}).update(headers)
        process_tuning.without_git()
        super().init_webapp()
        rules = self.web_app.wildcard_router.rules
        rules[:] = [rule for rule in rules[:-1] if rule.target is not TrailingSlashHandler]
        rules += last_routes(self.context, self.base_url, self.authenticator)
        self.web_app.default_router.rules.insert(0, Rule(RejectedRequest(self._policy, self._is_known), RejectHandler))

    def _is_known(self, request: HTTPServerRequest) -> bool:
        return self.authenticator.may_send(request) or self.context.is_authenticated(request)

    def _policy(self) -> Policy:
        config = self.context.live()
        if self._made_policy is None or self._made_policy.config is not config:
            on = self._bootstrap.addresses
            self._made_policy = Policy(config, "https" if self._bootstrap.tls else "http", on.reachable, on.exposed)
        return self._made_policy

    _made_policy: Policy | None = None

    def init_httpserver(self) -> None:
        """Create the HTTP server; its sockets listen already and are attached when the gateway runs."""
        tls = self._bootstrap.tls
        self._http_server = FdLimitedHTTPServer(
            self.web_app,
            ssl_options=tls.context if tls else None,
            max_body_size=self.max_body_size,
            max_buffer_size=self.max_buffer_size,
        )

    def init_signal(self) -> None:
        """Stop on SIGINT, SIGTERM or a closed terminal without confirmation; at once on the second signal."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._signalled)

    def _signalled(self, number: int, frame: Any) -> None:
        if self._stopping:
            os._exit(EXIT_KILLED)
        self.stop(from_signal=True)

    def start_app(self) -> None:
        """Start as Jupyter does, without its check for root (done by ``bootstrap``), its banner and its token."""
        JupyterApp.start(self)
        self.write_server_info_file()

    async def _post_start(self) -> None:
        await super()._post_start()  # type: ignore[no-untyped-call]
        if self._stopping:
            return
        config = self._bootstrap.config
        node = asyncio.create_task(asyncio.to_thread(importlib.import_module, NODE))  # while the disk is waited for
        try:
            gateway = await self.context.start(self._bootstrap.lock, self.root_dir, self.contents_manager)
        except (StoreDamaged, SchemaTooNew, GatewayError, OSError) as exc:
            from ..gateway.error_texts import told

            problem = told(exc, self._bootstrap.lang)
            say(self._bootstrap.text("start.store", path=conversations(config), problem=problem), error=True)
            self.exit_code = EXIT_FAILED
            self.stop()
            return
        (await node).LocalConnection(gateway, self)
        gateway.services.host.on_stop_requested = self._stop_requested
        gateway.services.host.problem_of_restart = self._bootstrap.problem_of_restart
        loop = asyncio.get_running_loop()
        self._bootstrap.lock.when_lost(lambda: loop.call_soon_threadsafe(self.stop))
        if on_network(config):
            say(self._bootstrap.text("start.network", path=config.home), error=True)
        if self._spaces is not None:
            self._spaces.start()
        self._http_server.add_sockets(self._bootstrap.sockets)
        self.context.publish(self.page_url, self._bootstrap.tls)
        self._tailscale_serve.start(self._bootstrap.lock)
        if RESTARTED not in os.environ:
            await self._greet()
        process_tuning.freeze_gc()
        gateway.warm_up()

    def _notify(self, key: str, **facts: Any) -> None:
        say(self._bootstrap.text(key, **facts), error=not key.startswith(("tailscale.serve", "tailscale.funnel")))

    async def _greet(self) -> None:
        async def link() -> str:
            try:
                return f"{self.page_url}chat?code={(await self.context.auth.links.create(by_token()))[0]}"
            except GatewayError as exc:  # the database is away again: the page asks for the token
                log.warning("there is no login link: %s", exc)
                return self.page_url

        greet(self._bootstrap, self.page_url, await link())
        if self.options.browser and self.open_browser:
            threading.Thread(target=self._browse, args=(await link(),), name="browser", daemon=True).start()

    def _browse(self, url: str) -> None:
        """Open the page. Jupyter's own way reports no missing browser, and may show the address in the process list."""
        if not open_page(url, browser=self.browser, stays=True):
            say(self._bootstrap.text("browser.none"))

    @property
    def page_url(self) -> str:
        """The page's address for browsers of this machine, with a trailing slash."""
        scheme = "https" if self._bootstrap.tls else "http"
        return f"{scheme}://{self._bootstrap.addresses.reachable}:{self.port}{url_path_join(self.base_url, '/')}"

    # -- shutdown ---------------------------------------------------------------------------------------------------
    def _stop_requested(self, restart: bool) -> None:
        self._restart = restart
        self.stop()

    async def _cleanup(self) -> None:
        """Stop the gateway first, which has replies to end, then kernels and the rest as long as there is time."""
        started = asyncio.get_running_loop().time()
        await self._tailscale_serve.stop(restarts=self._restart)
        reason = "restarting" if self._restart else "stopping"
        if self._spaces is not None:
            await self._spaces.prepare_stop()
        stops = [self.context.stop(reason, restarts=self._restart, keep_lock=self._restart)]
        if self._spaces is not None:  # all at once: each has the same time for its replies
            stops.append(self._spaces.close(reason, restarts=self._restart))
        await asyncio.gather(*stops)
        left = STOP_SECONDS - (asyncio.get_running_loop().time() - started)
        try:
            await asyncio.wait_for(super()._cleanup(), max(left, 0.5))
        except asyncio.TimeoutError:
            log.warning("kernels did not stop in %g s", STOP_SECONDS)

    def start_ioloop(self) -> None:
        super().start_ioloop()
        loop = self.io_loop.asyncio_loop  # type: ignore[attr-defined]  # of every loop since Tornado 5
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
