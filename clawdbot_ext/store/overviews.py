"""Overviews: many sessions as one page of a table, and what replies cost, summed up for tables and plots.

The questions are in ``tables``; ``DatabaseOverviews`` answers from one database, ``BothOverviews`` puts the answers of
two together. All SQL of that noun. Above: ``sqlite``, ``postgres.store``, ``router``. Below: ``sessions``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from msgspec import structs

from ..protocol.schema import SessionKind, SessionSort
from . import sessions, usage
from .connection import NO_LIMIT, Connection
from .db import fold
from .tables import Overviews, SessionQuery, Spending, Spent, TableRow, UsageSum

Sums: TypeAlias = tuple[Sequence[UsageSum], Sequence[UsageSum], int]
"""By day, by session, and the number of sessions."""
_COUNTS = ("input", "output", "cache_read", "cache_write", "cost", "replies", "unpriced")

PREFIXES: Mapping[str, SessionKind] = {
    "agent:main:webchat:": "chat",
    "agent:main:imported:": "imported",
    "agent:main:temporary:": "temporary",
}
"""Beginnings of keys that say where a session comes from; the rest is ``main`` or ``named``."""
_KIND = f"""CASE WHEN s.key = :main THEN 'main'
    {" ".join(f"WHEN substr(s.key, 1, {len(prefix)}) = '{prefix}' THEN '{kind}'" for prefix, kind in PREFIXES.items())}
    ELSE 'named' END"""
_TITLE = """coalesce(s.label,
    CASE WHEN json_extract(s.settings, '$.title.first') = t.title THEN json_extract(s.settings, '$.title.text') END,
    t.title)"""
"""The label, else the title that the model gave as long as the conversation begins as it did then, else its words."""
_SORT: Mapping[SessionSort, str] = {
    "updated": "s.updated_at",
    "title": f"fold({_TITLE})",
    "tokens": "t.total_input + t.total_output",
    "cost": "t.total_cost",
    "model": "coalesce(json_extract(s.settings, '$.model'), '')",
}
_IS = "CASE WHEN CAST(json_extract(s.settings, '$.{}') AS TEXT) IN ('1', 'true') THEN 1 ELSE 0 END"
_PINNED, _ARCHIVED = _IS.format("pinned"), _IS.format("archived")
_COUNTED = ("u.input", "u.output", "u.cache_read", "u.cache_write")
_SUMS = f"""{", ".join(f"CAST(sum({name}) AS BIGINT)" for name in _COUNTED)}, coalesce(sum(u.cost), 0.0), count(*),
    count(*) - count(u.cost)"""
_BY_ALL = "GROUP BY 1, 2, 3, 4 ORDER BY 1 NULLS FIRST, 2, 3, 4 NULLS FIRST"
_NEWEST = """SELECT n.rowid, n.at, n.session_key, (SELECT count(*) FROM usage AS c WHERE c.rowid > n.rowid - 1000)
    FROM usage AS n ORDER BY n.rowid DESC LIMIT 1"""
"""The newest row, and those before it that can be seen: in PostgreSQL an older one may come to sight later."""


class DatabaseOverviews:
    """``Overviews`` of one database.

    Args:
        read: runs a function of a connection, as the store does.
    """

    def __init__(self, read: Callable[[Callable[[Connection], Any]], Awaitable[Any]]) -> None:
        self._read = read
        self._known: tuple[Any, Sums] | None = None
        """The last sums, with the question and the newest row that they know of: a table asks again and again."""

    async def sessions(self, query: SessionQuery, *, offset: int, limit: int) -> tuple[int, Sequence[TableRow]]:
        found: tuple[int, Sequence[TableRow]] = await self._read(lambda conn: page(conn, query, offset, limit))
        return found

    async def spending(self, edges: Sequence[int], session_key: str | None = None, *, named: int) -> Spending:
        known = self._known

        def look_up(conn: Connection) -> tuple[tuple[Any, Sums], Mapping[str, str]]:
            newest = conn.execute(_NEWEST).fetchone()
            asked = (tuple(edges), session_key, named, newest)
            found = known if known is not None and known[0] == asked else (asked, sums(conn, edges, session_key, named))
            return found, titles_of(conn, {row.of for row in found[1][1]})

        found, titles = await self._read(look_up)
        self._known = found
        days, by_session, count = found[1]
        return Spending(days=days, sessions=by_session, session_count=count, titles=titles)

    async def spent_since(self, times: Sequence[int]) -> Sequence[Spent]:
        found: Sequence[Spent] = await self._read(lambda conn: usage.sums_since(conn, times))
        return found


def page(conn: Connection, query: SessionQuery, offset: int, limit: int) -> tuple[int, Sequence[TableRow]]:
    """As ``Overviews.sessions``."""
    wheres = ["1 = 1"]
    values: dict[str, Any] = {"main": query.main_key, "limit": NO_LIMIT if limit < 0 else limit, "offset": offset}
    if query.search:
        wheres.append(f"instr(fold(s.key || '\n' || {_TITLE}), :search) > 0")
        values["search"] = fold(query.search)
    if query.kinds:
        wheres.append(f"{_KIND} IN (SELECT value FROM json_each(:kinds))")
        values["kinds"] = json.dumps(list(query.kinds))
    if query.since is not None:
        wheres.append("s.updated_at >= :since")
        values["since"] = query.since
    if query.until is not None:
        wheres.append("s.updated_at < :until")
        values["until"] = query.until
    if query.archived is not None:
        wheres.append(f"{_ARCHIVED} = {int(query.archived)}")
    where = f"FROM sessions AS s JOIN transcripts AS t ON t.session_id = s.session_id WHERE {' AND '.join(wheres)}"
    total = conn.execute(f"SELECT count(*) {where}", values).fetchone()[0]
    way = "DESC" if query.descending else "ASC"
    keys = conn.execute(
        f"""SELECT s.key, {_KIND}, (SELECT count(*) FROM usage AS u WHERE u.session_key = s.key AND u.cost IS NULL),
            {_PINNED}, {_SORT[query.sort]}, s.updated_at {where}
            ORDER BY 4 DESC, 5 {way}, 6 DESC, s.key LIMIT :limit OFFSET :offset""",
        values,
    ).fetchall()
    found = sessions.of_keys(conn, [row[0] for row in keys])
    return total, [
        TableRow(session=found[key], kind=kind, unpriced=unpriced, order=(pinned, value, updated, key))
        for key, kind, unpriced, pinned, value, updated in keys
        if key in found
    ]


def sums(conn: Connection, edges: Sequence[int], session_key: str | None, named: int) -> Sums:
    """Usage by day and by session, as ``Overviews.spending`` gives it."""
    values = {"edges": json.dumps(list(edges)), "key": session_key, "low": edges[0], "high": edges[-1]}
    wanted = "(CAST(:key AS TEXT) IS NULL OR u.session_key = :key)"
    days = conn.execute(
        f"""SELECT b.n, u.provider, u.model, u.client, {_SUMS}
            FROM (SELECT e.n, e.low, lead(e.low) OVER (ORDER BY e.n) AS high
                  FROM (SELECT j.key AS n, CAST(j.value AS BIGINT) AS low FROM json_each(:edges) AS j) AS e) AS b
            CROSS JOIN usage AS u
            WHERE u.at >= b.low AND u.at < b.high AND b.high IS NOT NULL AND {wanted} {_BY_ALL}""",
        values,
    )
    by_day = _sums(days)
    found = conn.execute(
        f"""SELECT u.session_key, u.provider, u.model, u.client, {_SUMS} FROM usage AS u
            WHERE u.at >= :low AND u.at < :high AND {wanted} {_BY_ALL}""",
        values,
    )
    by_session = _sums(found)
    return by_day, dearest(by_session, named), len({row.of for row in by_session})


def dearest(rows: Sequence[UsageSum], most: int) -> Sequence[UsageSum]:
    """The rows of the ``most`` sessions that cost most, in that order; those of the others summed up under none."""
    weights: dict[int | str | None, tuple[float, int]] = {}
    for row in rows:
        cost, tokens = weights.get(row.of, (0.0, 0))
        weights[row.of] = (cost + row.cost, tokens + row.input + row.output + row.cache_read + row.cache_write)
    weights.pop(None, None)  # what was summed up before
    order = {of: place for place, of in enumerate(sorted(weights, key=lambda of: weights[of], reverse=True)[:most])}
    named = sorted((row for row in rows if row.of in order), key=lambda row: order[row.of])
    rest: dict[tuple[str, str, str | None], UsageSum] = {}
    for row in rows:
        if row.of not in order:
            same = (row.provider, row.model, row.client)
            rest[same] = _added(rest[same], row) if same in rest else structs.replace(row, of=None)
    return named + list(rest.values())


def _added(one: UsageSum, other: UsageSum) -> UsageSum:
    return structs.replace(one, **{name: getattr(one, name) + getattr(other, name) for name in _COUNTS})


def titles_of(conn: Connection, keys: Iterable[int | str | None]) -> Mapping[str, str]:
    """Key → title, of the sessions that there are."""
    rows = conn.execute(
        f"""SELECT s.key, {_TITLE} FROM json_each(?) AS k CROSS JOIN sessions AS s
            JOIN transcripts AS t ON t.session_id = s.session_id WHERE s.key = k.value""",
        (json.dumps(list(keys)),),
    )
    return dict(rows.fetchall())


def _sums(rows: Iterable[Sequence[Any]]) -> Sequence[UsageSum]:
    names = UsageSum.__struct_fields__
    return [UsageSum(**dict(zip(names, row, strict=True))) for row in rows]


class BothOverviews:
    """``Overviews`` of two stores: a few temporary sessions, of this and other gateways, among all that are kept."""

    def __init__(self, stores: Callable[[], Sequence[Overviews]]) -> None:
        self._stores = stores

    async def sessions(self, query: SessionQuery, *, offset: int, limit: int) -> tuple[int, Sequence[TableRow]]:
        *few, kept = self._stores()
        if not few:
            return await kept.sessions(query, offset=offset, limit=limit)
        found = [await each.sessions(query, offset=0, limit=-1) for each in few]
        count = sum(number for number, _ in found)
        some = sorted((row for _, rows in found for row in rows), key=lambda row: row.session.key)
        start = max(0, offset - count)  # of those before it, at most so many are temporary
        total, rows = await kept.sessions(query, offset=start, limit=limit + offset - start)
        merged = _sorted([*some, *rows], query.descending)
        return count + total, merged[offset - start : offset - start + limit]

    async def spending(self, edges: Sequence[int], session_key: str | None = None, *, named: int) -> Spending:
        found = await asyncio.gather(*(each.spending(edges, session_key, named=named) for each in self._stores()))
        if len(found) == 1:
            return found[0]
        return Spending(
            days=[row for each in found for row in each.days],
            sessions=dearest([row for each in found for row in each.sessions], named),
            session_count=sum(each.session_count for each in found),
            titles={key: title for each in found for key, title in each.titles.items()},
        )

    async def spent_since(self, times: Sequence[int]) -> Sequence[Spent]:
        *_, kept = self._stores()
        return await kept.spent_since(times)


def _sorted(rows: list[TableRow], descending: bool) -> list[TableRow]:
    """In the order of ``page``, by one stable sort after the other, the last of which counts most."""
    rows.sort(key=lambda row: row.order[3])
    rows.sort(key=lambda row: row.order[2], reverse=True)
    rows.sort(key=lambda row: row.order[1], reverse=descending)
    rows.sort(key=lambda row: row.order[0], reverse=True)
    return rows
