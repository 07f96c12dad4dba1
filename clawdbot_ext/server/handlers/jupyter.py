"""Authentication of a mount's routes in another Jupyter server, by its login.

The user is Jupyter's: every route but ``healthz`` and the static files requires its login, and unknown paths stay
Jupyter's.
"""

from __future__ import annotations

import os
from dataclasses import replace

from jupyter_server.auth.identity import IdentityProvider, PasswordIdentityProvider, User
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import ensure_async
from tornado import web

from ...gateway.access.auth import ExternalIdentity
from ...gateway.access.identity import Identity
from ..net.transport_security import OriginRefused, parse_origin
from .base import SECRET_ARGUMENTS, Authenticator, BaseHandler, page_address, set_cookie
from .websocket import GatewayWebSocketHandler

_SAFE = ("GET", "HEAD", "OPTIONS")


class JupyterAuthenticator(Authenticator):
    """Jupyter's login; and for those who cannot know it, the client credential of this account's own programs and the
    cookie of a browser that followed a login link of the gateway."""

    mount = "jupyter"
    page = "login"
    socket = "user"

    async def check_request(self, handler: BaseHandler) -> None:
        """Check the requested host. Files are as open as Jupyter's own are: a Hub demands a token of every GET
        authenticated by cookie alone, which a module script cannot send, and the login form is one of these modules."""
        await JupyterHandler.prepare(handler, _redirect_to_login=False)

    async def authenticate(self, handler: BaseHandler) -> bool:
        """Authenticate by the gateway's own credentials first, else by Jupyter."""
        context, credentials = handler.context, handler.context.credentials(handler.request)
        if credentials.socket and not self.check_origin(handler):
            raise _origin_refused(handler)
        await context.load_devices(credentials)
        handler.known = context.auth.recognize(credentials)
        if handler.known is not None:
            if not handler.check_host():
                raise web.HTTPError(403)
            _use(handler, handler.known)
            if handler.request.method not in _SAFE:
                handler.check_xsrf_cookie()
            return True
        await JupyterHandler.prepare(handler, _redirect_to_login=handler.access == "login")
        if handler._finished or handler.access == "open":
            return True
        return await self._by_jupyter(handler)

    async def _by_jupyter(self, handler: BaseHandler) -> bool:
        context, credentials = handler.context, handler.context.credentials(handler.request)
        user = handler.current_user
        if handler.access == "login":
            return user is not None
        if user is None:
            handler.identity = context.auth.identify(credentials)
        elif (
            not credentials.socket or credentials.by_page or handler.token_authenticated
        ):  # no cookie alone from what is no page
            allowed = await ensure_async(handler.authorizer.is_authorized(handler, user, "execute", "clawdbot"))
            external = ExternalIdentity(user.username, "jupyter", owner=is_owner(handler, user)) if allowed else None
            handler.identity = context.auth.identify(replace(credentials, external=external)) if external else None
        return handler.identity is not None

    def reject_anonymous(self, handler: BaseHandler) -> None:
        """Redirect to Jupyter's login, or respond with 403."""
        if handler.access != "login":
            raise web.HTTPError(403)
        web.authenticated(lambda handler: None)(handler)

    def check_origin(self, handler: BaseHandler) -> bool:
        """Apply the host server's rule for its kernels' sockets: the host that the page was asked for under,
        ``allow_origin``, ``allow_origin_pat``. The scheme is ignored, since a proxy may have terminated TLS. Pages
        of ``gateway.allowedOrigins`` are allowed as well; pages of browser extensions or without an origin are not."""
        text = handler.request.headers.get("Origin")
        given = None if text is None else parse_origin(text)
        if given is not None and given in {
            parse_origin(each) for each in handler.context.live()["gateway.allowedOrigins"]
        }:
            return True
        if text is not None and given is None and handler.allow_origin != "*":
            return False
        return bool(JupyterHandler.check_origin(handler))

    def check_xsrf(self, handler: BaseHandler) -> None:
        """Require Jupyter's XSRF token of Jupyter's user, since users of a Hub share an origin. A client with one of
        the gateway's own credentials needs an allowed Origin, or an Authorization header, which no page can forge."""
        if handler.request.method not in _SAFE and not self.check_origin(handler):
            raise _origin_refused(handler)
        headers = handler.request.headers
        if handler.known is not None:
            ours = "Authorization" in headers or "Origin" in headers
        else:  # a Hub asks before it says who it is
            ours = "Authorization" in headers and getattr(handler, "_jupyter_current_user", handler) is None
        if not ours:
            JupyterHandler.check_xsrf_cookie(handler)

    async def redeem_link(self, handler: BaseHandler) -> bool:
        """Log in users who cannot log in to the Jupyter server (``clawdbot web``)."""
        code = handler.get_query_argument("code", "") if handler.context.auth.own_logins else ""
        links, identity = handler.context.auth.links, None
        if links.is_ours(code) and handler.check_host():
            await handler.context.ready()  # where there are several gateways it is in their database
            identity = await links.redeem(code)
        if identity is None:
            if set(SECRET_ARGUMENTS) & set(handler.request.query_arguments):
                # What was given is read already. Jupyter's log and its way to the login need not repeat it.
                handler.request.uri = handler.request.path.removesuffix("chat") + page_address(handler).removeprefix(
                    "./"
                )
            return False
        set_cookie(handler, identity, handler.request.path.removesuffix("chat"))
        handler.redirect(page_address(handler), status=303)
        return True

    async def leave_secrets(self, handler: BaseHandler) -> bool:
        """Set Jupyter's cookies, which the page shows with what it asks for, and redirect if it took the token in the
        address for a login."""
        handler.xsrf_token  # noqa: B018  sets the cookie
        logged_in = getattr(handler, "_new_cookie", None)
        if not logged_in or "token" not in handler.request.query_arguments:
            return False
        handler.redirect(page_address(handler), status=303)
        return True


def _use(handler: BaseHandler, identity: Identity) -> None:
    handler.identity = identity
    if not isinstance(handler, GatewayWebSocketHandler):
        handler.context.track(handler, identity)
    handler.current_user = handler._jupyter_current_user = User(
        username=identity.user, name=identity.user, display_name=identity.user
    )


def _origin_refused(handler: BaseHandler) -> OriginRefused:
    return OriginRefused(handler.request.headers.get("Origin", ""), handler.request.host, "ServerApp.allow_origin")


def is_owner(handler: JupyterHandler, user: User) -> bool:
    """Return whether Jupyter's user owns this server. On a Hub its name decides; else a login by Jupyter's token or
    password is the owner's, since it gives access to this account's kernels. Any other identity provider knows several
    users, of whom ``gateway.auth.owners`` names the owners."""
    hub_user = os.environ.get("JUPYTERHUB_USER") if "JUPYTERHUB_SERVICE_PREFIX" in os.environ else None
    if hub_user is not None:
        return user.username == hub_user
    return type(handler.identity_provider) in (IdentityProvider, PasswordIdentityProvider)
