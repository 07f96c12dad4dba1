"""Jupyter's identity provider in the standalone server: the gateway's user, by the same cookie or token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jupyter_server.auth.identity import IdentityProvider, User
from tornado import web
from traitlets import Unicode

from ..protocol.errors import RateLimited, Unauthorized
from .net import fd_limits

if TYPE_CHECKING:
    from .context import ServerContext


class GatewayIdentity(IdentityProvider):
    """One secret for the gateway and for Jupyter's API.

    Not a ``PasswordIdentityProvider``, which lets every client in when neither token nor password is set.
    """

    token = Unicode("", help="Always empty: the gateway's secret stays out of jpserver-*.json and of templates.")

    @property
    def context(self) -> ServerContext:
        assert self.parent is not None  # ServerApp makes it with itself as the parent
        context: ServerContext = self.parent.context
        return context

    def get_user(self, handler: web.RequestHandler) -> User | None:
        """The gateway's user, by ``Authorization`` header or login cookie; never by a token in the URL, and by
        nothing weaker than the gateway's own secret: a Tailscale identity or a paired device opens the chat but no
        kernel."""
        known: User | None = getattr(handler, "_jupyter_current_user", None)
        if known is not None:
            return known
        try:
            identity = self.context.auth.identify(self.context.credentials(handler.request))
        except Unauthorized:
            return None
        except RateLimited as exc:
            raise web.HTTPError(429, reason=exc.message) from None
        if identity is None or not identity.is_account:
            return None
        fd_limits.mark_authenticated(fd_limits.stream_of(handler.request))
        self.context.track(handler, identity)
        handler.request.by_bearer = identity.via != "cookie"  # type: ignore[attr-defined]
        return User(username=identity.user, name=identity.user, display_name=identity.user)

    def is_token_authenticated(self, handler: web.RequestHandler) -> bool:
        """A request with the token in its header needs no XSRF token: no page can make a browser send one."""
        return bool(handler.current_user) and getattr(handler.request, "by_bearer", False)

    def should_check_origin(self, handler: web.RequestHandler) -> bool:
        """Always: a token is no proof that a page may read the answer."""
        return True

    def get_handlers(self) -> list[tuple[str, object]]:
        """Return no handlers: ``/login`` and ``/logout`` are this package's routes, which redirect to the page."""
        return []

    def validate_security(self, app: Any, ssl_options: dict[str, Any] | None = None) -> None:
        """Do nothing: ``check_secret`` has already refused weak secrets."""
