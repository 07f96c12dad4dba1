"""The standalone server's routes: page, static files, login, health, and the upgrade to the gateway's socket.

The transport security runs in front of them, the page is a public shell without data, and a login sets a cookie of the
gateway. The routes of a mount, thin classes over the same functions, are in ``jupyter``. Each class declares its access
level in ``access``; ``gateway.access.auth`` authenticates. A class without a level refuses every request.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
from jupyter_server.auth.decorator import allow_unauthenticated
from tornado.routing import PathMatches, Rule

from ...protocol.errors import RateLimited, Unauthorized
from ...protocol.schema import ConnectAuth
from ..context import cookie_name
from .base import (
    SECRET_ARGUMENTS,
    AssetHandler,
    RedirectHandler,
    StandaloneHandler,
    Upgrade,
    health,
    page,
    page_address,
    session_facts,
    set_cookie,
    unavailable,
    write_gateway_error,
)
from .websocket import GatewayWebSocketHandler

if TYPE_CHECKING:
    from ..context import ServerContext

WORKER_CSP = "default-src 'none'; connect-src 'self'"
"""The service worker reads the shell's own files and nothing else."""

_login_decoder = msgspec.json.Decoder(ConnectAuth)


class Health(StandaloneHandler):
    """``healthz``: whether a gateway runs and nothing else, since it is public; it does not start one."""

    access = "open"

    async def prepare(self, **options: Any) -> None:
        """Skip authentication, and do not start the gateway."""

    @allow_unauthenticated
    def get(self) -> None:
        health(self)


# -- routes ---------------------------------------------------------------------------------------------------------
class Page(StandaloneHandler):
    """The page; with ``?code=`` a one-time link, and with ``?token=`` what Clawdbot's own links carry: logs in and
    leads to the page without them, so that they stay neither in the address nor in what the browser remembers."""

    access = "open"

    @allow_unauthenticated
    def get(self) -> None:
        if set(SECRET_ARGUMENTS) & set(self.request.query_arguments):
            self._log_in()
        else:
            page(self)

    def _log_in(self) -> None:
        code, token = (self.get_query_argument(name, "") for name in SECRET_ARGUMENTS)
        identity = self.context.auth.redeem_link(code) if code else self.context.auth.check_address(token)
        if identity is not None:
            set_cookie(self, identity)
        self.redirect(page_address(self, expired=identity is None), status=303)


class Session(StandaloneHandler):
    """The login state, also of anonymous clients. With POST a browser sends its origin, as with a socket."""

    access = "connect"

    @allow_unauthenticated
    def get(self) -> None:
        if self.identity is not None and self.identity.via == "tailscale":
            set_cookie(self, self.identity)  # so that what follows need not wait for Tailscale
        session_facts(self, self.identity, "standalone", self.context.auth.modes())

    post = get


class Login(StandaloneHandler):
    """Login by token or password, which sets the cookie."""

    access = "open"

    @allow_unauthenticated
    def post(self) -> None:
        try:
            given = _login_decoder.decode(self.request.body)
            credentials = self.context.credentials(self.request)
            identity = self.context.auth.check_connect(
                given, self.context.auth.known_browser(credentials.cookie) or credentials.client_key
            )
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self.set_status(400)
            self.finish({"error": 'expected {"token": …} or {"password": …}'})
        except (RateLimited, Unauthorized) as exc:
            write_gateway_error(self, exc)
        else:
            set_cookie(self, identity)
            self.set_status(204)


