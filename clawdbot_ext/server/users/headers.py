"""The sign-in by a reverse proxy: it has asked for the login (oauth2-proxy, an SSO, Basic) and sends the user's name.

The name is believed with the secret that both know (``users.secret``), from an address in ``gateway.trustedProxies``.
One of the two is not enough: any program of the machine may send headers from loopback, and a secret that leaked is of
no use elsewhere.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

from ..net.forwarded_headers import is_trusted
from .principals import name_of
from .sign_in import NotSignedIn, SignedIn, WrongSignIn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tornado.httputil import HTTPServerRequest
    from tornado.routing import Rule

    from ...config import Config
    from ..handlers.base import BaseHandler

PROOF = "X-Clawdbot-Proxy-Secret"
_SHOWS_A_PROXY = ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Real-Ip", "Via")
MAX_GROUPS = 1_000


class HeaderSignIn:
    """``users.from = headers``."""

    def __init__(self, config: Callable[[], Config]):
        self._config = config

    def concerns(self, request: HTTPServerRequest) -> bool:
        """Whether a request shows the secret or the user's header, or comes through a trusted proxy. A proxy that was
        set up without the secret must not lead its users to the operator's login."""
        config = self._config()
        if PROOF in request.headers or config["users.header"] in request.headers:
            return True
        forwarded = any(name in request.headers for name in _SHOWS_A_PROXY)
        return forwarded and is_trusted(request.remote_ip or "", config)

    async def user_of(self, handler: BaseHandler) -> SignedIn | None:
        """Raises ``WrongSignIn``."""
        config, request = self._config(), handler.request
        secrets = request.headers.get_list(PROOF)
        given = "".join(secrets[:1]).encode("utf-8", "surrogatepass")
        right = len(secrets) == 1 and hmac.compare_digest(given, config["users.secret"].encode())
        if not (right and config["users.secret"] and is_trusted(request.remote_ip or "", config)):
            raise WrongSignIn("users.proxy", "PROXY_NOT_TRUSTED")
        names = request.headers.get_list(config["users.header"])
        if not names or not names[0].strip():
            return None
        # Two of them: the proxy has left a client's own header in place, and which one is true cannot be told.
        name = name_of(_text(names[0])) if len(names) == 1 else None
        if name is None:
            raise WrongSignIn("users.name", "WRONG_USER_NAME")
        groups = request.headers.get_list(config["users.groupsHeader"])
        if len(groups) > 1:
            raise WrongSignIn("users.name", "WRONG_USER_NAME")
        found = [name_of(part) for part in _text("".join(groups)).split(",")[:MAX_GROUPS]]
        return SignedIn(name, frozenset(group for group in found if group))

    def reject(self, handler: BaseHandler) -> None:
        """Raises ``NotSignedIn``: the proxy itself has to ask for the login."""
        raise NotSignedIn

    def check_xsrf(self, handler: BaseHandler) -> None:
        """Do nothing: the transport security requires the exact Origin or an ``Authorization`` header."""

    def check_origin(self, handler: BaseHandler) -> bool:
        """Allow every origin here: the transport security has checked it exactly."""
        return True

    def sign_out_url(self, handler: BaseHandler) -> str | None:
        return self._config()["users.signOutUrl"] or None

    def sign_out(self, handler: BaseHandler) -> None:
        """Do nothing: only the proxy has a cookie."""

    def routes(self, base: str, facts: Mapping[str, Any]) -> list[Rule]:
        """Return none."""
        return []


def _text(value: str) -> str:
    """The text of a header, which is UTF-8 where Tornado has read Latin-1; empty for what is neither."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return ""
