"""Handler bases and the parts of responses that every route shares."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from jupyter_server.auth.decorator import allow_unauthenticated
from tornado import web
from tornado.httputil import HTTPServerRequest
from tornado.routing import PathMatches

from ..._version import __version__
from ...gateway.access.auth import Access, cookie_seconds
from ...gateway.access.identity import Identity
from ...i18n import catalogue
from ...protocol.errors import GatewayError, RateLimited, Unauthorized
from ..context import Mount, cookie_name
from ..net.forwarded_headers import RELAYED_USER
from ..net.transport_security import OriginRefused
from .static_files import STATIC, StaticFiles, texts_of
from .websocket import GatewayWebSocketHandler

if TYPE_CHECKING:
    from ..context import ServerContext


PAGE_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self'; font-src 'self'; media-src 'self' blob:; "
    "frame-src 'self' blob:; worker-src 'self'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types lit-html dompurify clawdbot clawdbot-worker"
)
"""No inline script, no other origin, no string as HTML but by the named Trusted Types policies."""


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


# -- what both sets do ----------------------------------------------------------------------------------------------
class BaseHandler(web.RequestHandler):
    """Headers and errors of every route of ours, and whom it lets in."""

    context: ServerContext
    access: Access | None = None
    """Whom it is for. A route that does not say is for nobody."""
    identity: Identity | None = None
    """Who has come; known since ``prepare``, unless the route is ``open`` or only wants a ``login``."""

    def initialize(self, context: ServerContext, **facts: Any) -> None:
        self.context = context

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
            admitted = await self.authenticate()
        except (RateLimited, Unauthorized) as exc:
            self.write_gateway_error(exc)
            return
        if not admitted:
            self.reject_anonymous()
        if not self._finished:
            await self.context.ready()

    async def authenticate(self) -> bool:
        """May whoever sent the request come in? Sets ``identity``. Raises ``Unauthorized``, ``RateLimited``."""
        raise NotImplementedError

    def write_gateway_error(self, error: GatewayError) -> None:
        """Answer a credential that is wrong."""
        write_gateway_error(self, error)

    def reject_anonymous(self) -> None:
        """Answer somebody who shows no credential."""
        self.write_gateway_error(Unauthorized("log in first"))

    def set_default_headers(self) -> None:
        for name, value in SECURITY_HEADERS.items():
            self.set_header(name, value)
        self.set_header("Content-Security-Policy", BARE_CSP)
        self.set_header("Cache-Control", "no-store")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """An error as JSON, without what went wrong inside."""
        error = kwargs.get("exc_info", (None, None))[1]
        self.finish({"error": self._reason, **(error.facts if isinstance(error, OriginRefused) else {})})


def page(handler: BaseHandler) -> None:
    """The chat page; a plain one that says what to do when the gateway does not run or the front end is not built."""
    if handler.context.gateway is None:
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
    if isinstance(handler, StandaloneHandler) and RELAYED_USER not in handler.request.headers:
        handler.add_header("Link", "<auth/session>; rel=preload; as=fetch; crossorigin")
    if texts := texts_of(handler.context.locale(handler.request)):
        handler.add_header("Link", f"<{texts}>; rel=modulepreload")
    handler.finish(html)


def notice(handler: BaseHandler, key: str) -> None:
    """503 for a person: a plain page with the text ``key``."""
    lang = handler.context.locale(handler.request)
    handler.set_status(503)
    handler.set_header("Content-Type", "text/html; charset=utf-8")
    handler.finish(
        f'<!doctype html><html lang="{lang}"><meta charset="utf-8"><title>Clawdbot</title>'
        f"<h1>{escape(t(lang, key + '.title'))}</h1><p>{escape(t(lang, key))}</p></html>"
    )


def session_facts(handler: BaseHandler, identity: Identity | None, mount: Mount, modes: list[str]) -> None:
    """Answer who has logged in, and how one may."""
    facts = {
        "authenticated": identity is not None,
        "modes": modes,
        "mount": mount,
        "version": __version__,
        "locale": handler.context.locale(handler.request),
    }
    if identity is not None:
        facts["user"] = identity.user
    handler.finish(facts)


def unavailable(handler: BaseHandler) -> None:
    """503 for a client: the gateway is stopped, or cannot start."""
    handler.set_status(503)
    handler.set_header("Retry-After", "1")
    handler.finish({"error": "the gateway does not run"})


class AssetHandler(BaseHandler, StaticFiles):
    def initialize(self, context: ServerContext, **facts: Any) -> None:  # type: ignore[override]  # what the route gives
        super().initialize(context)
        StaticFiles.initialize(self, str(STATIC))


def health(handler: BaseHandler) -> None:
    """Answer whether there is a gateway, here or in another process."""
    up = handler.context.gateway is not None or handler.context.leader_info() is not None
    handler.set_status(200 if up else 503)
    handler.finish({"ok": up})


def page_address(handler: BaseHandler, *, expired: bool = False) -> str:
    """The page that was asked for, relative to it, without secrets in its query."""
    kept = [
        (name, value.decode("utf-8", "replace"))
        for name, values in handler.request.query_arguments.items()
        for value in values
        if name not in (*SECRET_ARGUMENTS, "link")
    ]
    query = urlencode([*kept, *([("link", "expired")] if expired else [])])
    return f"chat?{query}" if query else "chat"


class RedirectHandler(BaseHandler):
    """Redirect to ``facts["to"]`` and nowhere else: a target in the request (``?next=``) is ignored."""

    access = "open"

    def initialize(self, context: ServerContext, **facts: Any) -> None:
        super().initialize(context)
        self._to: str = facts["to"]

    @allow_unauthenticated
    def get(self) -> None:
        self.redirect(self._to)


def set_cookie(handler: BaseHandler, identity: Identity, path: str | None = None) -> None:
    """Log the browser in."""
    if identity.via != "tailscale":  # of which the cookie is only so that Tailscale is not asked each time
        facts = {"user": identity.user, "via": identity.via, "client": handler.context.client_key(handler.request)}
        handler.context.auth.note("login", facts)
    handler.set_cookie(
        cookie_name(handler.request),
        handler.context.auth.issue_cookie(identity),
        path=path or handler.settings["base_url"],
        max_age=cookie_seconds(identity),
        httponly=True,
        samesite="Strict",
        secure=handler.context.is_https(handler.request),
    )


def write_gateway_error(handler: BaseHandler, error: GatewayError) -> None:
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


class StandaloneHandler(BaseHandler):
    """A route of our own server."""

    async def authenticate(self) -> bool:
        if self.access == "open":
            return True
        self.identity = await self.context.identify(self.request)
        if self.identity is not None and not isinstance(self, GatewayWebSocketHandler):
            self.context.track(self, self.identity)
        return self.identity is not None or self.access == "connect"

    def check_xsrf_cookie(self) -> None:
        """Nothing: the gate lets an unsafe method pass only with our exact Origin or an Authorization header."""
