"""The interface of a sign-in: the login in front of the gateway that knows its users (``headers``, ``hub``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ..handlers.base import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tornado.httputil import HTTPServerRequest
    from tornado.routing import Rule

    from ..handlers.base import BaseHandler


@dataclass(frozen=True)
class SignedIn:
    """A user, as the sign-in knows them."""

    name: str
    """In NFC, and otherwise as the sign-in gives it: capitals count."""
    groups: frozenset[str] = frozenset()


class SignIn(Protocol):
    """A sign-in. One object serves all requests of the process."""

    def concerns(self, request: HTTPServerRequest) -> bool:
        """Return whether a request came by the sign-in's way, with or without a user.

        Every other one is for the operator's own gateway, with its credentials."""
        ...

    async def user_of(self, handler: BaseHandler) -> SignedIn | None:
        """Return the user of a request that this sign-in ``concerns``; ``None``: not signed in.

        Raises:
            Refused: the request shows a sign-in that is wrong.
        """
        ...

    def reject(self, handler: BaseHandler) -> None:
        """Respond to a request that is not signed in. Raises ``Refused`` instead of a response."""
        ...

    def check_xsrf(self, handler: BaseHandler) -> None:
        """Check an unsafe request against forgery. Raises ``HTTPError``."""
        ...

    def check_origin(self, handler: BaseHandler) -> bool:
        """Return whether the page that sends the request may."""
        ...

    def sign_out_url(self, handler: BaseHandler) -> str | None:
        """Return the address that ends the sign-in; ``None``: there is none."""
        ...

    def sign_out(self, handler: BaseHandler) -> None:
        """Take back what the sign-in itself keeps in the browser."""
        ...

    def routes(self, base: str, facts: Mapping[str, Any]) -> list[Rule]:
        """Return the sign-in's own routes below ``base``; ``facts`` are what handlers are initialized with."""
        ...


class NotSignedIn(Refused):
    """The sign-in in front of the gateway named no user."""

    def __init__(self) -> None:
        super().__init__(401, "users.notSignedIn", "NOT_SIGNED_IN")


class WrongSignIn(Refused):
    """The request shows a sign-in that cannot be believed: another secret, two names, a name that is none."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(403, key, reason)
