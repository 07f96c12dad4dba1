"""Membership of the gateways of one database, as statements: joining, renewing the lease, ending those that are dead.

A member is dead when

- no connection holds its advisory lock any more (its process has ended; seen by the next look),
- its lease is over (its network is cut, its machine stands still), or
- its mail lies unread (``mail``).

The first counts only while the lock was taken since the server last started (``gateway_locks``), and a lease is not
over before the server has been up for as long as one lasts. All times are by the clock of the database.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from .line import Execute, Line

KEPT_DAYS = 7
"""Rows of ended gateways are kept so long, for people who look into a death."""
LOCKS = 0x636C6177
"""First half of the keys of advisory locks, where the tables have no schema of their own. The second is a member's
number, or 0 for the one who ends others."""

_UNFINISHED = "SELECT DISTINCT session_key FROM runs WHERE ended_at IS NULL"
_ALIVE = "SELECT id FROM gateways WHERE id = $1 AND ended_at IS NULL FOR KEY SHARE"


@dataclass(frozen=True)
class Terms:
    """The times of a membership, in seconds; the same for all members."""

    lease: float = 15.0
    renew: float = 5.0
    """A lease is renewed when so much of it is gone."""
    look: float = 1.0
    """Interval of the looks at the others."""
    unread: float = 30.0
    """A member whose mail is older does not read it, and is treated as gone."""

    @property
    def sure(self) -> float:
        """After a look no other takes a member for dead by its lease for so long."""
        return self.lease - self.renew

    def dead(self, line: Line) -> str:
        """SQL: why the member ``g`` is dead; NULL for one that is not, or is the member ``$1`` itself."""
        return f"""CASE
            WHEN g.id = $1 THEN NULL
            WHEN clock_timestamp() > greatest(g.lease_until, pg_postmaster_start_time() + {_seconds(self.lease)})
                THEN 'its lease is over'
            WHEN EXISTS (SELECT FROM gateway_locks AS l
                         WHERE l.gateway = g.id AND l.server_start = pg_postmaster_start_time())
                 AND pg_try_advisory_xact_lock({_locks(line)}::int, g.id::int)
                THEN 'its process has ended'
            WHEN EXISTS (SELECT FROM mail AS m
                         WHERE m.target = g.id AND m.sent_at < clock_timestamp() - {_seconds(self.unread)})
                THEN 'it does not read its mail'
            END"""


def channel(line: Line, what: str) -> str:
    """The name of a channel for notifications. A database has one set of them for all of its schemas."""
    if line.schema is None:
        return f"clawdbot_{what}"
    return f"clawdbot_{hashlib.blake2b(line.schema.encode(), digest_size=12).hexdigest()}_{what}"


def arrivals(line: Line) -> str:
    """The channel that is notified when the members change."""
    return channel(line, "gateways")


def _locks(line: Line) -> str:
    """SQL: the first half of the keys of advisory locks, as an ``oid``. No other schema has the same."""
    return str(LOCKS) if line.schema is None else "(SELECT oid FROM pg_namespace WHERE nspname = current_schema())"


def _seconds(count: float) -> str:
    return f"interval '{count} s'"


@dataclass(frozen=True)
class Seen:
    """A living member; ``dead``: why it is none, though not ended yet."""

    number: int
    member: str
    dead: str | None


async def enter(line: Line, member: str, terms: Terms) -> int:
    """Become a member on a line that holds the lock from then on. Returns the number, which is the fence."""
    [[number]] = await line.execute("SELECT nextval('gateway_numbers')")
    await hold(line, number)  # before the row is seen: without it the others would take this one for dead
    async with line.transaction() as execute:
        await execute(
            f"""INSERT INTO gateways (id, member, lease_until)
                VALUES ($1, $2, clock_timestamp() + {_seconds(terms.lease)})""",
            number,
            member,
        )
        await _note_lock(execute, number)
        await execute(
            f"""DELETE FROM gateways AS g WHERE ended_at < clock_timestamp() - interval '{KEPT_DAYS} days'
                AND NOT EXISTS (SELECT FROM homes WHERE gateway = g.id)"""
        )
        await execute("SELECT pg_notify($1, '')", arrivals(line))
    return int(number)


async def hold(line: Line, number: int) -> None:
    """Take the lock that tells that this process lives. Shared, because two lines hold it: one alone may be lost."""
    await line.execute(f"SELECT pg_advisory_lock_shared({_locks(line)}::int, $1::int)", number)


async def hold_again(line: Line, number: int) -> None:
    """Take it on a new line, also of a server that has started again."""
    await hold(line, number)
    await _note_lock(line.execute, number)


async def _note_lock(execute: Execute, number: int) -> None:
    await execute(
        """INSERT INTO gateway_locks (gateway, server_start)
           SELECT id, pg_postmaster_start_time() FROM gateways WHERE id = $1 AND ended_at IS NULL
           ON CONFLICT (gateway) DO UPDATE SET server_start = excluded.server_start""",
        number,
    )


async def beat(line: Line, number: int, terms: Terms) -> Sequence[Seen]:
    """Renew the lease where that is due, and look who is there. This member missing: it was ended by another."""
    rows = await line.execute(
        f"""WITH renewed AS (
                UPDATE gateways SET lease_until = clock_timestamp() + {_seconds(terms.lease)}
                WHERE id = $1 AND ended_at IS NULL
                    AND lease_until < clock_timestamp() + {_seconds(terms.sure)}
            )
            SELECT g.id, g.member, {terms.dead(line)} FROM gateways AS g WHERE g.ended_at IS NULL ORDER BY g.id""",
        number,
    )
    return [Seen(*row) for row in rows]


async def end(line: Line, number: int, dead: Collection[int], terms: Terms) -> Collection[int]:
    """End dead members and take over their sessions that have work left; their other sessions have no home then.

    Returns the numbers of those ended: not of those that live after all, or that another ends right now."""
    async with line.transaction() as execute:
        [[first]] = await execute(f"SELECT pg_try_advisory_xact_lock({_locks(line)}::int, 0)")
        if not first or not await execute(_ALIVE, number):
            return ()
        # Waits for the transactions that they are in the middle of (``FENCE``), and shuts out all later ones.
        rows = await execute(
            f"""SELECT g.id FROM gateways AS g WHERE g.id = ANY($2) AND g.ended_at IS NULL
                AND {terms.dead(line)} IS NOT NULL ORDER BY g.id FOR UPDATE""",
            number,
            list(dead),
        )
        ended = [gone for [gone] in rows]
        for gone in ended:
            await execute("UPDATE gateways SET ended_at = clock_timestamp(), ended_by = $1 WHERE id = $2", number, gone)
            await execute(
                f"UPDATE homes SET gateway = $1 WHERE gateway = $2 AND session_key IN ({_UNFINISHED})", number, gone
            )
            await _forget(execute, gone)
        if ended:
            await execute("SELECT pg_notify($1, '')", arrivals(line))
    await line.execute(
        f"""SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = {_locks(line)}
            AND objid = ANY($1::bigint[]) AND objsubid = 2 AND mode = 'ShareLock'
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())""",
        ended,
    )
    return ended


async def claim_orphans(line: Line, number: int) -> None:
    """Become the home of all sessions that have work left and no home."""
    await line.execute(
        f"""INSERT INTO homes (session_key, gateway)
            SELECT u.session_key, g.id FROM ({_UNFINISHED}) AS u, ({_ALIVE}) AS g
            WHERE NOT EXISTS (SELECT FROM homes AS h WHERE h.session_key = u.session_key)
            ORDER BY u.session_key
            ON CONFLICT (session_key) DO NOTHING""",
        number,
    )


async def unfinished(line: Line, number: int) -> list[str]:
    """The sessions with work left whose home this member is."""
    rows = await line.execute(
        f"SELECT session_key FROM homes WHERE gateway = $1 AND session_key IN ({_UNFINISHED}) ORDER BY 1", number
    )
    return [key for [key] in rows]


async def leave(line: Line, number: int) -> None:
    """Give up the membership and every home."""
    async with line.transaction() as execute:
        if await execute("SELECT id FROM gateways WHERE id = $1 AND ended_at IS NULL FOR UPDATE", number):
            await execute("UPDATE gateways SET ended_at = clock_timestamp(), ended_by = $1 WHERE id = $1", number)
            await _forget(execute, number)
            await execute("SELECT pg_notify($1, '')", arrivals(line))


async def _forget(execute: Execute, number: int) -> None:
    await execute("DELETE FROM homes WHERE gateway = $1", number)
    await execute("DELETE FROM gateway_locks WHERE gateway = $1", number)
    await execute("DELETE FROM mail WHERE target = $1", number)


async def free(line: Line, waiting: int) -> None:
    """End the connections that hold up the one whose server process is ``waiting``."""
    await line.execute("SELECT pg_terminate_backend(pid) FROM unnest(pg_blocking_pids($1::int)) AS pid", waiting)
