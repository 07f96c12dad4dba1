"""Spending limits (``limits.*``): each request to a model is let through here, and what it took is counted here.

The sums are those of the usage table, so they hold for all gateways on one database. They are remembered: a request far
from every limit reads nothing, and one that comes near a limit reads them anew. Near a limit, requests of parallel runs
go one after the other. So a limit is exceeded by one request at most; where several gateways work on one database, by
one of each, and by what the others spent in the last ``REFRESH_S``.

The day and the month are those of this machine's time zone, as in ``usage.cost``. The demo costs nothing and is never
refused.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal, NamedTuple

from ...agent.model_catalog import Model, ModelCatalogue
from ...agent.providers.base import Usage
from ...config import Config
from ...config.live import LiveConfig
from ...i18n import catalogue
from ...protocol.clock import now_ms
from ...protocol.errors import GatewayError, LimitReached
from ...protocol.keys import is_temporary
from ...store.api import Store, StoreDamaged
from ...store.tables import Spent

log = logging.getLogger(__name__)
t = catalogue("gateway")

REFRESH_S = 2.0
"""Far from a limit, what other gateways spent is looked up after so long, beside the request."""
EXACT_TRIES = 5
TEMPORARY_USAGE = "temporary-usage"
"""Kind of the records with what temporary sessions used, a day each and nothing but sums: only their limit is kept."""
Limit = Literal["limits.dailyTokens", "limits.monthlyTokens", "limits.monthlyCost"]
LIMITS: tuple[Limit, ...] = ("limits.dailyTokens", "limits.monthlyTokens", "limits.monthlyCost")
NONE = Spent(0, 0.0)


class Period(NamedTuple):
    """A day or a month, in milliseconds: its beginning and that of the next one."""

    begins: int
    ends: int


class LimitUse(NamedTuple):
    """A limit that is set, and how much of it is used; US dollars or tokens."""

    limit: Limit
    max: float
    used: float
    resets_at: int

    def begins_anew(self) -> str:
        """The time for people, with its time zone."""
        return f"{datetime.fromtimestamp(self.resets_at / 1000).astimezone():%Y-%m-%d %H:%M} ({zone(self.resets_at)})"

    def text(self, locale: str | None) -> str:
        """A line about what is left, and when it begins anew."""
        left, money = max(0.0, self.max - self.used), self.limit == "limits.monthlyCost"
        shown = [f"${value:,.2f}" if money else f"{value:,.0f}" for value in (left, self.max)]
        return t(locale, f"left.{self.limit}", left=shown[0], most=shown[1], begins=self.begins_anew())

    def wire(self) -> dict[str, Any]:
        """The facts, as of a refusal."""
        left = max(0.0, self.max - self.used)
        money = self.limit == "limits.monthlyCost"
        sums = {"max": self.max, "used": round(self.used, 6), "left": round(left, 6)}
        return {
            "limit": self.limit,
            **(sums if money else {name: int(value) for name, value in sums.items()}),
            "resetsAt": self.resets_at,
            "begins": self.begins_anew(),
        }


@dataclass(eq=False)
class Reservation:
    """A request that was let through: the most that it may take, until it is known what it took."""

    session_key: str
    prompt: int
    """About so many tokens are read for it."""
    most: Spent


class Budget:
    """The spending of one gateway's store, and its limits."""

    def __init__(self, config: LiveConfig, store: Store, models: ModelCatalogue) -> None:
        self._config, self._store, self._models = config, store, models
        self._sums: tuple[Spent, Spent] = (NONE, NONE)
        """Of the month and of the day, as last read, with what was counted since."""
        self._periods: tuple[Period, Period] | None = None
        """The month and the day that the sums are of; ``None``: they were never read."""
        self._read_at = 0.0
        self._exact = True
        """No reply ended since the sums were begun to be read: it may be in them twice, until the next time."""
        self._reading = asyncio.Lock()
        self._counted = 0
        self._refreshing: asyncio.Task[None] | None = None
        self._reserved: set[Reservation] = set()
        self._freed = asyncio.Event()
        self._temporary: dict[int, Spent] = {}
        """Usage of the temporary sessions of this gateway, by the beginning of the day."""
        self._id = uuid.uuid4().hex

    # -- questions ----------------------------------------------------------------------------------------------------
    async def uses(self) -> Sequence[LimitUse]:
        """The limits that are set, as they stand."""
        if not _limits(self._config()):
            return ()
        self._exact = False
        await self._read_exactly()
        return self._uses()

    def roomy(self) -> bool:
        """Whether there is room below every limit, as far as is known without a look: nothing has to be awaited."""
        if not _limits(self._config()):
            return True
        known = self._periods is not None and now_ms() < self._periods[1].ends
        return known and self._reached(self._taken()) is None

    async def require(self, model: Model) -> None:
        """Look whether ``model`` may be asked anything now; what is under way is not counted. For a send, before it is
        accepted.

        Raises:
            LimitReached
        """
        if model.provider != "demo" and _limits(self._config()):
            await self._require_room(NONE)

    async def require_for(self, run_id: str, session_key: str, model: str | None) -> None:
        """As ``require``, for a send to a session, for which another ``model`` may be wished. One that was taken before
        and is sent again is no new request. With ``roomy`` nothing is awaited: sends keep their order."""
        if self.roomy():
            return
        session = await self._store.get_session(session_key)
        wished = model or (session.settings.get("model") if session is not None else None)
        try:
            await self.require(self._models.find(wished) or self._models.default())
        except LimitReached:
            if await self._store.get_run(run_id) is None:
                raise

    async def admit(self, model: Model, session_key: str, *, prompt: int, most: int) -> Reservation | None:
        """Let one request through, of about ``prompt`` tokens and at most so many of reply. Waits while requests under
        way may use the rest of a limit up. The caller ends it with ``settle``; ``None``: no limit is set.

        Raises:
            ModelNotAllowed, PriceUnknown: it may not be used any more since it was chosen.
            LimitReached
        """
        if not self._models.allows(model):
            raise self._models.refusal(model)
        if model.provider == "demo" or not _limits(self._config()):
            return None
        cost = self._models.cost(model.provider, model.id, Usage(input=prompt, output=most))["total"]
        mine = Reservation(session_key, prompt, Spent(prompt + most, cost))
        while True:
            await self._require_room(mine.most)
            if not self._reserved or self._reached(self._taken()) is None:
                self._reserved.add(mine)
                return mine
            self._freed.clear()
            await self._freed.wait()

    async def settle(self, reservation: Reservation | None, usage: Mapping[str, Any] | None) -> None:
        """Count what a request took: ``usage`` in wire form, which is stored by now; ``None``: nothing."""
        if reservation is None:
            return
        self._reserved.discard(reservation)
        took = _taken_by(usage) if usage else NONE
        if took != NONE:
            month, day = self._sums
            self._sums = (_plus(month, took), _plus(day, took))
            self._counted += 1
            self._exact = False
            if is_temporary(reservation.session_key):
                await self._keep_temporary(took)
        self._freed.set()

    # -- room ---------------------------------------------------------------------------------------------------------
    async def _require_room(self, mine: Spent) -> None:
        """Raise ``LimitReached`` where a limit is used up. Reads the sums where they are not sure enough."""
        if self._periods is None or now_ms() >= self._periods[1].ends:
            await self._read()
        elif self._reached(_plus(self._taken(), mine)) is not None:
            await self._read()  # near a limit only what the database has counts
        elif time.monotonic() - self._read_at > REFRESH_S and (self._refreshing is None or self._refreshing.done()):
            self._refreshing = asyncio.create_task(self._refresh(), name="usage for limits")
        if self._reached(NONE) is not None:
            await self._read_exactly()
        if (reached := self._reached(NONE)) is not None:
            raise _error(reached)

    def _taken(self) -> Spent:
        """The most that the requests under way take."""
        taken = NONE
        for each in self._reserved:
            taken = _plus(taken, each.most)
        return taken

    def _reached(self, more: Spent) -> LimitUse | None:
        """The first limit that is used up, by what is spent and ``more``."""
        for use in self._uses():
            if use.used + (more.cost if use.limit == "limits.monthlyCost" else more.tokens) >= use.max:
                return use
        return None

    def _uses(self) -> Sequence[LimitUse]:
        month, day = self._sums
        periods = self._periods or running(now_ms())
        used: Mapping[Limit, tuple[float, Period]] = {
            "limits.dailyTokens": (day.tokens, periods[1]),
            "limits.monthlyTokens": (month.tokens, periods[0]),
            "limits.monthlyCost": (month.cost, periods[0]),
        }
        return [LimitUse(name, most, used[name][0], used[name][1].ends) for name, most in _limits(self._config())]

    # -- sums ---------------------------------------------------------------------------------------------------------
    async def _refresh(self) -> None:
        try:
            await self._read()
        except (GatewayError, StoreDamaged) as exc:
            log.warning("the usage of this month could not be read; the limits go by what is known: %s", exc)

    async def _read_exactly(self) -> None:
        """Read the sums until no reply ended meanwhile, a few times: one that did may be in them twice."""
        for _ in range(EXACT_TRIES):
            if self._exact:
                return
            await self._read()

    async def _read(self) -> None:
        """Read the sums; what is counted meanwhile is added. Raises what the store raises."""
        async with self._reading:
            counted, before = self._counted, self._sums
            periods = running(now_ms())
            month, day = await self._store.overviews.spent_since([period.begins for period in periods])
            for record in await self._store.list_records(TEMPORARY_USAGE):
                spent = Spent(int(record["tokens"]), float(record["cost"]))
                if record["day"] >= periods[0].begins:
                    month = _plus(month, spent)
                if record["day"] >= periods[1].begins:
                    day = _plus(day, spent)
            self._exact = counted == self._counted
            if not self._exact:
                month = _plus(month, _minus(self._sums[0], before[0]))
                day = _plus(day, _minus(self._sums[1], before[1]))
            self._sums, self._periods, self._read_at = (month, day), periods, time.monotonic()

    async def _keep_temporary(self, took: Spent) -> None:
        """Keep the sums of temporary sessions, which leave nothing else: or a limit would be none for them."""
        month, today = running(now_ms())
        day = today.begins
        fresh = day not in self._temporary
        self._temporary = {day: _plus(self._temporary.get(day, NONE), took)}
        spent, id_ = self._temporary[day], f"{day}-{self._id}"
        try:
            await self._store.put_record(
                TEMPORARY_USAGE, id_, {"id": id_, "day": day, "tokens": spent.tokens, "cost": spent.cost}, now=now_ms()
            )
            for record in await self._store.list_records(TEMPORARY_USAGE) if fresh else ():
                if record["day"] < month.begins:
                    await self._store.delete_record(TEMPORARY_USAGE, record["id"])
        except (GatewayError, StoreDamaged) as exc:
            log.warning("what temporary sessions used is not kept over a restart: %s", exc)


