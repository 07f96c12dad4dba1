"""The routes and their handlers, one each: page, static files, login, health, and the gateway's socket.

The tables at the end are those of our own server and of a mount in another; each handler gets the ``authenticator`` of
its home. A handler's access level is its ``access`` or its route's; without one it refuses every request.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import msgspec
from jupyter_server.auth.decorator import allow_unauthenticated
from tornado import web
from tornado.httputil import HTTPServerRequest
from tornado.routing import PathMatches, Rule

from ..._version import __version__
from ...protocol.errors import RateLimited, Unauthorized, Unavailable
from ...protocol.schema import ConnectAuth
from ...runtime.program import command, without_home
from ..context import cookie_name
from ..net.forwarded_headers import RELAYED_USER
from .artifact_frame import ArtifactFrame
from .base import (
    SECRET_ARGUMENTS,
    Authenticator,
    BaseHandler,
    Upgrade,
    notice,
    set_cookie,
    unavailable,
    write_gateway_error,
)
from .export import Export
from .jupyter import JupyterAuthenticator
from .media import media_routes
from .standalone import StandaloneAuthenticator
from .static_files import STATIC, StaticFiles, texts_of
from .websocket import GatewayWebSocketHandler, is_direct

if TYPE_CHECKING:
    from ..context import ServerContext

WORKER_CSP = "default-src 'none'; connect-src 'self'"
"""The service worker reads the shell's own files and nothing else."""

UNDERSTOOD = (*SECRET_ARGUMENTS, "session")
"""The query parameters of the page's address."""
_OWN_NAMES = ("localhost", "127.0.0.1", "::1", "[::1]")

_login_decoder = msgspec.json.Decoder(ConnectAuth)


PAGE_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self'; font-src 'self'; media-src 'self' blob:; "
    "frame-src 'self' blob:; worker-src 'self'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types lit-html dompurify clawdbot clawdbot-worker"
)
"""No inline script, no other origin, no string as HTML but by the named Trusted Types policies."""


class Health(BaseHandler):
    """``healthz``: whether a gateway runs, here or in another process, and nothing else, since it is public; it starts
    none."""

    access = "open"

    async def prepare(self, **options: Any) -> None:
        """Skip authentication, and do not start the gateway."""
        await self.authenticator.check_request(self)

    @allow_unauthenticated
    def get(self) -> None:
        up = self.context.gateway is not None or self.context.leader_info() is not None
        self.set_status(200 if up else 503)
        self.finish({"ok": up})

    def _log(self) -> None:
        """Leave no line: probes come every few seconds, and Jupyter logs a 503 as an error with all headers."""


class Ready(Health):
    """``readyz``: whether messages are taken and kept now; if not, in a word why. Public, and starts none, either."""

    @allow_unauthenticated
    def get(self) -> None:
        why = self._why_not()
        self.set_status(503 if why else 200)
        self.finish({"ready": False, "reason": why} if why else {"ready": True})

    def _why_not(self) -> str:
        gateway = self.context.gateway
        if gateway is None:
            return "" if self.context.leader_info() is not None else "not_running"
        if not gateway.services.store.health.ok:
            return "storage"
        return "task" if gateway.services.supervisor.troubles else ""


class Page(BaseHandler):
    """The page: the Control UI at the root, the chat alone at ``chat``; a plain notice if the gateway does not run or
    the front end is not built. Secrets in its address log in and are left out of the address that the browser keeps."""

    async def prepare(self, **options: Any) -> None:
        try:
            done = await self.authenticator.redeem_link(self)
        except Unavailable:
            notice(self, "page.link")
            return
        if not done:
            await super().prepare()

    @allow_unauthenticated  # not by Jupyter: ``prepare`` has decided, as in every route
    async def get(self) -> None:
        try:
            if await self.authenticator.leave_secrets(self):
                return
        except Unavailable:  # the link is not used up
            notice(self, "page.link")
            return
        if self.context.gateway is None:
            notice(self, "page.away")
            return
        try:
            html = (STATIC / "chat.html").read_bytes()
        except FileNotFoundError:
            notice(self, "page.notBuilt")
            return
        self.set_header("Content-Security-Policy", PAGE_CSP)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Cache-Control", "no-cache")
        # What the script asks for first comes along with it, not after it. On a mount it shows Jupyter's token then.
        # So it does where a login of others is in front of the page.
        if (
            self.identity is None
            and self.authenticator.mount == "standalone"
            and RELAYED_USER not in self.request.headers
        ):
            self.add_header("Link", "<auth/session>; rel=preload; as=fetch; crossorigin")
        if texts := texts_of(self.context.locale(self.request)):
            self.add_header("Link", f"<{texts}>; rel=modulepreload")
        self.finish(html)


