"""The base of every route, the interface of its authenticator, and the parts of responses that routes share.

There is one handler a route. Its ``authenticator`` differs by home: ``standalone`` has that of our own server,
``jupyter`` that of a mount in another one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from jupyter_server.base.handlers import JupyterHandler
from tornado import web
from tornado.httputil import HTTPServerRequest
from tornado.routing import PathMatches, Rule

from ...gateway.access.auth import Access, cookie_seconds
from ...gateway.access.identity import Identity
from ...i18n import catalogue
from ...protocol.errors import GatewayError, RateLimited, Unauthorized
from ..context import Mount, cookie_name
from ..net.transport_security import OriginRefused

if TYPE_CHECKING:
    from ..context import ServerContext


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


class Refused(web.HTTPError):
    """A refusal with a code for programs and a text for people: ``key`` in the catalogue ``server``, with a title."""

    def __init__(self, status: int, key: str, reason: str, **facts: Any):
        super().__init__(status, reason=reason)
        self.key, self.facts = key, {"reason": reason, **facts}


class Authenticator(ABC):
    """Authentication of requests in one home of the routes, and the checks that go with it."""

    mount: Mount
    page: Access
    """The access level of the page and of what it shows in frames."""
    socket: Access
    """The access level of the socket and of the login state."""

    @abstractmethod
    async def check_request(self, handler: BaseHandler) -> None:
        """Run the home's own checks of a request for static files or ``healthz``, without authentication."""

    @abstractmethod
    async def authenticate(self, handler: BaseHandler) -> bool:
        """Return whether the request is allowed by the handler's ``access``, and set ``identity``; or write a response.

        Raises:
            Unauthorized, RateLimited: a wrong credential.
            HTTPError: refused by the home's own checks.
        """

    @abstractmethod
    def reject_anonymous(self, handler: BaseHandler) -> None:
        """Respond to a request without a credential."""

    @abstractmethod
    def check_xsrf(self, handler: BaseHandler) -> None:
        """Check an unsafe request against forgery. Raises ``HTTPError``."""

    @abstractmethod
    def check_origin(self, handler: BaseHandler) -> bool:
        """Return whether the page that sends the request may."""

    @abstractmethod
    async def redeem_link(self, handler: BaseHandler) -> bool:
        """Log in by a one-time link before authentication; ``True``: a response has been written.

        Raises ``Unavailable``: the database that has the link is away."""

    @abstractmethod
    async def leave_secrets(self, handler: BaseHandler) -> bool:
        """Redirect from an address of the page with a secret to the one without; ``True``: a response has been
        written. Raises ``Unavailable``, as ``redeem_link``."""

    def may_send(self, request: HTTPServerRequest) -> bool:
        """Return whether the handler of a request with a large body authenticates it before any of that is read."""
        return False

    def sign_out_url(self, handler: BaseHandler) -> str | None:
        """Return the address of another login's end that the page offers; ``None``: it logs out here."""
        return None

    def routes(self, base: str, facts: Mapping[str, Any]) -> list[Rule]:
        """Return the routes of another login; ``facts`` are what handlers are initialized with."""
        return []

    async def log_out(self, handler: BaseHandler) -> bool:
        """Log out a user of another login; ``False``: the request is none of theirs."""
        return False


class BaseHandler(JupyterHandler):
    """Base of every route: headers, errors and authentication."""

    context: ServerContext
    authenticator: Authenticator
    access: Access | None = None
    """The access level, of the class or from the table of routes; without one every request is refused."""
    identity: Identity | None = None
    """The identity of the client; set by ``prepare``, unless ``access`` is ``open`` or ``login``."""
    known: Identity | None = None
    """On a mount the identity by one of the gateway's own credentials, without Jupyter."""

    def initialize(
        self, context: ServerContext, authenticator: Authenticator, access: Access | None = None, **facts: Any
    ) -> None:
        self.context, self.authenticator = context, authenticator
        self.access = access or self.access

    async def prepare(self, **options: Any) -> None:
        """Run the server's own checks, authenticate before any of the body is read, and wait for the gateway, which may
        start with this request."""
        if self.access is None:
            raise web.HTTPError(403)
        try:
            authenticated = await self.authenticator.authenticate(self)
        except (RateLimited, Unauthorized) as exc:
            self.write_gateway_error(exc)
            return
        if self._finished:
            return
        if not authenticated:
            self.reject_anonymous()
        if not self._finished:
            await self.context.ready()

    def write_gateway_error(self, error: GatewayError) -> None:
        """Respond to a wrong credential."""
        write_gateway_error(self, error)

    def reject_anonymous(self) -> None:
        """Respond to a request without a credential."""
        self.authenticator.reject_anonymous(self)

    def check_origin(self, origin_to_satisfy_tornado: str = "") -> bool:
        return self.authenticator.check_origin(self)

    def skip_check_origin(self) -> bool:
        """Check the origin also with a token, which does not make another site's page trustworthy."""
        return self.request.method == "OPTIONS"

    def check_xsrf_cookie(self) -> None:
        self.authenticator.check_xsrf(self)

    def set_default_headers(self) -> None:
        for name, value in SECURITY_HEADERS.items():
            self.set_header(name, value)
        self.set_header("Content-Security-Policy", BARE_CSP)
        self.set_header("Cache-Control", "no-store")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Write an error as JSON, without internal details."""
        error = kwargs.get("exc_info", (None, None))[1]
        if isinstance(error, Refused):
            refuse(self, error)
            return
        self.finish({"error": self._reason, **(error.facts if isinstance(error, OriginRefused) else {})})


def refuse(handler: BaseHandler, error: Refused) -> None:
    """Write a refusal: as a page for people, and as JSON for programs and scripts of the page."""
    handler.set_header("X-Clawdbot-Reason", str(error.facts["reason"]))
    if "text/html" in handler.request.headers.get("Accept", ""):
        notice(handler, error.key, status=error.status_code)
        return
    text = t(handler.context.locale(handler.request), error.key)
    handler.finish({"error": text, **error.facts})


def notice(handler: BaseHandler, key: str, *, status: int = 503) -> None:
    """Write a page for people with the text ``key``."""
    lang = handler.context.locale(handler.request)
    handler.set_status(status)
    handler.set_header("Content-Type", "text/html; charset=utf-8")
    handler.finish(
        f'<!doctype html><html lang="{lang}"><meta charset="utf-8"><title>Clawdbot</title>'
        f"<h1>{escape(t(lang, key + '.title'))}</h1><p>{escape(t(lang, key))}</p></html>"
    )


def unavailable(handler: BaseHandler) -> None:
    """Write a 503 for programs: the gateway is stopped, or cannot start."""
    handler.set_status(503)
    handler.set_header("Retry-After", "1")
    handler.finish({"error": "the gateway does not run"})


def page_address(handler: BaseHandler, *, expired: bool = False) -> str:
    """Return the requested page's relative address (``chat`` or ``./``), without secrets in its query."""
    kept = [
        (name, value.decode("utf-8", "replace"))
        for name, values in handler.request.query_arguments.items()
        for value in values
        if name not in (*SECRET_ARGUMENTS, "link")
    ]
    query = urlencode([*kept, *([("link", "expired")] if expired else [])])
    page = "chat" if handler.request.path.endswith("/chat") else "./"
    return f"{page}?{query}" if query else page


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


class Upgrade(PathMatches):
    """Matcher of WebSocket upgrades: the page and the socket share URLs."""

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return None
        return None if super().match(request) is None else {}