def _limits(config: Config) -> list[tuple[Limit, float]]:
    """The limits that are set."""
    return [(name, float(most)) for name in LIMITS if (most := config.value(name))]


def _taken_by(usage: Mapping[str, Any]) -> Spent:
    """Tokens and dollars of ``usage`` in wire form."""
    tokens = sum(int(usage.get(name) or 0) for name in ("input", "output", "cacheRead", "cacheWrite"))
    return Spent(tokens, float((usage.get("cost") or {}).get("total") or 0.0))


def _plus(one: Spent, other: Spent) -> Spent:
    return Spent(one.tokens + other.tokens, one.cost + other.cost)


def _minus(one: Spent, other: Spent) -> Spent:
    return Spent(one.tokens - other.tokens, one.cost - other.cost)


def running(now: int) -> tuple[Period, Period]:
    """The month and the day of a time, in this machine's time zone."""
    today = datetime.fromtimestamp(now / 1000).astimezone().date()
    first = today.replace(day=1)
    following = (first + timedelta(days=31)).replace(day=1)
    return Period(_ms(first), _ms(following)), Period(_ms(today), _ms(today + timedelta(days=1)))


def _ms(day: date) -> int:
    return int(datetime(day.year, day.month, day.day).astimezone().timestamp() * 1000)


def zone(at: int) -> str:
    """The offset of this machine's time zone at a time, such as ``UTC+09:00``."""
    offset = f"{datetime.fromtimestamp(at / 1000).astimezone():%z}"
    return f"UTC{offset[:3]}:{offset[3:5]}"


def _error(use: LimitUse) -> LimitReached:
    """In one of three sentences: the translations go by them."""
    money = use.limit == "limits.monthlyCost"
    used, most = (f"${use.used:.2f}", f"${use.max:.2f}") if money else (f"{use.used:,.0f}", f"{use.max:,.0f}")
    what = {
        "limits.monthlyCost": "the cost limit of this month is reached (limits.monthlyCost)",
        "limits.monthlyTokens": "the token limit of this month is reached (limits.monthlyTokens)",
        "limits.dailyTokens": "the token limit of today is reached (limits.dailyTokens)",
    }[use.limit]
    text = f"{what}: {used} of {most} used; it begins anew on {use.begins_anew()}"
    return LimitReached(text, **use.wire())
