"""The HTTP routes: page, built files, logging in, health, and the upgrade to the gateway's socket.

Two sets of thin classes over the same functions. In our own server the gate stands in front (``gate``), the page is a
public shell without data, and logging in sets our cookie. In somebody's Jupyter server the user is Jupyter's, so every
route but ``healthz`` wants a login there, and unknown paths stay Jupyter's.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.auth.identity import User
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from jupyter_server.utils import ensure_async
from tornado import web
from tornado.httputil import HTTPServerRequest
from tornado.routing import PathMatches, Rule

from ._version import __version__
from .edge import Mount, cookie_name
from .gate import parse_origin
from .gateway.auth import COOKIE_SECONDS, Identity, client_key
from .i18n import catalogue
from .peer import PeerSocket
from .protocol.errors import RateLimited, Unauthorized
from .protocol.schema import ConnectAuth

if TYPE_CHECKING:
    from .edge import Edge

STATIC = Path(__file__).parent / "_static"
"""What ``npm run build`` makes of ``static/``."""

PAGE_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self'; font-src 'self'; media-src 'self' blob:; "
    "frame-src 'self' blob:; worker-src 'self'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types lit-html dompurify clawdbot clawdbot-worker")
"""No inline script, no other origin, no string as HTML but by the named Trusted Types policies."""
WORKER_CSP = "default-src 'none'; connect-src 'self'"
"""The service worker reads the shell's own files and nothing else."""
BARE_CSP = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_IMMUTABLE = 365 * 24 * 3600

t = catalogue("server")
_login_decoder = msgspec.json.Decoder(ConnectAuth)


# -- what both sets do ----------------------------------------------------------------------------------------------
class Ours(web.RequestHandler):
    """Headers and errors of every route of ours."""

    edge: Edge

    def initialize(self, edge: Edge, **facts: Any) -> None:
        self.edge = edge

    async def prepare(self, **options: Any) -> None:
        """What the server itself does first, then wait for the gateway, which may start with this request."""
        prepared = super().prepare(**options)
        if prepared is not None:
            await prepared
        await self.edge.ready()

    def set_default_headers(self) -> None:
        for name, value in SECURITY_HEADERS.items():
            self.set_header(name, value)
        self.set_header("Content-Security-Policy", BARE_CSP)
        self.set_header("Cache-Control", "no-store")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """An error as JSON, without what went wrong inside."""
        self.finish({"error": self._reason})


class Plain(Ours):
    """A route of our own server."""

    def check_xsrf_cookie(self) -> None:
        """Nothing: the gate lets an unsafe method pass only with our exact Origin or an Authorization header."""


def _page(handler: Ours) -> None:
    """The chat page; a plain one that says what to do when the gateway does not run or the front end is not built."""
    if handler.edge.gateway is None:
        notice(handler, "page.away")
        return
    try:
        html = (STATIC / "chat.html").read_bytes()
    except FileNotFoundError:
        notice(handler, "page.notBuilt")
        return
    handler.set_header("Content-Security-Policy", PAGE_CSP)
    handler.set_header("Content-Type", "text/html; charset=utf-8")
    handler.set_header("Cache-Control", "no-cache")
    handler.finish(html)


def notice(handler: Ours, key: str) -> None:
    """503 for a person: a plain page with the text ``key``."""
    lang = handler.edge.locale(handler.request)
    handler.set_status(503)
    handler.set_header("Content-Type", "text/html; charset=utf-8")
    handler.finish(f'<!doctype html><html lang="{lang}"><meta charset="utf-8"><title>Clawdbot</title>'
                   f"<h1>{escape(t(lang, key + '.title'))}</h1><p>{escape(t(lang, key))}</p></html>")


def _session(handler: Ours, identity: Identity | None, mount: Mount, modes: list[str]) -> None:
    facts = {"authenticated": identity is not None, "modes": modes, "mount": mount, "version": __version__,
             "locale": handler.edge.locale(handler.request)}
    if identity is not None:
        facts["user"] = identity.user
    handler.finish(facts)


def unavailable(handler: Ours) -> None:
    """503 for a client: the gateway is stopped, or cannot start."""
    handler.set_status(503)
    handler.set_header("Retry-After", "1")
    handler.finish({"error": "the gateway does not run"})


