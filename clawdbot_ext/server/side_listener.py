"""The gateway's own port beside a mount: the standalone server's routes inside another Jupyter server.

Clawdbot's clients, the command line and browsers without Jupyter's login use it. The routes and the transport security
are those of the standalone server; Jupyter's API is not served.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tornado.routing import AnyMatches, Rule
from tornado.web import Application

from ..config import Config
from ..config.live import LiveConfig
from ..i18n import catalogue, environment_language
from .handlers.lazy_router import LazyRouter
from .net import bind
from .net.fd_limits import FdLimitedHTTPServer
from .net.tls import certificate

if TYPE_CHECKING:
    from .context import ServerContext
    from .net.transport_security import Policy

t = catalogue("server")


class ListenerNotAllowed(Exception):
    """The configuration asks for a listener that a Lab's gateway must not open."""


class SideListener:
    """Listening sockets beside a mount. The routes are created with the first request.

    Raises what ``bind.listen`` and ``bind.addresses`` raise, ``ConfigError`` for a secret too weak for others
    than this machine, ``BadCertificate``, and ``ListenerNotAllowed``.
    """

    def __init__(self, live: LiveConfig, context: Callable[[], ServerContext], log_function: Any):
        config = live()
        self._live, self._edge = live, context
        self._on = bind.addresses(config)
        if self._on.exposed or config["gateway.tailscale.mode"] != "off":
            _check(config, exposed=self._on.exposed)
        self.tls = certificate(config)
        self._policy: Policy | None = None
        self._rules: Sequence[Rule] | None = None
        sockets = bind.listen(self._on, config["gateway.port"])
        self.port: int = sockets[0].getsockname()[1]
        settings = {"log_function": log_function} if log_function else {}
        self._base = base_path(config)
        application = Application(base_url=self._base, **settings)
        application.add_handlers(".*", [Rule(AnyMatches(), LazyRouter(application, self._routes))])
        self._server = FdLimitedHTTPServer(application, ssl_options=self.tls.context if self.tls else None)
        self._server.add_sockets(sockets)

    @property
    def url(self) -> str:
        """The page's address for browsers of this machine, with a trailing slash."""
        return f"{self._scheme}://{self._on.reachable}:{self.port}{self._base}"

    @property
    def _scheme(self) -> str:
        return "https" if self.tls else "http"

    def close(self) -> None:
        """Stop listening. Open connections are closed by the gateway."""
        self._server.stop()

    def _routes(self) -> Sequence[Rule]:
        if self._rules is None:
            from .handlers.routes import last_routes, standalone_routes
            from .net.tailscale import Whois
            from .net.transport_security import RejectedRequest, RejectHandler

            context, base = self._edge(), self._base
            context.tailscale = Whois()
            front = Rule(RejectedRequest(self._current_policy, context.is_authenticated), RejectHandler)
            self._rules = [
                front,
                *standalone_routes(base, context),
                *last_routes(context, base),
            ]
        return self._rules

    def _current_policy(self) -> Policy:
        from .net.transport_security import Policy

        config = self._live()
        if self._policy is None or self._policy.config is not config:
            self._policy = Policy(config, self._scheme, self._on.reachable, self._on.exposed)
        return self._policy


def base_path(config: Config) -> str:
    """``gateway.controlUi.basePath`` with a slash at both ends."""
    path = config["gateway.controlUi.basePath"].strip("/")
    return f"/{path}/" if path else "/"


def _check(config: Config, *, exposed: bool) -> None:
    from ..gateway.access.passwords import check_secret

    if exposed and os.geteuid() == 0:
        raise ListenerNotAllowed(t(environment_language(), "start.rootExposed"))
    check_secret(config, exposed=exposed)
