"""A cluster on PostgreSQL while its database restarts, crashes, or cannot be reached by one gateway."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator

import psycopg
import pytest

from clawdbot_ext.cluster import postgres
from clawdbot_ext.cluster.membership import Terms
from clawdbot_ext.protocol.errors import Unavailable
from tests.support.aio import run, until
from tests.support.clusters import BOUND_S, Cable, Member, add_run, create_tables, joined
from tests.support.postgres import Postgres

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server of its own, to be stopped, killed and cut off."""
    with Postgres() as server:
        create_tables(server.url())
        yield server


def count_mail(url: str) -> int:
    with psycopg.connect(url, autocommit=True) as conn:
        row = conn.execute("SELECT count(*) FROM mail WHERE octet_length(body) > 0").fetchone()
    assert row is not None
    return int(row[0])


async def exchange(a: Member, b: Member) -> None:
    """A message each way, sent again until it comes: what is lost with the server is lost."""
    for sender, reader in ((a, b), (b, a)):
        word = uuid.uuid4().bytes

        def came(word: bytes = word, sender: Member = sender, reader: Member = reader) -> bool:
            if (sender.member, word) in reader.log.of("received"):
                return True
            sender.send(reader.member, word)
            return False

        await until(came, BOUND_S)


@pytest.mark.parametrize("how", ["fast", "immediate", "kill"])
def test_all_members_outlive_a_restart_of_their_database(server: Postgres, how: str) -> None:
    async def scenario() -> None:
        a, b = Member(server.url()), Member(server.url())
        async with joined(a, b):
            session = f"agent:main:{uuid.uuid4()}"
            assert await b.home_of(session) == await a.home_of(session) == b.member
            before = {member: (member.member, member.fence) for member in (a, b)}
            await exchange(a, b)
            if how == "kill":
                await asyncio.to_thread(server.kill)
            else:
                await asyncio.to_thread(server.stop, how)
            for member in (a, b):
                await until(lambda member=member: "cluster" in member.supervisor.troubles, BOUND_S)
            await asyncio.to_thread(server.start)
            await exchange(a, b)
            for member in (a, b):
                await until(lambda member=member: "cluster" not in member.supervisor.troubles, BOUND_S)
                assert (member.member, member.fence) == before[member]
                assert not member.log.of("departed") and not member.log.of("fenced")
            assert await b.home_of(session) == await a.home_of(session) == b.member

    run(scenario(), 3 * BOUND_S)


def test_what_the_database_lost_is_told_to_both_sides(server: Postgres) -> None:
    async def scenario() -> None:
        a, b = Member(server.url()), Member(server.url())
        async with joined(a, b):
            await exchange(a, b)
            assert b._now is not None
            async with b._now.inbox._alone:  # it reads nothing meanwhile
                a.send(b.member, b"lost with the table")
                await until(lambda: count_mail(server.url()) > 0, BOUND_S)
                await asyncio.to_thread(server.restart, "immediate")
            await b.log.until(lambda: b.log.of("gap"))
            await a.log.until(lambda: a.log.of("gap"))
            await exchange(a, b)

    run(scenario(), 3 * BOUND_S)


def test_a_member_whose_network_is_cut_is_fenced_and_its_late_writes_are_refused(server: Postgres) -> None:
    terms = Terms(lease=6, renew=1, look=0.2)

    async def scenario() -> None:
        async with Cable(server.port) as cable:
            a, b = Member(server.url(), terms), Member(server.url(port=cable.port), terms)
            async with joined(a, b):
                session = f"agent:main:{uuid.uuid4()}"
                add_run(server.url(), session)
                assert await b.home_of(session) == b.member
                gone, number = b.member, b.fence
                cable.cut()
                await a.log.until(lambda: a.log.of("departed"))
                assert a.log.of("departed") == [(gone, session)]
                assert await a.home_of(session) == a.member
                with pytest.raises(Unavailable):
                    await b.home_of(session)  # it does not know, and so it does not say
                with psycopg.connect(server.url(), autocommit=True) as late:
                    alive = "SELECT 1 FROM gateways WHERE id = %s AND ended_at IS NULL FOR KEY SHARE"
                    assert late.execute(alive, [number]).fetchone() is None
                assert not b.log.of("fenced")
                cable.mend()
                await b.log.until(lambda: b.log.of("fenced"))
                await b.log.until(lambda: b.log.told[-1] == ("arrived", a.member))
                assert b.member != gone
                assert await b.home_of(session) == a.member
                await a.log.until(lambda: (b.member,) in a.log.of("arrived"))
                await exchange(a, b)

    run(scenario(), 3 * BOUND_S)


def test_a_reset_of_all_connections_at_once_is_a_death_at_worst(server: Postgres) -> None:
    async def scenario() -> None:
        terms = Terms(look=0.05)
        async with Cable(server.port) as cable:
            a, b = Member(server.url(), terms), Member(server.url(port=cable.port), terms)
            async with joined(a, b):
                for _ in range(5):
                    cable.reset()
                    await exchange(a, b)
                assert a.others() == [b.member]

    run(scenario(), 3 * BOUND_S)


def test_who_is_asked_for_while_the_database_swallows_everything_is_not_waited_for_for_ever(
    server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "TAKEOVER_S", 0.5)

    async def scenario() -> None:
        async with Cable(server.port) as cable:
            a = Member(server.url(port=cable.port))
            async with joined(a):
                assert a._now is not None
                session = f"agent:main:{uuid.uuid4()}"
                a._now.homes._remember({session: 1_000_000})  # a home that left just now
                cable.cut()
                with pytest.raises(Unavailable):
                    await asyncio.wait_for(a.home_of(session), BOUND_S)
                a._steady.clear()
                a._now.homes.taken([session])
                with pytest.raises(Unavailable):
                    await asyncio.wait_for(a.home_of(session), BOUND_S)
                a._steady.set()
                cable.mend()

    run(scenario(), 3 * BOUND_S)