class _File(Ours, web.StaticFileHandler):
    """Built files: under ``assets/`` their names change with their content, so they are kept for ever."""

    def initialize(self, edge: Edge, **facts: Any) -> None:  # type: ignore[override]  # what the route gives
        super().initialize(edge)
        web.StaticFileHandler.initialize(self, str(STATIC))

    def set_extra_headers(self, path: str) -> None:
        forever = self.request.path.rpartition("/")[0].endswith("/assets")
        self.set_header("Cache-Control", f"public, max-age={_IMMUTABLE}, immutable" if forever else "no-cache")


class Health(Plain):
    """``healthz``: is there a gateway? Nothing else, since anybody may ask; asking does not start one."""

    async def prepare(self, **options: Any) -> None:
        """Nothing to wait for."""

    @allow_unauthenticated
    def get(self) -> None:
        up = self.edge.gateway is not None or self.edge.owner() is not None
        self.set_status(200 if up else 503)
        self.finish({"ok": up})


# -- our own server -------------------------------------------------------------------------------------------------
class Page(Plain):
    """The page; with ``?code=`` a one-time link: logs in and leads to the page without the code."""

    @allow_unauthenticated
    def get(self) -> None:
        code = self.get_query_argument("code", "")
        if not code:
            _page(self)
            return
        identity = self.edge.auth.redeem_link(code)
        if identity is not None:
            _set_cookie(self, identity)
        self.redirect("chat" if identity else "chat?link=expired", status=303)


class Session(Plain):
    @allow_unauthenticated
    def get(self) -> None:
        _session(self, self.edge.cookie(self.request), "standalone", self.edge.auth.modes())


class Login(Plain):
    """A token or password in, a cookie out."""

    @allow_unauthenticated
    def post(self) -> None:
        try:
            given = _login_decoder.decode(self.request.body)
            identity = self.edge.auth.check_connect(given, client_key(self.request.remote_ip or ""))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self.set_status(400)
            self.finish({"error": "expected {\"token\": …} or {\"password\": …}"})
        except (RateLimited, Unauthorized) as exc:
            refuse(self, exc)
        else:
            _set_cookie(self, identity)
            self.set_status(204)


class Logout(Plain):
    """The browser forgets its cookie, and the sockets that it opened with it are closed, in all of its tabs."""

    @allow_unauthenticated
    def post(self) -> None:
        name = cookie_name(self.request)
        if given := self.request.cookies.get(name):
            self.edge.log_out(given.value)
        self.clear_cookie(name, path=self.settings["base_url"])
        self.set_status(204)


class Leads(Plain):
    """Leads to the page: Jupyter's ``/login`` and ``/logout``, since there is one way to log in, and the mount without
    its slash. Where the request wants to go from there (``?next=``) is ignored."""

    def initialize(self, edge: Edge, **facts: Any) -> None:
        super().initialize(edge)
        self._to: str = facts["to"]

    @allow_unauthenticated
    def get(self) -> None:
        self.redirect(self._to)


class NotFound(Plain):
    """Every path that nothing owns, for every method."""

    @allow_unauthenticated
    def get(self, *args: str) -> None:
        self.set_status(404)
        self.finish({"error": "not found"})

    head = post = put = delete = patch = options = get


class BuiltFile(_File):
    get = allow_unauthenticated(_File.get)
    head = allow_unauthenticated(_File.head)


class AppFile(BuiltFile):
    """What makes an app of the page: its manifest, its icons, its service worker."""

    def set_extra_headers(self, path: str) -> None:
        super().set_extra_headers(path)
        if path.endswith(".js"):
            self.set_header("Content-Security-Policy", WORKER_CSP)

    def get_content_type(self) -> str:
        manifest = (self.absolute_path or "").endswith(".webmanifest")
        return "application/manifest+json" if manifest else super().get_content_type()


class Socket(PeerSocket, Plain):
    """The gateway's WebSocket. Who has not logged in yet says so in ``connect``."""

    @allow_unauthenticated
    async def get(self, *args: str, **kwargs: str) -> None:
        if self.edge.gateway is None:
            unavailable(self)
            return
        try:
            self.identity = self.edge.bearer(self.request)
        except (RateLimited, Unauthorized) as exc:
            refuse(self, exc)
            return
        if self.identity is None and "Origin" in self.request.headers:
            # Without Origin it is no browser, so nobody but the user's own program has the cookie's secret to show.
            self.identity = self.edge.cookie(self.request)
            if self.identity is not None:
                self.cookie = self.request.cookies[cookie_name(self.request)].value
        await super().get(*args, **kwargs)


