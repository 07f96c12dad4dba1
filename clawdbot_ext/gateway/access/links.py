"""One-time links: a code in an address of the page that logs in once, at whichever gateway it is opened.

One gateway keeps them in memory. Several keep them in the database, by their hash: the first one that takes a link out
has used it, for all. Above: ``auth``. Below: the store.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from ...protocol.errors import InvalidRequest
from .identity import MAX_LINEAGE

if TYPE_CHECKING:
    from ...store.api import Store
    from .identity import Identity

KIND = "login-link"
LINK_SECONDS = 60
MAX_LINKS = 32
"""Unused links kept; the oldest goes first."""
_RANDOM_CHARS = 32
_SIGN_BYTES = 12


class Recorder(Protocol):
    """The part of ``auth.Auth`` that tells what a link is worth."""

    def record(self, identity: Identity) -> dict[str, Any]: ...

    def recorded(self, facts: Mapping[str, Any], via: Any) -> Identity | None: ...


class Links:
    """The links of one gateway, or of all that share a database."""

    def __init__(self, worth: Recorder, key: Callable[[], bytes], clock: Callable[[], float]) -> None:
        """``key``: what cookies are signed with, the same at all the gateways."""
        self._worth, self._key, self._clock = worth, key, clock
        self._here: dict[str, Mapping[str, Any]] = {}
        self.shared: Store | None = None
        """The store that other gateways use, too; ``None``: there are none."""

    async def create(self, maker: Identity) -> tuple[str, int]:
        """A login code for one use that is worth what ``maker`` is, and when it ends (milliseconds since the epoch).

        Raises:
            InvalidRequest: it would be the ``MAX_LINEAGE``-th login that was made of one another.
            Unavailable: the database cannot keep it.
        """
        if len(maker.lineage) >= MAX_LINEAGE:
            raise InvalidRequest("log in with the token or password first", reason="TOO_FAR_DERIVED")
        random, ends = secrets.token_urlsafe(24), int((self._clock() + LINK_SECONDS) * 1000)
        code = random + self._signature(random)
        facts = {"ends": ends, **self._worth.record(maker)}
        if self.shared is None:
            self._here[_digest(code)] = facts
            while len(self._here) > MAX_LINKS:
                del self._here[next(iter(self._here))]
        else:
            await self._make_room(self.shared)
            body = {"id": _digest(code), "facts": facts}
            await self.shared.put_record(KIND, _digest(code), body, now=int(self._clock() * 1000))
        return code, ends

    async def redeem(self, code: str) -> Identity | None:
        """Use a code up; ``None`` if it is unknown, used, late, or its maker is void. 192 bits need no limiter, and the
        database is not asked about a code that no gateway has signed. Raises ``Unavailable``."""
        if not self.is_ours(code):
            return None
        if self.shared is None:
            facts = self._here.pop(_digest(code), None)
        else:
            now = int(self._clock() * 1000)
            taken = (await self.shared.change_record(KIND, _digest(code), lambda _: None, now=now)).before
            facts = taken and taken["facts"]
        if facts is None or facts["ends"] < self._clock() * 1000:
            return None
        return self._worth.recorded(facts, "link")

    def is_ours(self, code: str) -> bool:
        """Whether a gateway with our key has signed a code."""
        given = code[_RANDOM_CHARS:].encode("utf-8", "surrogatepass")
        return hmac.compare_digest(given, self._signature(code[:_RANDOM_CHARS]).encode())

    def clear(self) -> None:
        """Forget all of this gateway. Those in the database are void with the key."""
        self._here.clear()

    async def _make_room(self, store: Store) -> None:
        """Remove what has ended, and the oldest of too many."""
        kept = await store.list_records(KIND)
        ended = [each for each in kept if each["facts"]["ends"] < self._clock() * 1000]
        left = [each for each in kept if each not in ended]
        for each in [*ended, *left[: max(0, len(left) - MAX_LINKS + 1)]]:
            await store.delete_record(KIND, each["id"])

    def _signature(self, random: str) -> str:
        given = b"link\0" + random.encode("utf-8", "surrogatepass")
        return hmac.digest(self._key(), given, "sha256")[:_SIGN_BYTES].hex()


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode("utf-8", "surrogatepass")).hexdigest()
