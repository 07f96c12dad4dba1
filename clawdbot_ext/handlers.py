"""The HTTP routes: page, built files, logging in, health, and the upgrade to the gateway's socket.

Two sets of thin classes over the same functions. In our own server the gate stands in front (``gate``), the page is a
public shell without data, and logging in sets our cookie. Those of somebody's Jupyter server are in ``mounted``. Each
class says in ``access`` whom it is for, ``gateway.auth`` who somebody is; a class that does not say lets nobody in.
"""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec
from jupyter_server.auth.decorator import allow_unauthenticated
from tornado import web
from tornado.httputil import HTTPServerRequest
from tornado.routing import PathMatches, Rule

from ._version import __version__
from .built import STATIC, BuiltFiles, texts_of
from .edge import Mount, cookie_name
from .gate import OriginRefused
from .gateway.auth import Access, cookie_seconds
from .gateway.identity import Identity
from .i18n import catalogue
from .peer import PeerSocket
from .protocol.errors import GatewayError, RateLimited, Unauthorized
from .protocol.schema import ConnectAuth
from .proxies import RELAYED_USER

if TYPE_CHECKING:
    from .edge import Edge

PAGE_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self'; font-src 'self'; media-src 'self' blob:; "
    "frame-src 'self' blob:; worker-src 'self'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types lit-html dompurify clawdbot clawdbot-worker"
)
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
SECRET_ARGUMENTS = ("code", "token")
"""What the query of the page's address may hold that nobody else should see."""

t = catalogue("server")
_login_decoder = msgspec.json.Decoder(ConnectAuth)


# -- what both sets do ----------------------------------------------------------------------------------------------
class Ours(web.RequestHandler):
    """Headers and errors of every route of ours, and whom it lets in."""

    edge: Edge
    access: Access | None = None
    """Whom it is for. A route that does not say is for nobody."""
    identity: Identity | None = None
    """Who has come; known since ``prepare``, unless the route is ``open`` or only wants a ``login``."""

    def initialize(self, edge: Edge, **facts: Any) -> None:
        self.edge = edge

    async def prepare(self, **options: Any) -> None:
        """What the server itself does first, then see who it is, before anything of a body is read, then wait for the
        gateway, which may start with this request."""
        if self.access is None:
            raise web.HTTPError(403)
        prepared = super().prepare(**options)
        if prepared is not None:
            await prepared
        if self._finished:
            return
        try:
            admitted = await self.admit()
        except (RateLimited, Unauthorized) as exc:
            self.refuse(exc)
            return
        if not admitted:
            self.stranger()
        if not self._finished:
            await self.edge.ready()

    async def admit(self) -> bool:
        """May whoever sent the request come in? Sets ``identity``. Raises ``Unauthorized``, ``RateLimited``."""
        raise NotImplementedError

    def refuse(self, error: GatewayError) -> None:
        """Answer a credential that is wrong."""
        refuse(self, error)

    def stranger(self) -> None:
        """Answer somebody who shows no credential."""
        self.refuse(Unauthorized("log in first"))

    def set_default_headers(self) -> None:
        for name, value in SECURITY_HEADERS.items():
            self.set_header(name, value)
        self.set_header("Content-Security-Policy", BARE_CSP)
        self.set_header("Cache-Control", "no-store")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """An error as JSON, without what went wrong inside."""
        error = kwargs.get("exc_info", (None, None))[1]
        self.finish({"error": self._reason, **(error.facts if isinstance(error, OriginRefused) else {})})


class Plain(Ours):
    """A route of our own server."""

    async def admit(self) -> bool:
        if self.access == "open":
            return True
        self.identity = await self.edge.identify(self.request)
        if self.identity is not None and not isinstance(self, PeerSocket):
            self.edge.opened(self, self.identity)
        return self.identity is not None or self.access == "connect"

    def check_xsrf_cookie(self) -> None:
        """Nothing: the gate lets an unsafe method pass only with our exact Origin or an Authorization header."""