def _set_cookie(handler: Ours, identity: Identity, path: str | None = None) -> None:
    handler.set_cookie(
        cookie_name(handler.request), handler.edge.auth.issue_cookie(identity),
        path=path or handler.settings["base_url"],
        max_age=COOKIE_SECONDS, httponly=True, samesite="Strict", secure=handler.request.protocol == "https")


def refuse(handler: Ours, error: RateLimited | Unauthorized) -> None:
    """401 or 429 for a credential that is wrong."""
    body: dict[str, Any] = {"error": error.message}
    if error.retry_after_ms is None:
        handler.set_status(401)
    else:
        body["retryAfterMs"] = error.retry_after_ms
        handler.set_status(429)
        handler.set_header("Retry-After", str(-(-error.retry_after_ms // 1000)))
    handler.finish(body)


# -- somebody's Jupyter server --------------------------------------------------------------------------------------
class Mounted(Ours, JupyterHandler):
    """A route for Jupyter's user; and for this account's own programs (the client credential) and whoever followed a
    login link of ours, neither of whom can know Jupyter's login."""

    async def prepare(self, **options: Any) -> None:
        """See who it is. Whom we know ourselves Jupyter is not asked about."""
        self.known = self.edge.own_program(self.request)
        if self.known is None and self.edge.own_logins:
            self.known = self.edge.cookie(self.request)
        if self.known is None:
            await super().prepare(**options)
            return
        if not self.check_host():
            raise web.HTTPError(403)
        self._use(self.known)
        if self.request.method not in ("GET", "HEAD", "OPTIONS"):
            self.check_xsrf_cookie()
        await self.edge.ready()

    def _use(self, identity: Identity) -> None:
        self.current_user = self._jupyter_current_user = User(
            username=identity.user, name=identity.user, display_name=identity.user)

    def check_xsrf_cookie(self) -> None:
        """An unsafe request comes from our page (its exact Origin), from a program with a credential in its head, or
        with Jupyter's own token against forgery."""
        if self.known is not None and "Authorization" in self.request.headers:
            return
        if "Origin" not in self.request.headers or not mount_origin_allowed(self):
            super().check_xsrf_cookie()

    known: Identity | None = None
    """Whom we know without Jupyter."""
    guarded = False
    """Whether what it serves is only for those whom Jupyter's authorizer lets use the assistant (``may_chat``)."""


class MountPage(Mounted):
    """The page; with ``?code=`` a one-time link, for whoever cannot log in to the Jupyter server (``clawdbot web``)."""

    async def prepare(self, **options: Any) -> None:
        code = self.get_query_argument("code", "") if self.edge.own_logins else ""
        identity = self.edge.auth.redeem_link(code) if code and self.check_host() else None
        if identity is None:
            await super().prepare(**options)
            return
        _set_cookie(self, identity, self.request.path.removesuffix("chat"))
        self.redirect("chat", status=303)

    @web.authenticated
    def get(self) -> None:
        _page(self)


class MountSession(Mounted, APIHandler):
    _track_activity = False  # an open page that looks whether it is still logged in is no reason not to be culled

    @web.authenticated
    def get(self) -> None:
        _session(self, Identity(self.current_user.username, "jupyter"), "jupyter", [])


class MountFile(_File, Mounted):
    get = web.authenticated(_File.get)  # type: ignore[assignment]  # Tornado's decorator forgets the parameters
    head = web.authenticated(_File.head)  # type: ignore[assignment]


class MountSocket(PeerSocket, Mounted):
    """The gateway's WebSocket for whoever Jupyter knows, and for this user's own programs by the gateway's token."""

    async def prepare(self, **options: Any) -> None:
        await super().prepare(_redirect_to_login=False)

    def check_origin(self, origin_to_satisfy_tornado: str = "") -> bool:
        """``get`` has decided, by exact origins."""
        return True

    @allow_unauthenticated  # not by Jupyter alone: see identify_socket
    async def get(self, *args: str, **kwargs: str) -> None:
        try:
            self.identity = await identify_socket(self)
        except (RateLimited, Unauthorized) as exc:
            refuse(self, exc)
            return
        if self.edge.gateway is None:
            unavailable(self)
            return
        await super().get(*args, **kwargs)


async def identify_socket(handler: Mounted) -> Identity:
    """Who opens a WebSocket on a mount: Jupyter's user or ours, but not by cookie alone from something that is no page;
    else the bearer of the gateway's token.

    Raises:
        web.HTTPError: 403, for a foreign origin and for strangers.
        Unauthorized, RateLimited: a bearer token that is wrong.
    """
    if not mount_origin_allowed(handler):
        raise web.HTTPError(403, reason="origin not allowed")
    by_page = "Origin" in handler.request.headers
    if handler.known is not None:
        identity = handler.known if by_page or "Authorization" in handler.request.headers else None
    elif by_page or handler.token_authenticated:
        identity = await jupyter_identity(handler)
    else:
        identity = handler.edge.bearer(handler.request)
    if identity is None:
        raise web.HTTPError(403)
    return identity


async def jupyter_identity(handler: Mounted) -> Identity | None:
    """Who a request of a mount comes from: whom we know ourselves, Jupyter's user, if they may use the assistant, or
    else the bearer of the gateway's token.

    Raises ``Unauthorized``, ``RateLimited``.
    """
    if handler.known is not None:
        return handler.known
    user = handler.current_user
    if user is None:
        return handler.edge.bearer(handler.request)
    return Identity(user.username, "jupyter") if await may_chat(handler) else None


async def may_chat(handler: Mounted) -> bool:
    """May whoever has logged in use the assistant? Whom we know ourselves may; of its users Jupyter's authorizer says
    so, which is asked for ``execute`` on ``clawdbot``."""
    user = handler.current_user
    if handler.known is not None or user is None:
        return handler.known is not None
    return bool(await ensure_async(handler.authorizer.is_authorized(handler, user, "execute", "clawdbot")))


def mount_origin_allowed(handler: Mounted) -> bool:
    """The exact origin of the server as the browser sees it, one of ``gateway.allowedOrigins``, or none at all."""
    text = handler.request.headers.get("Origin")
    if text is None:
        return True
    origin = parse_origin(text)
    own = parse_origin(f"{handler.request.protocol}://{handler.request.host}")
    allowed = {parse_origin(other) for other in handler.edge.live()["gateway.allowedOrigins"]}
    return origin is not None and (origin == own or origin in allowed)


# -- routes ---------------------------------------------------------------------------------------------------------
class Upgrade(PathMatches):
    """Matches a path only when the request wants to become a WebSocket: the page and the socket share URLs."""

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return None
        return None if super().match(request) is None else {}


def standalone_routes(base: str, edge: Edge) -> list[Rule]:
    """What our own server serves besides Jupyter's API. ``base`` is its base URL, ``/`` unless configured."""
    root, facts = re.escape(base), {"edge": edge}
    return [
        Rule(Upgrade(f"{root}(?:ws|chat)?"), Socket, facts),
        Rule(PathMatches(f"{root}(?:chat)?"), Page, facts),
        Rule(PathMatches(f"{root}(assets/[^/]+|embed\\.js|favicon\\.svg)"), BuiltFile, facts),
        Rule(PathMatches(f"{root}(sw\\.js|manifest\\.webmanifest|icon-[a-z0-9-]+\\.png)"), AppFile, facts),
        Rule(PathMatches(f"{root}auth/session"), Session, facts),
        Rule(PathMatches(f"{root}auth/login"), Login, facts),
        Rule(PathMatches(f"{root}auth/logout"), Logout, facts),
        Rule(PathMatches(f"{root}healthz"), Health, facts),
        Rule(PathMatches(f"{root}log(?:in|out)"), Leads, {**facts, "to": f"{base}chat"}),
    ]


def last_routes(edge: Edge) -> list[Rule]:
    """What our own server does with a path that neither we nor Jupyter own."""
    return [Rule(Upgrade(".*"), Socket, {"edge": edge}), Rule(PathMatches(".*"), NotFound, {"edge": edge})]


def mount_routes(base: str, edge: Edge) -> list[Rule]:
    """What somebody's Jupyter server serves of ours, under ``base`` (``/…/clawdbot/``)."""
    root, facts = re.escape(base), {"edge": edge}
    return [
        Rule(Upgrade(f"{root}(?:ws|chat)?"), MountSocket, facts),
        Rule(PathMatches(f"{root}(?:chat)?"), MountPage, facts),
        Rule(PathMatches(f"{root}(assets/[^/]+|embed\\.js|favicon\\.svg)"), MountFile, facts),
        Rule(PathMatches(f"{root}auth/session"), MountSession, facts),
        Rule(PathMatches(f"{root}healthz"), Health, facts),
        Rule(PathMatches(re.escape(base.rstrip("/"))), Leads, {**facts, "to": base}),
    ]
