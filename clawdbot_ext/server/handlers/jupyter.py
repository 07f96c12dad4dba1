"""The routes of a mount in another Jupyter server. The user is Jupyter's: every route but ``healthz`` and the static
files requires its login, and unknown paths stay Jupyter's.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.auth.identity import IdentityProvider, PasswordIdentityProvider, User
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from jupyter_server.utils import ensure_async
from tornado import web
from tornado.routing import PathMatches, Rule

from ...gateway.access.auth import ExternalIdentity
from ...gateway.access.identity import Identity
from ..net.transport_security import OriginRefused, parse_origin
from .base import (
    SECRET_ARGUMENTS,
    AssetHandler,
    BaseHandler,
    RedirectHandler,
    Upgrade,
    health,
    page,
    page_address,
    session_facts,
    set_cookie,
    unavailable,
)
from .websocket import GatewayWebSocketHandler

if TYPE_CHECKING:
    from ..context import ServerContext


class JupyterMountHandler(BaseHandler, JupyterHandler):
    """Base of the mount's routes: for Jupyter's user, for this account's own programs (by the client credential), and
    for browsers that followed a login link of the gateway; the latter two cannot know Jupyter's login."""

    async def prepare(self, **options: Any) -> None:
        """Authenticate by the gateway's own credentials first, else by Jupyter."""
        if self.access is None:
            raise web.HTTPError(403)
        credentials = self.context.credentials(self.request)
        if credentials.socket and not self.check_origin():
            raise self._origin_refused()
        await self.context.load_devices(credentials)
        self.known = self.context.auth.recognize(credentials)
        if self.known is None:
            if self.access != "login" and not isinstance(self, APIHandler):
                options["_redirect_to_login"] = False
            await super().prepare(**options)
            return
        if not self.check_host():
            raise web.HTTPError(403)
        self._use(self.known)
        if self.request.method not in ("GET", "HEAD", "OPTIONS"):
            self.check_xsrf_cookie()
        await self.context.ready()

    async def authenticate(self) -> bool:
        if self.access == "open":
            return True
        user = self.current_user
        if self.access == "login":
            return user is not None
        credentials = self.context.credentials(self.request)
        if user is None:
            self.identity = self.context.auth.identify(credentials)
        elif (
            not credentials.socket or credentials.by_page or self.token_authenticated
        ):  # no cookie alone from what is no page
            allowed = await ensure_async(self.authorizer.is_authorized(self, user, "execute", "clawdbot"))
            external = ExternalIdentity(user.username, "jupyter", owner=is_owner(self, user)) if allowed else None
            self.identity = self.context.auth.identify(replace(credentials, external=external)) if external else None
        return self.identity is not None

    def reject_anonymous(self) -> None:
        """Redirect to Jupyter's login, or respond with 403."""
        if self.access == "login":
            web.authenticated(lambda handler: None)(self)
        else:
            raise web.HTTPError(403)

    def _use(self, identity: Identity) -> None:
        self.identity = identity
        if not isinstance(self, GatewayWebSocketHandler):
            self.context.track(self, identity)
        self.current_user = self._jupyter_current_user = User(
            username=identity.user, name=identity.user, display_name=identity.user
        )

    def check_origin(self, origin_to_satisfy_tornado: str = "") -> bool:
        """Apply the host server's rule for its kernels' sockets: the host that the page was asked for under,
        ``allow_origin``, ``allow_origin_pat``. The scheme is ignored, since a proxy may have terminated TLS. Pages
        of ``gateway.allowedOrigins`` are allowed as well; pages of browser extensions or without an origin are not."""
        text = self.request.headers.get("Origin")
        given = None if text is None else parse_origin(text)
        if given is not None and given in {
            parse_origin(each) for each in self.context.live()["gateway.allowedOrigins"]
        }:
            return True
        if text is not None and given is None and self.allow_origin != "*":
            return False
        return bool(super().check_origin())

    def skip_check_origin(self) -> bool:
        """Check the origin also with a token, which does not make another site's page trustworthy."""
        return self.request.method == "OPTIONS"

    def _origin_refused(self) -> OriginRefused:
        return OriginRefused(self.request.headers.get("Origin", ""), self.request.host, "ServerApp.allow_origin")

    def check_xsrf_cookie(self) -> None:
        """Require Jupyter's XSRF token of Jupyter's user, since users of a Hub share an origin. A client with one of
        the gateway's own credentials needs an allowed Origin, or an Authorization header, which no page can forge."""
        unsafe = self.request.method not in ("GET", "HEAD", "OPTIONS")
        if unsafe and not self.check_origin():
            raise self._origin_refused()
        headers = self.request.headers
        if self.known is not None:
            ours = "Authorization" in headers or "Origin" in headers
        else:  # a Hub asks before it says who it is
            ours = "Authorization" in headers and getattr(self, "_jupyter_current_user", self) is None
        if not ours:
            super().check_xsrf_cookie()

    known: Identity | None = None
    """The identity by one of the gateway's own credentials, without Jupyter."""