def page(handler: Ours) -> None:
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
    # What the script asks for first comes along with it, not after it. On a mount it shows Jupyter's token with that.
    if isinstance(handler, Plain) and RELAYED_USER not in handler.request.headers:
        handler.add_header("Link", "<auth/session>; rel=preload; as=fetch; crossorigin")
    if texts := texts_of(handler.edge.locale(handler.request)):
        handler.add_header("Link", f"<{texts}>; rel=modulepreload")
    handler.finish(html)


def notice(handler: Ours, key: str) -> None:
    """503 for a person: a plain page with the text ``key``."""
    lang = handler.edge.locale(handler.request)
    handler.set_status(503)
    handler.set_header("Content-Type", "text/html; charset=utf-8")
    handler.finish(
        f'<!doctype html><html lang="{lang}"><meta charset="utf-8"><title>Clawdbot</title>'
        f"<h1>{escape(t(lang, key + '.title'))}</h1><p>{escape(t(lang, key))}</p></html>"
    )


def session_facts(handler: Ours, identity: Identity | None, mount: Mount, modes: list[str]) -> None:
    """Answer who has logged in, and how one may."""
    facts = {
        "authenticated": identity is not None,
        "modes": modes,
        "mount": mount,
        "version": __version__,
        "locale": handler.edge.locale(handler.request),
    }
    if identity is not None:
        facts["user"] = identity.user
    handler.finish(facts)


def unavailable(handler: Ours) -> None:
    """503 for a client: the gateway is stopped, or cannot start."""
    handler.set_status(503)
    handler.set_header("Retry-After", "1")
    handler.finish({"error": "the gateway does not run"})


class File(Ours, BuiltFiles):
    def initialize(self, edge: Edge, **facts: Any) -> None:  # type: ignore[override]  # what the route gives
        super().initialize(edge)
        BuiltFiles.initialize(self, str(STATIC))


class Health(Plain):
    """``healthz``: is there a gateway? Nothing else, since anybody may ask; asking does not start one."""

    access = "open"

    async def prepare(self, **options: Any) -> None:
        """Nothing to wait for."""

    @allow_unauthenticated
    def get(self) -> None:
        health(self)


def health(handler: Ours) -> None:
    """Answer whether there is a gateway, here or in another process."""
    up = handler.edge.gateway is not None or handler.edge.owner() is not None
    handler.set_status(200 if up else 503)
    handler.finish({"ok": up})


# -- our own server -------------------------------------------------------------------------------------------------
class Page(Plain):
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
        identity = self.edge.auth.redeem_link(code) if code else self.edge.auth.check_address(token)
        if identity is not None:
            set_cookie(self, identity)
        self.redirect(page_address(self, expired=identity is None), status=303)


def page_address(handler: Ours, *, expired: bool = False) -> str:
    """The page that was asked for, relative to it, without secrets in its query."""
    kept = [
        (name, value.decode("utf-8", "replace"))
        for name, values in handler.request.query_arguments.items()
        for value in values
        if name not in (*SECRET_ARGUMENTS, "link")
    ]
    query = urlencode([*kept, *([("link", "expired")] if expired else [])])
    return f"chat?{query}" if query else "chat"


class Session(Plain):
    """Who am I? Nobody in particular is an answer, too. Asked by POST, a browser shows its origin, as a socket does."""

    access = "connect"

    @allow_unauthenticated
    def get(self) -> None:
        if self.identity is not None and self.identity.via == "tailscale":
            set_cookie(self, self.identity)  # so that what follows need not wait for Tailscale
        session_facts(self, self.identity, "standalone", self.edge.auth.modes())

    post = get


class Login(Plain):
    """A token or password in, a cookie out."""

    access = "open"

    @allow_unauthenticated
    def post(self) -> None:
        try:
            given = _login_decoder.decode(self.request.body)
            shown = self.edge.shown(self.request)
            identity = self.edge.auth.check_connect(
                given, self.edge.auth.known_browser(shown.cookie) or shown.client_key
            )
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self.set_status(400)
            self.finish({"error": 'expected {"token": …} or {"password": …}'})
        except (RateLimited, Unauthorized) as exc:
            refuse(self, exc)
        else:
            set_cookie(self, identity)
            self.set_status(204)


