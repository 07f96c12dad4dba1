"""The sign-in of a JupyterHub: the gateway as a service of a Hub, for all of its users.

A browser is led to the Hub, which sends it back with a code (``oauth_callback``); for the code the Hub gives a token of
this user, good for this service alone, and tells whose it is. The token is kept by the browser, sealed, in a cookie for
the service's own path. Programs show a token of the Hub in ``Authorization``. Nothing is kept here: any gateway of the
service finishes a login that another one began, as it does after a restart.

What came by a cookie has to show a token against forgery as well, sockets included: the servers of users have the same
origin, and a page of theirs sends the cookie along.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import re
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from cryptography.fernet import Fernet, InvalidToken
from jupyter_server.auth.decorator import allow_unauthenticated
from tornado.httputil import url_concat
from tornado.routing import PathMatches, Rule
from tornado.web import HTTPError

from ...protocol.frames import CloseCode
from ...runtime.supervision import Supervisor
from ..context import close_request
from ..handlers.base import BaseHandler, Refused, page_address
from ..handlers.websocket import GatewayWebSocketHandler
from ..net import fd_limits
from .principals import name_of
from .sign_in import NotSignedIn, SignedIn, WrongSignIn

if TYPE_CHECKING:
    from jupyterhub.services.auth import HubOAuth
    from tornado.httputil import HTTPServerRequest
    from tornado.iostream import IOStream

log = logging.getLogger(__name__)

ANSWER_S = 10.0
"""Seconds that the Hub has for an answer."""
LOGIN_S = 600
"""Seconds that a login at the Hub may take."""
COOKIE_DAYS = 14
MAX_LOGINS = 8
"""Logins that one browser may have under way; the cookies of more are dropped."""
XSRF_COOKIE, XSRF_HEADER, XSRF_ARGUMENT = "_xsrf", "X-XSRFToken", "_xsrf"
CALLBACK = "oauth_callback"
_SAFE = ("GET", "HEAD", "OPTIONS")
_HEADER = re.compile(r"(?:bearer|token)\s+(\S+)\s*", re.IGNORECASE)


class _Shown(NamedTuple):
    """The Hub's token that a request shows. ``by_cookie``: a browser sent it, whichever page asked for that."""

    token: str
    by_cookie: bool


class _Watched(NamedTuple):
    """An open socket's token and user, and the stream that tells when it is closed."""

    token: str
    user: SignedIn
    stream: IOStream | None


class HubAway(Refused):
    """The Hub does not answer, so that no user can be let in."""

    def __init__(self) -> None:
        super().__init__(503, "users.hubAway", "HUB_AWAY")


class LoginFailed(Refused):
    """The way back from the Hub's login was not the one that this browser was sent on, or the Hub refused it."""

    def __init__(self, reason: str) -> None:
        super().__init__(403, "users.hubLogin", reason)