class Session(BaseHandler):
    """The login state and the available ways to log in. With POST a browser sends its origin, as with a socket."""

    async def prepare(self, **options: Any) -> None:
        """Refuse pages elsewhere, as Jupyter's own API does."""
        await super().prepare()
        if not self._finished and self.known is None and not self.check_origin():
            raise web.HTTPError(404)

    @allow_unauthenticated
    def get(self) -> None:
        identity, mount = self.identity, self.authenticator.mount
        if identity is not None and identity.via == "tailscale":
            set_cookie(self, identity)  # so that what follows need not wait for Tailscale
        facts = {
            "authenticated": identity is not None,
            "modes": self.context.auth.modes() if mount == "standalone" else [],
            "mount": mount,
            "version": __version__,
            "locale": self.context.locale(self.request),
        }
        if address := self.authenticator.sign_out_url(self):
            facts["signOut"] = address
        if identity is not None:
            facts["user"] = identity.user
        elif mount == "standalone":  # where it is installed is told to this machine only
            facts["program"] = without_home(command()) if _is_here(self.request) else "clawdbot"
        self.finish(facts)

    post = get


def _is_here(request: HTTPServerRequest) -> bool:
    """Whether a browser of this machine asks. A proxy need not say that it is one: the host or the origin that it was
    asked for may, or the old version of HTTP that some speak."""
    hosts = [request.host_name, *filter(None, [urlsplit(request.headers.get("Origin", "")).hostname])]
    return is_direct(request) and request.version != "HTTP/1.0" and all(host in _OWN_NAMES for host in hosts)


class Login(BaseHandler):
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


class Logout(BaseHandler):
    """Logout: clears the cookie and closes the sockets opened with it, in all tabs; with ``{"everywhere": true}`` and a
    valid cookie, those of all browsers."""

    access = "open"

    @allow_unauthenticated
    async def post(self) -> None:
        if await self.authenticator.log_out(self):
            # Where the page goes next; where there is no such address it only loads anew.
            self.set_header("Location", self.authenticator.sign_out_url(self) or "./")
            self.set_status(204)
            return
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


class Redirect(BaseHandler):
    """Redirect to ``to`` and nowhere else: a target in the request (``?next=``) is ignored. The login and the session
    that an address of the page names go along."""

    access = "open"

    def initialize(self, *, to: str, **facts: Any) -> None:  # type: ignore[override]  # what the route gives
        super().initialize(**facts)
        self._to = to

    @allow_unauthenticated
    def get(self) -> None:
        given = self.request.query_arguments
        query = urlencode([(name, value) for name in UNDERSTOOD for value in given.get(name, ())])
        self.redirect(f"{self._to}?{query}" if query else self._to)


class NotFound(BaseHandler):
    """404 for every path without a route, for every method."""

    access = "open"

    @allow_unauthenticated
    def get(self, *args: str) -> None:
        self.set_status(404)
        self.finish({"error": "not found"})

    head = post = put = delete = patch = options = get


class Asset(BaseHandler, StaticFiles):
    """Static files of the front end: public, since the package contains them."""

    access = "open"

    def initialize(self, **facts: Any) -> None:  # type: ignore[override]  # what the route gives
        BaseHandler.initialize(self, **facts)
        StaticFiles.initialize(self, str(STATIC))

    async def prepare(self, **options: Any) -> None:
        """Do not start the gateway."""
        await self.authenticator.check_request(self)

    get = allow_unauthenticated(StaticFiles.get)
    head = allow_unauthenticated(StaticFiles.head)


class WebAppAsset(Asset):
    """Files of the installable web app: manifest, icons, service worker."""

    def set_extra_headers(self, path: str) -> None:
        super().set_extra_headers(path)
        if path.endswith(".js"):
            self.set_header("Content-Security-Policy", WORKER_CSP)

    def get_content_type(self) -> str:
        manifest = (self.absolute_path or "").endswith(".webmanifest")
        return "application/manifest+json" if manifest else super().get_content_type()