class Logout(StandaloneHandler):
    """Logout: clears the cookie and closes the sockets opened with it, in all tabs; with ``{"everywhere": true}`` and a
    valid cookie, those of all browsers."""

    access = "open"

    @allow_unauthenticated
    async def post(self) -> None:
        name, credentials = cookie_name(self.request), self.context.credentials(self.request)
        await self.context.load_devices(credentials)
        identity = self.context.auth.read_cookie(credentials.cookie) if credentials.cookie else None
        if credentials.cookie:
            await self.context.log_out(credentials.cookie)
        if identity is not None:
            everywhere = self.request.body.replace(b" ", b"") == b'{"everywhere":true}'
            if everywhere:
                self.context.log_out_everywhere()
            self.context.auth.note(
                "logout.everywhere" if everywhere else "logout",
                {"user": identity.user, "client": credentials.client_key},
            )
        self.clear_cookie(name, path=self.settings["base_url"])
        self.set_status(204)


class StandaloneRedirect(RedirectHandler, StandaloneHandler):
    """Redirect from Jupyter's ``/login`` and ``/logout`` to the page."""


class NotFound(StandaloneHandler):
    """404 for every path without a route, for every method."""

    access = "open"

    @allow_unauthenticated
    def get(self, *args: str) -> None:
        self.set_status(404)
        self.finish({"error": "not found"})

    head = post = put = delete = patch = options = get


class StandaloneAsset(AssetHandler, StandaloneHandler):
    """Static files of the front end: public, since the package contains them."""

    access = "open"
    get = allow_unauthenticated(AssetHandler.get)
    head = allow_unauthenticated(AssetHandler.head)


class WebAppAsset(StandaloneAsset):
    """Files of the installable web app: manifest, icons, service worker."""

    def set_extra_headers(self, path: str) -> None:
        super().set_extra_headers(path)
        if path.endswith(".js"):
            self.set_header("Content-Security-Policy", WORKER_CSP)

    def get_content_type(self) -> str:
        manifest = (self.absolute_path or "").endswith(".webmanifest")
        return "application/manifest+json" if manifest else super().get_content_type()


class Socket(GatewayWebSocketHandler, StandaloneHandler):
    """The gateway's WebSocket. A client that is not logged in sends its credential with ``connect``."""

    access = "connect"

    @allow_unauthenticated
    async def get(self, *args: str, **kwargs: str) -> None:
        if self.context.gateway is None:
            unavailable(self)
            return
        await super().get(*args, **kwargs)


def standalone_routes(base: str, context: ServerContext) -> list[Rule]:
    """Return the standalone server's routes. ``base`` is its base URL, ``/`` unless configured."""
    root, facts = re.escape(base), {"context": context}
    return [
        Rule(Upgrade(f"{root}(?:ws|chat)?"), Socket, facts),
        Rule(PathMatches(f"{root}(?:chat)?"), Page, facts),
        Rule(PathMatches(f"{root}(assets/[^/]+|embed\\.js|favicon\\.svg)"), StandaloneAsset, facts),
        Rule(PathMatches(f"{root}(sw\\.js|manifest\\.webmanifest|icon-[a-z0-9-]+\\.png)"), WebAppAsset, facts),
        Rule(PathMatches(f"{root}auth/session"), Session, facts),
        Rule(PathMatches(f"{root}auth/login"), Login, facts),
        Rule(PathMatches(f"{root}auth/logout"), Logout, facts),
        Rule(PathMatches(f"{root}healthz"), Health, facts),
        Rule(PathMatches(f"{root}log(?:in|out)"), StandaloneRedirect, {**facts, "to": f"{base}chat"}),
    ]


def last_routes(context: ServerContext, base: str) -> list[Rule]:
    """Return the fallback routes for paths that neither this package nor Jupyter serves. With another ``base`` the root
    still opens sockets, answers ``healthz`` and redirects to the page: clients may know the port only."""
    facts = {"context": context}
    root = (
        []
        if base == "/"
        else [
            Rule(PathMatches("/healthz"), Health, facts),
            Rule(PathMatches("/(?:chat)?"), StandaloneRedirect, {**facts, "to": f"{base}chat"}),
        ]
    )
    return [Rule(Upgrade(".*"), Socket, facts), *root, Rule(PathMatches(".*"), NotFound, facts)]