class Logout(Plain):
    """The browser forgets its cookie, and the sockets that it opened with it are closed, in all of its tabs; with
    ``{"everywhere": true}`` and a good cookie, those of all browsers."""

    access = "open"

    @allow_unauthenticated
    async def post(self) -> None:
        name, shown = cookie_name(self.request), self.edge.shown(self.request)
        await self.edge.knows_devices(shown)
        identity = self.edge.auth.read_cookie(shown.cookie) if shown.cookie else None
        if shown.cookie:
            await self.edge.log_out(shown.cookie)
        if identity is not None:
            everywhere = self.request.body.replace(b" ", b"") == b'{"everywhere":true}'
            if everywhere:
                self.edge.log_out_everywhere()
            self.edge.auth.note(
                "logout.everywhere" if everywhere else "logout", {"user": identity.user, "client": shown.client_key}
            )
        self.clear_cookie(name, path=self.settings["base_url"])
        self.set_status(204)


class Leading(Ours):
    """Leads to ``facts["to"]``, and nowhere else: where the request wants to go (``?next=``) is ignored."""

    access = "open"

    def initialize(self, edge: Edge, **facts: Any) -> None:
        super().initialize(edge)
        self._to: str = facts["to"]

    @allow_unauthenticated
    def get(self) -> None:
        self.redirect(self._to)


class Leads(Leading, Plain):
    """Jupyter's ``/login`` and ``/logout``, since there is one way to log in."""


class NotFound(Plain):
    """Every path that nothing owns, for every method."""

    access = "open"

    @allow_unauthenticated
    def get(self, *args: str) -> None:
        self.set_status(404)
        self.finish({"error": "not found"})

    head = post = put = delete = patch = options = get


class BuiltFile(File, Plain):
    """What ``npm run build`` made: the same for everybody who has the package."""

    access = "open"
    get = allow_unauthenticated(File.get)
    head = allow_unauthenticated(File.head)


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

    access = "connect"

    @allow_unauthenticated
    async def get(self, *args: str, **kwargs: str) -> None:
        if self.edge.gateway is None:
            unavailable(self)
            return
        await super().get(*args, **kwargs)


def set_cookie(handler: Ours, identity: Identity, path: str | None = None) -> None:
    """Log the browser in."""
    if identity.via != "tailscale":  # of which the cookie is only so that Tailscale is not asked each time
        facts = {"user": identity.user, "via": identity.via, "client": handler.edge.client_key(handler.request)}
        handler.edge.auth.note("login", facts)
    handler.set_cookie(
        cookie_name(handler.request),
        handler.edge.auth.issue_cookie(identity),
        path=path or handler.settings["base_url"],
        max_age=cookie_seconds(identity),
        httponly=True,
        samesite="Strict",
        secure=handler.edge.is_https(handler.request),
    )


def refuse(handler: Ours, error: GatewayError) -> None:
    """401 or 429 for a credential that is wrong."""
    body: dict[str, Any] = {"error": error.message}
    if error.retry_after_ms is None:
        handler.set_status(401)
    else:
        body["retryAfterMs"] = error.retry_after_ms
        handler.set_status(429)
        handler.set_header("Retry-After", str(-(-error.retry_after_ms // 1000)))
    handler.finish(body)


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


def last_routes(edge: Edge, base: str) -> list[Rule]:
    """What our own server does with a path that neither we nor Jupyter own. Its root, where ``base`` is another, still
    opens sockets, tells that it lives and leads to the page: Clawdbot's clients and our own know the port alone."""
    facts = {"edge": edge}
    root = (
        []
        if base == "/"
        else [
            Rule(PathMatches("/healthz"), Health, facts),
            Rule(PathMatches("/(?:chat)?"), Leads, {**facts, "to": f"{base}chat"}),
        ]
    )
    return [Rule(Upgrade(".*"), Socket, facts), *root, Rule(PathMatches(".*"), NotFound, facts)]
