"""Authentication of the standalone server's routes in a gateway with users: each request is led into its user's space.

A handler works with ``handler.context``; here that is set to the context of the user's space, before the handler
does anything. So no handler, and no method behind it, can reach another user's. What does not come by the sign-in, or
has a credential of the operator's, is for the operator's own gateway, as without users.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...gateway.access.identity import Identity
from ..handlers.base import Authenticator, BaseHandler, page_address
from ..handlers.standalone import StandaloneAuthenticator
from ..handlers.websocket import GatewayWebSocketHandler
from ..net import fd_limits
from .headers import HeaderSignIn
from .spaces import UserSpaces

if TYPE_CHECKING:
    from tornado.httputil import HTTPServerRequest
    from tornado.routing import Rule

    from ..context import ServerContext
    from .sign_in import SignIn


class UsersAuthenticator(Authenticator):
    """The sign-in for users, and the gateway's own credentials for the operator."""

    mount = "standalone"
    page = "login"
    socket = "connect"

    def __init__(self, sign_in: SignIn, spaces: UserSpaces):
        self.sign_in, self.spaces = sign_in, spaces
        self._base = StandaloneAuthenticator()

    async def check_request(self, handler: BaseHandler) -> None:
        await self._base.check_request(handler)

    def is_user(self, handler: BaseHandler) -> bool:
        """Whether the request is a user's, or wants to be: not the operator's."""
        return not self._is_operator(handler) and self.sign_in.concerns(handler.request)

    def _is_operator(self, handler: BaseHandler) -> bool:
        """Whether an ``Authorization`` header has the operator's own secret, which cannot be guessed. A proxy may send
        others along (``Basic``, a user's own token): they mean nothing here."""
        scheme, _, token = handler.request.headers.get("Authorization", "").partition(" ")
        known = self.spaces.base.auth.check_address(token.strip()) if scheme.lower() in ("bearer", "token") else None
        return known is not None

    async def authenticate(self, handler: BaseHandler) -> bool:
        handler.current_user = None  # Jupyter's, who is not asked here
        if handler.access == "open":
            return True
        if not self.is_user(handler):
            return handler.access == "login" or await self._base.authenticate(handler)
        user = await self.sign_in.user_of(handler)
        if user is None or handler._finished:
            return handler._finished
        space = await self.spaces.open(user)
        handler.context = space.context
        handler.identity = Identity(user.name, "signin")
        fd_limits.mark_authenticated(fd_limits.stream_of(handler.request))
        if not isinstance(handler, GatewayWebSocketHandler):
            space.context.track(handler, handler.identity)
        return True

    def reject_anonymous(self, handler: BaseHandler) -> None:
        if self.is_user(handler):
            self.sign_in.reject(handler)
        else:
            self._base.reject_anonymous(handler)

    def check_xsrf(self, handler: BaseHandler) -> None:
        """The transport security requires the exact Origin or an Authorization header; the sign-in may want more."""
        if self.is_user(handler):
            self.sign_in.check_xsrf(handler)

    def check_origin(self, handler: BaseHandler) -> bool:
        return self.sign_in.check_origin(handler) if self.is_user(handler) else self._base.check_origin(handler)

    async def redeem_link(self, handler: BaseHandler) -> bool:
        return False

    async def leave_secrets(self, handler: BaseHandler) -> bool:
        """A user has no use for secrets in an address; the operator's log in, as without users."""
        if not self.is_user(handler):
            return await self._base.leave_secrets(handler)
        plain = page_address(handler)
        if not {"code", "token"} & set(handler.request.query_arguments):
            return False
        handler.redirect(plain, status=303)
        return True

    def sign_out_url(self, handler: BaseHandler) -> str | None:
        return self.sign_in.sign_out_url(handler) if self.is_user(handler) else None

    def routes(self, base: str, facts: Mapping[str, Any]) -> list[Rule]:
        return self.sign_in.routes(base, facts)

    async def log_out(self, handler: BaseHandler) -> bool:
        """Close what the user has open, in all tabs and browsers: the sign-in itself ends at its own address."""
        if not self.is_user(handler):
            return False
        user = await self.sign_in.user_of(handler)
        if user is not None:
            self.spaces.disconnect(user, "logged out")
            self.sign_in.sign_out(handler)
        return True

    def may_send(self, request: HTTPServerRequest) -> bool:
        """Whether a large body is read by a handler that authenticates before it: an upload of an attachment."""
        return self.sign_in.concerns(request) and request.path.rpartition("/")[2] == "media"


def authenticator_of(context: ServerContext, environment: Mapping[str, str]) -> UsersAuthenticator:
    """The authenticator for ``users.from`` of the operator's configuration; ``environment`` is that of the start."""
    sign_in: SignIn = HeaderSignIn(context.live)
    if context.live()["users.from"] == "hub":
        from .hub import HubSignIn  # with the Hub's library, an extra

        sign_in = HubSignIn(environment, context.live()["users.recheckSeconds"])
    return UsersAuthenticator(sign_in, UserSpaces(context))
