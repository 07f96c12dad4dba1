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
"""Query parameters of the page's address that hold secrets."""


t = catalogue("server")


# -- common to both sets --------------------------------------------------------------------------------------------
class BaseHandler(web.RequestHandler):
    """Base of every route: headers, errors and authentication."""

    context: ServerContext
    access: Access | None = None
    """The access level of the route; a route without one refuses every request."""
    identity: Identity | None = None
    """The identity of the client; set by ``prepare``, unless ``access`` is ``open`` or ``login``."""

    def initialize(self, context: ServerContext, **facts: Any) -> None:
        self.context = context

    async def prepare(self, **options: Any) -> None:
        """Run the server's own checks, authenticate before any of the body is read, and wait for the gateway, which may
        start with this request."""
        if self.access is None:
            raise web.HTTPError(403)
        prepared = super().prepare(**options)
        if prepared is not None:
            await prepared
        if self._finished:
            return
        try:
            authenticated = await self.authenticate()
        except (RateLimited, Unauthorized) as exc:
            self.write_gateway_error(exc)
            return
        if not authenticated:
            self.reject_anonymous()
        if not self._finished:
            await self.context.ready()

    async def authenticate(self) -> bool:
        """Return whether the request is allowed, and set ``identity``. Raises ``Unauthorized``, ``RateLimited``."""
        raise NotImplementedError

    def write_gateway_error(self, error: GatewayError) -> None:
        """Respond to a wrong credential."""
        write_gateway_error(self, error)

    def reject_anonymous(self) -> None:
        """Respond to a request without a credential."""
        self.write_gateway_error(Unauthorized("log in first"))

    def set_default_headers(self) -> None:
        for name, value in SECURITY_HEADERS.items():
            self.set_header(name, value)
        self.set_header("Content-Security-Policy", BARE_CSP)
        self.set_header("Cache-Control", "no-store")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Write an error as JSON, without internal details."""
        error = kwargs.get("exc_info", (None, None))[1]
        self.finish({"error": self._reason, **(error.facts if isinstance(error, OriginRefused) else {})})


def page(handler: BaseHandler) -> None:
    """Write the chat page, or a plain notice if the gateway does not run or the front end is not built."""
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
    """Write a 503 page for people with the text ``key``."""
    lang = handler.context.locale(handler.request)
    handler.set_status(503)
    handler.set_header("Content-Type", "text/html; charset=utf-8")
    handler.finish(
        f'<!doctype html><html lang="{lang}"><meta charset="utf-8"><title>Clawdbot</title>'
        f"<h1>{escape(t(lang, key + '.title'))}</h1><p>{escape(t(lang, key))}</p></html>"
    )


def session_facts(handler: BaseHandler, identity: Identity | None, mount: Mount, modes: list[str]) -> None:
    """Write the login state and the available ways to log in."""
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
    """Write a 503 for programs: the gateway is stopped, or cannot start."""
    handler.set_status(503)
    handler.set_header("Retry-After", "1")
    handler.finish({"error": "the gateway does not run"})


class AssetHandler(BaseHandler, StaticFiles):
    def initialize(self, context: ServerContext, **facts: Any) -> None:  # type: ignore[override]  # what the route gives
        super().initialize(context)
        StaticFiles.initialize(self, str(STATIC))


def health(handler: BaseHandler) -> None:
    """Write whether a gateway runs, here or in another process."""
    up = handler.context.gateway is not None or handler.context.leader_info() is not None
    handler.set_status(200 if up else 503)
    handler.finish({"ok": up})


def page_address(handler: BaseHandler, *, expired: bool = False) -> str:
    """Return the requested page's relative address, without secrets in its query."""
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
    """Set the login cookie and note the login in the audit log."""
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
    """Write a 401 or 429 for a wrong credential."""
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
    """Matcher of WebSocket upgrades: the page and the socket share URLs."""

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return None
        return None if super().match(request) is None else {}


class StandaloneHandler(BaseHandler):
    """Base of the standalone server's routes."""

    async def authenticate(self) -> bool:
        if self.access == "open":
            return True
        self.identity = await self.context.identify(self.request)
        if self.identity is not None and not isinstance(self, GatewayWebSocketHandler):
            self.context.track(self, self.identity)
        return self.identity is not None or self.access == "connect"

    def check_xsrf_cookie(self) -> None:
        """Do nothing: the transport security requires the exact Origin or an Authorization header."""
