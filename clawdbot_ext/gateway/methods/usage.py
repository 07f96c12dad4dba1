"""``usage.*``, ``sessions.usage``: what replies cost, from this gateway's own records."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec

from ...protocol.clock import now_ms
from ...protocol.errors import InvalidRequest
from ...protocol.schema import (
    LimitLeft,
    NoParams,
    SessionsUsageParams,
    SessionsUsageResult,
    UsageBreakdownParams,
    UsageBreakdownResult,
    UsageCostParams,
    UsageCostResult,
    UsageRow,
    UsageStatusResult,
)
from ...store.api import UsageRecord
from ...store.plain_words import without_marks
from ...store.tables import UsageSum
from ..connections.connection import Connection
from ..registry import method
from ..services import Services

DAYS = 30
MAX_DAYS = 3660
_COUNTS = ("input", "output", "cache_read", "cache_write", "cost", "replies", "unpriced")


@method("usage.status")
async def usage_status(services: Services, caller: Connection, params: NoParams) -> UsageStatusResult:
    """Quotas are the provider's to tell, and its API for messages does not: an empty list. ``limits`` are ours."""
    return UsageStatusResult(updated_at=now_ms(), providers=(), limits=await limits(services, caller.locale))


async def limits(services: Services, locale: str | None) -> Sequence[LimitLeft]:
    """The spending limits that are set, as they stand."""
    uses = await services.runs.context.budget.uses()
    return [msgspec.convert({**use.wire(), "text": use.text(locale)}, LimitLeft) for use in uses]


@method("usage.cost")
async def usage_cost(services: Services, caller: Connection, params: UsageCostParams) -> UsageCostResult:
    """Tokens and dollars of the last ``days`` days, by day of this machine's time zone."""
    days = _days(params.days)
    first = date.today() - timedelta(days=days - 1)  # noqa: DTZ011  the day as the person at this machine counts it
    rows = await services.store.spent(since=_midnight_ms(first))
    by_day: dict[str, list[UsageRecord]] = {}
    for row in rows:
        by_day.setdefault(time.strftime("%Y-%m-%d", time.localtime(row.at / 1000)), []).append(row)
    return UsageCostResult(
        updated_at=now_ms(),
        days=days,
        totals=totals(rows),
        daily=[{"date": day, **totals(spent)} for day, spent in sorted(by_day.items())],
    )


@method("usage.breakdown")
async def usage_breakdown(services: Services, caller: Connection, params: UsageBreakdownParams) -> UsageBreakdownResult:
    """Days are the reader's: the edges say where they begin, so no time zone needs to be known here."""
    if any(later <= earlier for earlier, later in pairwise(params.edges)):
        raise InvalidRequest("edges must rise", reason="BAD_RANGE")
    key = services.sessions.canonical(params.session_key) if params.session_key else None
    spent = await services.store.overviews.spending(params.edges, key, named=params.sessions)
    keys = {row.of for row in spent.sessions}
    return UsageBreakdownResult(
        updated_at=now_ms(),
        days=[_row(row, day=row.of) for row in spent.days],
        sessions=[_row(row, session=row.of) for row in spent.sessions],
        session_count=spent.session_count,
        titles={of: without_marks(title) for of, title in spent.titles.items() if of in keys},
    )


def _row(row: UsageSum, **of: Any) -> UsageRow:
    counts = {name: getattr(row, name) for name in _COUNTS}
    return UsageRow(provider=row.provider, model=row.model, client=row.client, **counts, **of)


@method("sessions.usage")
async def sessions_usage(services: Services, caller: Connection, params: SessionsUsageParams) -> SessionsUsageResult:
    """The same by session, the dearest first."""
    key = services.sessions.canonical(params.key) if params.key else None
    since = now_ms() - params.days * 86_400_000 if params.days else 0
    rows = await services.store.spent(since=since, session_key=key)
    by_session: dict[str, list[UsageRecord]] = {}
    for row in rows:
        by_session.setdefault(row.session_key or "", []).append(row)
    listed: list[dict[str, Any]] = [
        {
            "key": name,
            **totals(spent),
            "replies": len(spent),
            "models": sorted({row.model for row in spent}),
            "lastAt": spent[-1].at,
        }
        for name, spent in by_session.items()
    ]
    listed.sort(key=lambda row: (-row["totalCost"], -row["totalTokens"]))
    return SessionsUsageResult(updated_at=now_ms(), sessions=listed[: params.limit or 100], totals=totals(rows))


def totals(rows: Iterable[UsageRecord]) -> dict[str, Any]:
    """Sums in Clawdbot's form; ``missingCostEntries`` counts replies of models whose price is not known."""
    sums: dict[str, Any] = dict.fromkeys(("input", "output", "cacheRead", "cacheWrite", "totalTokens"), 0)
    sums |= {"totalCost": 0.0, "missingCostEntries": 0}
    for row in rows:
        counts = {"input": row.input, "output": row.output, "cacheRead": row.cache_read, "cacheWrite": row.cache_write}
        for name, count in counts.items():
            sums[name] += count
        sums["totalTokens"] += sum(counts.values())
        sums["totalCost"] += row.cost or 0.0
        sums["missingCostEntries"] += row.cost is None
    return sums


def _days(given: float | str | None) -> int:
    """Clawdbot takes text too. Raises ``InvalidRequest``."""
    if given is None or given == "":
        return DAYS
    try:
        return min(max(1, int(float(given))), MAX_DAYS)
    except (ValueError, OverflowError):
        raise InvalidRequest("days must be a number") from None


def _midnight_ms(day: date) -> int:
    return int(datetime(day.year, day.month, day.day).astimezone().timestamp() * 1000)
