"""Authentication of our own server's routes, by the gateway's credentials.

The transport security runs in front of them, the page is a public shell without data, and a login sets a cookie of the
gateway (``gateway.access.auth``).
"""

from __future__ import annotations

from ...protocol.errors import Unauthorized
from .base import SECRET_ARGUMENTS, Authenticator, BaseHandler, page_address, set_cookie
from .websocket import GatewayWebSocketHandler


class StandaloneAuthenticator(Authenticator):
    """The gateway's own credentials: cookie, ``Authorization``, or a login vouched for by Tailscale."""

    mount = "standalone"
    page = "open"
    socket = "connect"

    async def check_request(self, handler: BaseHandler) -> None:
        """Do nothing: the transport security has checked the host."""
        handler.current_user = None

    async def authenticate(self, handler: BaseHandler) -> bool:
        handler.current_user = None  # Jupyter's, who is not asked here
        if handler.access == "open":
            return True
        identity = handler.identity = await handler.context.identify(handler.request)
        if identity is not None and not isinstance(handler, GatewayWebSocketHandler):
            handler.context.track(handler, identity)
        return identity is not None or handler.access == "connect"

    def reject_anonymous(self, handler: BaseHandler) -> None:
        handler.write_gateway_error(Unauthorized("log in first"))

    def check_xsrf(self, handler: BaseHandler) -> None:
        """Do nothing: the transport security requires the exact Origin or an Authorization header."""

    def check_origin(self, handler: BaseHandler) -> bool:
        """Allow every origin here: the transport security has checked it exactly, more strictly than Tornado."""
        return True

    async def redeem_link(self, handler: BaseHandler) -> bool:
        """Do nothing: the page is open, and ``leave_secrets`` logs in."""
        return False

    async def leave_secrets(self, handler: BaseHandler) -> bool:
        """Log in by ``?code=``, a one-time link, or by ``?token=``, which Clawdbot's own links carry, and redirect to
        the page without them, so that they stay neither in the address nor in the browser's history."""
        if not set(SECRET_ARGUMENTS) & set(handler.request.query_arguments):
            return False
        code, token = (handler.get_query_argument(name, "") for name in SECRET_ARGUMENTS)
        auth = handler.context.auth
        identity = await auth.links.redeem(code) if code else auth.check_address(token)
        if identity is not None:
            set_cookie(handler, identity)
        handler.redirect(page_address(handler, expired=identity is None), status=303)
        return True