class Socket(GatewayWebSocketHandler, BaseHandler):
    """The gateway's WebSocket. On our own server a client without a login sends its credential with ``connect``."""

    def check_origin(self, origin: str = "") -> bool:
        return BaseHandler.check_origin(self, origin)

    @allow_unauthenticated
    async def get(self, *args: str, **kwargs: str) -> None:
        if self.context.gateway is None:
            unavailable(self)
            return
        await super().get(*args, **kwargs)


# -- tables ---------------------------------------------------------------------------------------------------------
def _shared_routes(base: str, context: ServerContext, authenticator: Authenticator) -> list[Rule]:
    """Return the routes that both homes have."""
    root, facts = re.escape(base), {"context": context, "authenticator": authenticator}
    at_page, at_socket = {**facts, "access": authenticator.page}, {**facts, "access": authenticator.socket}
    return [
        Rule(Upgrade(f"{root}(?:ws|chat)?"), Socket, at_socket),
        Rule(PathMatches(f"{root}(?:chat)?"), Page, at_page),
        Rule(PathMatches(f"{root}(assets/[^/]+|embed\\.js|favicon\\.svg)"), Asset, facts),
        Rule(PathMatches(f"{root}auth/session"), Session, at_socket),
        Rule(PathMatches(f"{root}healthz"), Health, facts),
        Rule(PathMatches(f"{root}readyz"), Ready, facts),
        Rule(PathMatches(f"{root}frame"), ArtifactFrame, at_page),
        Rule(PathMatches(f"{root}export"), Export, facts),
        *media_routes(base, facts),
    ]


def standalone_routes(base: str, context: ServerContext, authenticator: Authenticator | None = None) -> list[Rule]:
    """Return our own server's routes. ``base`` is its base URL, ``/`` unless configured; ``authenticator`` knows other
    logins than the gateway's own."""
    authenticator = authenticator or StandaloneAuthenticator()
    root, facts = re.escape(base), {"context": context, "authenticator": authenticator}
    return [
        *_shared_routes(base, context, authenticator),
        *authenticator.routes(base, facts),
        Rule(PathMatches(f"{root}(sw\\.js|manifest\\.webmanifest|icon-[a-z0-9-]+\\.png)"), WebAppAsset, facts),
        Rule(PathMatches(f"{root}auth/login"), Login, facts),
        Rule(PathMatches(f"{root}auth/logout"), Logout, facts),
        Rule(PathMatches(f"{root}log(?:in|out)"), Redirect, {**facts, "to": f"{base}chat"}),
    ]


def last_routes(context: ServerContext, base: str, authenticator: Authenticator | None = None) -> list[Rule]:
    """Return the fallback routes for paths that neither this package nor Jupyter serves. With another ``base`` the root
    still opens sockets, answers ``healthz`` and ``readyz``, and redirects to the page: clients may know the port only.
    """
    authenticator = authenticator or StandaloneAuthenticator()
    facts = {"context": context, "authenticator": authenticator}
    root = (
        []
        if base == "/"
        else [
            Rule(PathMatches("/healthz"), Health, facts),
            Rule(PathMatches("/readyz"), Ready, facts),
            Rule(PathMatches("/"), Redirect, {**facts, "to": base}),
            Rule(PathMatches(re.escape(base.rstrip("/"))), Redirect, {**facts, "to": base}),
            Rule(PathMatches("/chat"), Redirect, {**facts, "to": f"{base}chat"}),
        ]
    )
    return [
        Rule(Upgrade(".*"), Socket, {**facts, "access": authenticator.socket}),
        *root,
        Rule(PathMatches(".*"), NotFound, facts),
    ]


def mount_routes(base: str, context: ServerContext) -> list[Rule]:
    """Return the routes of a mount in another Jupyter server under ``base`` (``/…/clawdbot/``)."""
    authenticator = JupyterAuthenticator()
    facts = {"context": context, "authenticator": authenticator}
    return [
        *_shared_routes(base, context, authenticator),
        Rule(PathMatches(re.escape(base.rstrip("/"))), Redirect, {**facts, "to": base}),
    ]