class HubSignIn:
    """Fulfils ``SignIn``."""

    def __init__(self, environment: Mapping[str, str], recheck_s: int):
        """``environment`` is that of a Hub's service, as ``hub_service.check`` has found it; an answer of the Hub holds
        for ``recheck_s`` seconds. After as many a user whom it does not know any more is out, with open sockets too."""
        from jupyterhub.services.auth import HubOAuth

        token = environment["JUPYTERHUB_API_TOKEN"]
        self.hub: HubOAuth = HubOAuth(
            api_token=token,
            oauth_client_id=environment.get("JUPYTERHUB_CLIENT_ID")
            or f"service-{environment['JUPYTERHUB_SERVICE_NAME']}",
            base_url=environment["JUPYTERHUB_SERVICE_PREFIX"],
            access_scopes=json.loads(environment.get("JUPYTERHUB_OAUTH_ACCESS_SCOPES") or "[]")
            or [f"access:services!service={environment['JUPYTERHUB_SERVICE_NAME']}"],
            cache_max_age=recheck_s,
        )
        self._sealed = Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"clawdbot cookies\0" + token.encode()).digest()))
        self._xsrf_key = hashlib.sha256(b"clawdbot forgery\0" + token.encode()).digest()
        self._public = environment.get("JUPYTERHUB_PUBLIC_URL", "")
        self._recheck_s, self._supervisor = recheck_s, Supervisor()
        self._sockets: dict[GatewayWebSocketHandler, _Watched] = {}
        self._watching: asyncio.Task[None] | None = None

    # -- SignIn -----------------------------------------------------------------------------------------------------
    def concerns(self, request: HTTPServerRequest) -> bool:
        """All below the service's prefix: there is no other way in for users."""
        return request.path.startswith(self.hub.base_url)

    async def user_of(self, handler: BaseHandler) -> SignedIn | None:
        shown = self._shown(handler)
        if shown is None:
            return None
        user = await self._user(shown.token, handler.get_cookie("jupyterhub-session-id") or "")
        if user is None:
            if shown.by_cookie:
                self.sign_out(handler)
            return None
        if shown.by_cookie:
            self._check_forgery(handler, shown.token)
            if _is_navigation(handler) and handler.get_cookie(XSRF_COOKIE) != self.xsrf_token(shown.token):
                self._set_xsrf(handler, shown.token)
        if isinstance(handler, GatewayWebSocketHandler):
            self._watch(handler, shown.token, user)
        handler.set_header("Cross-Origin-Opener-Policy", "noopener-allow-popups")
        return user

    def reject(self, handler: BaseHandler) -> None:
        """Lead a browser that opens the page to the Hub's login, and back."""
        if not _is_navigation(handler) or "Authorization" in handler.request.headers:
            raise NotSignedIn
        page = handler.request.path.removesuffix("chat") + page_address(handler).removeprefix("./")
        state = secrets.token_urlsafe(16)
        verifier, challenge, method = self.hub.generate_pkce_code_challenge()
        under_way = [name for name in handler.cookies if name.startswith(self._login_cookie(""))]
        for name in under_way[MAX_LOGINS:]:
            self._clear(handler, name)
        login = {"state": state, "page": page, "verifier": verifier}
        self._set(handler, self._login_cookie(state), self._seal(login), max_age=LOGIN_S)
        handler.redirect(
            url_concat(
                self.hub.login_url, {"state": state, "code_challenge": challenge, "code_challenge_method": method}
            )
        )

    def check_xsrf(self, handler: BaseHandler) -> None:
        shown = self._shown(handler)
        if shown is not None and shown.by_cookie:
            self._check_forgery(handler, shown.token)

    def check_origin(self, handler: BaseHandler) -> bool:
        """Allow every origin here: the transport security has checked it exactly."""
        return True

    def sign_out_url(self, handler: BaseHandler) -> str | None:
        return f"{self.hub.hub_host}{self.hub.hub_prefix}logout"

    def sign_out(self, handler: BaseHandler) -> None:
        """Take the browser's cookies back."""
        for name in (self.hub.cookie_name, XSRF_COOKIE):
            self._clear(handler, name)

    def routes(self, base: str, facts: Mapping[str, Any]) -> list[Rule]:
        return [Rule(PathMatches(re.escape(f"{base}{CALLBACK}")), Callback, {**facts, "sign_in": self})]

    # -- the way back from the Hub's login --------------------------------------------------------------------------
    async def finish_login(self, handler: BaseHandler) -> None:
        """Take the Hub's code, set the cookies and redirect to the page that was asked for.

        Raises:
            LoginFailed: the Hub refused, or this browser was not on its way there.
            HubAway: it does not answer.
        """
        state = handler.get_query_argument("state", "")
        cookie = self._login_cookie(state)
        login = self._unseal(handler.get_cookie(cookie) or "", LOGIN_S)
        if not state or login.get("state") != state:
            raise LoginFailed("WRONG_STATE")
        if handler.get_query_argument("error", ""):
            raise LoginFailed("REFUSED_BY_HUB")
        for name in [each for each in handler.cookies if each.startswith(self._login_cookie(""))]:
            self._clear(handler, name)
        token = await self._answer(
            self.hub.token_for_code(
                handler.get_query_argument("code", ""), code_verifier=login["verifier"], sync=False
            ),
            LoginFailed("WRONG_CODE"),
        )
        if await self._user(token, handler.get_cookie("jupyterhub-session-id") or "") is None:
            raise LoginFailed("UNKNOWN_USER")
        self._set(handler, self.hub.cookie_name, self._seal({"token": token}), max_age=COOKIE_DAYS * 24 * 3600)
        self._set_xsrf(handler, token)
        handler.redirect(login["page"], status=303)

    # -- the Hub's answers ------------------------------------------------------------------------------------------
    async def _user(self, token: str, session: str, *, anew: bool = False) -> SignedIn | None:
        """The user of a token; ``None``: the Hub knows none. Raises ``HubAway``, ``WrongSignIn``."""
        asked = self.hub.user_for_token(token, session_id=session, use_cache=not anew, sync=False)
        model: dict[str, Any] | None = await self._answer(asked, HubAway())
        if model is None:
            return None
        if model.get("kind") != "user" or not self.hub.check_scopes(self.hub.access_scopes, model):
            raise WrongSignIn("users.hubScope", "HUB_SCOPE")
        name = name_of(model["name"])
        if name is None:
            raise WrongSignIn("users.name", "BAD_NAME")
        groups = (name_of(each) for each in model.get("groups") or ())
        return SignedIn(name, frozenset(each for each in groups if each))

    async def _answer(self, asked: Any, refused: Refused) -> Any:
        """Wait for the Hub. It tells a refusal from being away by the status alone, and both by an ``HTTPError``."""
        try:
            return await asyncio.wait_for(asked, ANSWER_S)
        except asyncio.TimeoutError:
            raise HubAway from None
        except HTTPError as exc:
            away = exc.status_code == 502 or "connect" in (exc.log_message or "")
            raise (HubAway() if away else refused) from None

    # -- open sockets -----------------------------------------------------------------------------------------------
    def _watch(self, handler: GatewayWebSocketHandler, token: str, user: SignedIn) -> None:
        self._sockets[handler] = _Watched(token, user, fd_limits.stream_of(handler.request))
        if self._watching is None or self._watching.done():
            self._watching = self._supervisor.run("hub sign-in", self._keep_asking)

    async def _keep_asking(self) -> None:
        """Ask the Hub again about the users of open sockets, as long as there are any. While it is away they stay."""
        while True:
            await asyncio.sleep(self._recheck_s)
            await self.ask_again()
            if not self._sockets:
                return

    async def ask_again(self) -> None:
        """Close the sockets of users whom the Hub does not know any more; one whose groups are others connects anew."""
        self._forget_closed()
        for token in {watched.token for watched in self._sockets.values()}:
            try:
                user = await self._user(token, "", anew=True)
            except HubAway:
                continue
            except Refused:
                user = None
            for handler, watched in list(self._sockets.items()):
                if watched.token != token or watched.user == user:
                    continue
                del self._sockets[handler]
                self.hub.cache.clear()  # the client comes back at once, and an older answer may be kept
                if user is None:
                    close_request(handler)
                else:
                    handler.close(CloseCode.RESTART, "groups changed")

    def _forget_closed(self) -> None:
        for handler in [
            each for each, watched in self._sockets.items() if watched.stream is None or watched.stream.closed()
        ]:
            del self._sockets[handler]

    # -- cookies ----------------------------------------------------------------------------------------------------
    def _shown(self, handler: BaseHandler) -> _Shown | None:
        if header := handler.request.headers.get("Authorization"):
            found = _HEADER.fullmatch(header)
            return None if found is None else _Shown(found[1], by_cookie=False)
        kept = self._unseal(handler.get_cookie(self.hub.cookie_name) or "", COOKIE_DAYS * 24 * 3600)
        return _Shown(kept["token"], by_cookie=True) if "token" in kept else None

    def xsrf_token(self, token: str) -> str:
        """The token against forgery that belongs to a login."""
        return base64.urlsafe_b64encode(hmac.digest(self._xsrf_key, token.encode(), "sha256")[:24]).decode()

    def _check_forgery(self, handler: BaseHandler, token: str) -> None:
        """Raises ``WrongSignIn``: a page asked that cannot read the service's own."""
        request = handler.request
        if request.method in _SAFE and not isinstance(handler, GatewayWebSocketHandler):
            if handler.access == "login":
                return  # the page's shell, which holds nothing; its service worker keeps it
            if request.headers.get("Sec-Fetch-Mode", "navigate") in ("navigate", "no-cors"):
                return  # a page or a picture to be shown, which other pages cannot look into
        given = request.headers.get(XSRF_HEADER) or handler.get_query_argument(XSRF_ARGUMENT, "")
        if not hmac.compare_digest(given.encode(), self.xsrf_token(token).encode()):
            raise WrongSignIn("users.forged", "FORGED")

    def _login_cookie(self, state: str) -> str:
        return f"{self.hub.cookie_name}-login-{state[:8]}"

    def _seal(self, facts: Mapping[str, str]) -> str:
        return self._sealed.encrypt(json.dumps(facts).encode()).decode()

    def _unseal(self, text: str, seconds: int) -> dict[str, str]:
        try:
            facts: dict[str, str] = json.loads(self._sealed.decrypt(text.encode(), ttl=seconds))
        except InvalidToken:
            return {}
        return facts

    def _set_xsrf(self, handler: BaseHandler, token: str) -> None:
        self._set(handler, XSRF_COOKIE, self.xsrf_token(token), httponly=False, max_age=COOKIE_DAYS * 24 * 3600)

    def _set(self, handler: BaseHandler, name: str, value: str, *, max_age: int, httponly: bool = True) -> None:
        handler.set_cookie(
            name,
            value,
            **{
                "samesite": "Lax",
                "secure": self._is_https(handler),
                **self.hub.cookie_options,
                "path": self._path(name),
                "httponly": httponly,
                "max_age": max_age,
            },
        )

    def _clear(self, handler: BaseHandler, name: str) -> None:
        handler.clear_cookie(name, path=self._path(name), secure=self._is_https(handler))

    def _path(self, name: str) -> str:
        """A cookie whose name begins with ``__Host-`` counts for the whole host alone; the Hub's administrator chose
        that."""
        return "/" if name.startswith("__Host-") else self.hub.base_url

    def _is_https(self, handler: BaseHandler) -> bool:
        from jupyterhub.utils import get_browser_protocol

        return self._public.startswith("https:") or get_browser_protocol(handler.request) == "https"


def _is_navigation(handler: BaseHandler) -> bool:
    """Whether a browser opens the page. Without https it may not say so."""
    wanted = handler.request.headers.get("Sec-Fetch-Mode", "navigate") == "navigate"
    return wanted and handler.access == "login" and handler.request.method == "GET"


class Callback(BaseHandler):
    """``oauth_callback``: the way back from the Hub's login."""

    access = "open"

    def initialize(self, *, sign_in: HubSignIn, **facts: Any) -> None:  # type: ignore[override]  # what the route gives
        super().initialize(**facts)
        self._sign_in = sign_in

    @allow_unauthenticated
    async def get(self) -> None:
        await self._sign_in.finish_login(self)
