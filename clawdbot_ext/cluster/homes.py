"""The homes of sessions: claimed in the database, of which each session has one row at most, and remembered."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping

import psycopg

from .line import LOST, Line

Future = asyncio.Future[int]

REMEMBERED = 20_000
"""Homes of others are remembered up to this number; an own one is remembered until it is released."""
TRIES = 20
"""A home that is claimed and released by others between two looks is looked for again so often."""

_CLAIM = """WITH asked AS (SELECT DISTINCT session_key FROM unnest($2::text[]) AS a(session_key) ORDER BY 1),
    claimed AS (
        INSERT INTO homes (session_key, gateway)
        SELECT a.session_key, g.id
        FROM asked AS a, (SELECT id FROM gateways WHERE id = $1 AND ended_at IS NULL FOR KEY SHARE) AS g
        WHERE NOT EXISTS (SELECT FROM homes AS h WHERE h.session_key = a.session_key)
        ORDER BY a.session_key
        ON CONFLICT (session_key) DO NOTHING RETURNING session_key, gateway
    )
    SELECT session_key, gateway FROM claimed
    UNION ALL SELECT h.session_key, h.gateway FROM homes AS h JOIN asked AS a USING (session_key)"""
_RELEASE = "DELETE FROM homes WHERE gateway = $1 AND session_key = ANY($2::text[])"


class Away(Exception):
    """The database could not be asked, or this member is none any more."""


class Homes:
    """Those that one membership knows, under its ``number``. Questions that come together are asked together."""

    def __init__(self, number: int, line: Callable[[], Awaitable[Line]]):
        self.number = number
        self.own: set[str] = set()
        self._line = line
        self._others: OrderedDict[str, int] = OrderedDict()
        self._asked: dict[str, Future] = {}
        self._given_up: dict[str, Future] = {}
        self._work: asyncio.Task[None] | None = None
        self._ended = False

    def known(self, key: str) -> int | None:
        """The number of the home, where it need not be asked for."""
        if key in self.own:
            return self.number
        if (found := self._others.get(key)) is not None:
            self._others.move_to_end(key)
        return found

    async def find(self, key: str) -> int:
        """The number of the home of a session, which becomes this one when it has none. Raises ``Away``."""
        found = self.known(key)
        return found if found is not None else await self._ask(self._asked, key)

    async def release(self, key: str) -> None:
        """Give up the home of a session, if it is here. Raises ``Away``."""
        if key in self.own:
            self.own.discard(key)
            await self._ask(self._given_up, key)

    def taken(self, keys: Collection[str]) -> None:
        """Note sessions that this member has become the home of."""
        self.own.update(keys)
        for key in keys:
            self._others.pop(key, None)

    def forget(self, number: int, keys: Collection[str] | None = None) -> None:
        """Forget that a member is the home of ``keys``, or of anything."""
        for key in [key for key, home in self._others.items() if home == number] if keys is None else keys:
            if self._others.get(key) == number:
                del self._others[key]

    def end(self) -> None:
        """The membership is over: none is here any more, and callers that wait get ``Away``."""
        self._ended = True
        self.own.clear()
        self._others.clear()

    async def _ask(self, among: dict[str, Future], key: str) -> int:
        if self._ended:
            raise Away("this gateway is no member")
        if key not in among:
            among[key] = asyncio.get_running_loop().create_future()
        if self._work is None:
            self._work = asyncio.create_task(self._answer(), name="cluster: homes")
        return await asyncio.shield(among[key])  # others may wait for the same

    async def _answer(self) -> None:
        """Ask for what is wanted, one batch at a time, until nothing is wanted any more."""
        try:
            while self._asked or self._given_up:
                asked, given_up = self._asked, self._given_up
                self._asked, self._given_up = {}, {}
                await self._carry_out(asked, given_up)
        finally:
            self._work = None

    async def _carry_out(self, asked: Mapping[str, Future], given_up: Mapping[str, Future]) -> None:
        failure: Exception = Away("the database did not say")
        found: dict[str, int] = {}
        try:
            line = await self._line()
            if given_up:
                await line.execute(_RELEASE, self.number, [*given_up])
                for future in given_up.values():
                    _settle(future, 0)
            found = await self._claim(line, asked)
        except LOST as error:
            failure = Away(repr(error))
        except psycopg.Error as error:
            failure = error
        finally:
            if self._ended:
                found.clear()
            self.own.update(key for key, home in found.items() if home == self.number)
            self._remember({key: home for key, home in found.items() if home != self.number})
            for key, future in asked.items():
                _settle(future, found.get(key, failure))
            for future in given_up.values():
                _settle(future, failure)

    async def _claim(self, line: Line, asked: Collection[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        for _ in range(TRIES):
            if missing := [key for key in asked if key not in found]:
                found |= dict(await line.execute(_CLAIM, self.number, missing))
        return found

    def _remember(self, homes: Mapping[str, int]) -> None:
        self._others.update(homes)
        while len(self._others) > REMEMBERED:
            self._others.popitem(last=False)


def _settle(future: Future, outcome: int | Exception) -> None:
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
        future.exception()  # the caller that waited may have been cancelled
    else:
        future.set_result(outcome)