class MountPage(JupyterMountHandler):
    """The page; with ``?code=`` a one-time link for users who cannot log in to the Jupyter server (``clawdbot
    web``)."""

    access = "login"

    async def prepare(self, **options: Any) -> None:
        code = self.get_query_argument("code", "") if self.context.auth.own_logins else ""
        identity = self.context.auth.redeem_link(code) if code and self.check_host() else None
        if identity is None:
            if set(SECRET_ARGUMENTS) & set(self.request.query_arguments):
                # What was given is read already. Jupyter's log and its way to the login need not repeat it.
                self.request.uri = self.request.path.removesuffix("chat") + page_address(self)
            await super().prepare(**options)
            return
        set_cookie(self, identity, self.request.path.removesuffix("chat"))
        self.redirect(page_address(self), status=303)

    @web.authenticated
    def get(self) -> None:
        self.xsrf_token  # noqa: B018  sets Jupyter's cookie, which the page shows with what it asks for
        jupyters_cookie = getattr(self, "_new_cookie", None)  # where it took the token in the address
        if jupyters_cookie and "token" in self.request.query_arguments:
            self.redirect(page_address(self), status=303)
            return
        page(self)


class MountSession(JupyterMountHandler, APIHandler):
    """The login state of Jupyter's user."""

    access = "user"
    _track_activity = False  # an open page that looks whether it is still logged in is no reason not to be culled

    @web.authenticated
    def get(self) -> None:
        session_facts(self, self.identity, "jupyter", [])

    post = get


class MountHealth(JupyterMountHandler):
    """``healthz``, open to requests for an allowed host; it does not start a gateway."""

    access = "open"

    async def prepare(self, **options: Any) -> None:
        await JupyterHandler.prepare(self, _redirect_to_login=False)

    @allow_unauthenticated
    def get(self) -> None:
        health(self)


class MountRedirect(RedirectHandler, JupyterMountHandler):
    """Redirect from the mount without its slash to the page."""


class MountAsset(AssetHandler, JupyterMountHandler):
    """Static files of the front end, open as Jupyter's own are. A Hub demands a token of every GET authenticated by
    cookie alone, which a module script cannot send, and the login form is one of these modules."""

    access = "open"

    async def prepare(self, **options: Any) -> None:
        """Check the requested host only; do not start the gateway."""
        await JupyterHandler.prepare(self, _redirect_to_login=False)

    get = allow_unauthenticated(AssetHandler.get)
    head = allow_unauthenticated(AssetHandler.head)


class MountSocket(GatewayWebSocketHandler, JupyterMountHandler):
    """The gateway's WebSocket for Jupyter's users, and for this user's own programs by the client credential."""

    access = "user"

    def check_origin(self, origin_to_satisfy_tornado: str = "") -> bool:
        return JupyterMountHandler.check_origin(self, origin_to_satisfy_tornado)

    @allow_unauthenticated  # not by Jupyter alone: ``prepare`` has decided
    async def get(self, *args: str, **kwargs: str) -> None:
        if self.context.gateway is None:
            unavailable(self)
            return
        await super().get(*args, **kwargs)


def is_owner(handler: JupyterHandler, user: User) -> bool:
    """Return whether Jupyter's user owns this server. On a Hub its name decides; else a login by Jupyter's token or
    password is the owner's, since it gives access to this account's kernels. Any other identity provider knows several
    users, of whom ``gateway.auth.owners`` names the owners."""
    hub_user = os.environ.get("JUPYTERHUB_USER") if "JUPYTERHUB_SERVICE_PREFIX" in os.environ else None
    if hub_user is not None:
        return user.username == hub_user
    return type(handler.identity_provider) in (IdentityProvider, PasswordIdentityProvider)


def mount_routes(base: str, context: ServerContext) -> list[Rule]:
    """Return the mount's routes under ``base`` (``/…/clawdbot/``)."""
    root, facts = re.escape(base), {"context": context}
    return [
        Rule(Upgrade(f"{root}(?:ws|chat)?"), MountSocket, facts),
        Rule(PathMatches(f"{root}(?:chat)?"), MountPage, facts),
        Rule(PathMatches(f"{root}(assets/[^/]+|embed\\.js|favicon\\.svg)"), MountAsset, facts),
        Rule(PathMatches(f"{root}auth/session"), MountSession, facts),
        Rule(PathMatches(f"{root}healthz"), MountHealth, facts),
        Rule(PathMatches(re.escape(base.rstrip("/"))), MountRedirect, {**facts, "to": base}),
    ]
