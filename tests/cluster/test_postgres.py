"""Gateways that share one PostgreSQL: who is there, who is whose home, and the messages between them."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

import psycopg
import pytest

from clawdbot_ext.cluster import mail, membership
from clawdbot_ext.cluster.line import Line, connect
from clawdbot_ext.cluster.membership import Terms
from clawdbot_ext.protocol.errors import Unavailable
from tests.support.aio import run, until
from tests.support.clusters import BOUND_S, Member, add_run, create_tables, joined

pytestmark = pytest.mark.slow
QUICK = Terms(renew=0.5, look=0.1)
"""So that a test need not wait for long. The lease is as always: a busy machine must not end it."""

LOCKS_HELD = """SELECT count(*) FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database
    WHERE datname = current_database() AND locktype = 'advisory' AND classid = %s AND granted"""
LEASE = "SELECT lease_until FROM gateways WHERE id = %s"


@pytest.fixture(scope="module")
def tables(postgres_url: str) -> str:
    create_tables(postgres_url)
    return postgres_url


@pytest.fixture
def url(tables: str) -> str:
    """The database, with nothing in it and no gateway alive."""
    with psycopg.connect(tables, autocommit=True) as conn:
        conn.execute("TRUNCATE gateways, homes, gateway_locks, mail, runs")
    return tables


def ask(url: str, sql: str, *values: Any) -> list[Any]:
    with psycopg.connect(url, autocommit=True) as conn:
        return [row[0] for row in conn.execute(sql, values).fetchall()]


def carry_out(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run(scenario(), 2 * BOUND_S)


def key() -> str:
    return f"agent:main:{uuid.uuid4()}"


def test_members_see_each_other_and_one_leaves(url: str) -> None:
    async def scenario() -> None:
        a, b = Member(url), Member(url)
        assert a.fence is None, "what is written at the start needs no membership"
        async with joined(a, b):
            assert a.fence == ask(url, "SELECT id FROM gateways WHERE member = %s", a.member)[0]
            assert a.log.told == [("arrived", b.member)]
            assert b.log.told == [("arrived", a.member)]
            assert a.others() == [b.member]
            home = key()
            assert await b.home_of(home) == b.member == await a.home_of(home)
            await b.leave()
            assert b.fence is None
            await a.log.until(lambda: a.log.of("departed"))
            assert a.log.of("departed") == [(b.member,)]
            assert a.others() == []
            assert await a.home_of(home) == a.member
        assert ask(url, "SELECT count(*) FROM homes") == [0]
        assert ask(url, "SELECT count(*) FROM gateways WHERE ended_at IS NULL") == [0]

    carry_out(scenario)


def test_no_session_has_two_homes_however_many_ask_at_once(url: str) -> None:
    async def scenario() -> None:
        members = [Member(url) for _ in range(4)]
        keys = [key() for _ in range(100)]
        async with joined(*members):
            answers = await asyncio.gather(*(member.home_of(each) for each in keys for member in members))
            by_key = [set(answers[n : n + 4]) for n in range(0, len(answers), 4)]
            assert all(len(homes) == 1 for homes in by_key)
            assert ask(url, "SELECT count(*) FROM homes") == [100]

            async def come_and_go(member: Member, each: str) -> None:
                """While it believes to be the home, the database says so, too: a release never crosses a claim."""
                for _ in range(5):
                    if await member.home_of(each) == member.member:
                        assert ask(url, "SELECT gateway FROM homes WHERE session_key = %s", each) == [member.fence]
                        await member.release(each)

            await asyncio.gather(*(come_and_go(member, each) for each in keys[:4] for member in members))

    carry_out(scenario)


def test_messages_come_in_order_small_and_large_soon_and_at_once(url: str) -> None:
    async def scenario() -> None:
        a, b, c = Member(url), Member(url), Member(url)
        async with joined(a, b, c):
            sent = {
                sender: [f"{n} ".encode() * size for n, size in enumerate([1, 200_000, 3, 50_000, 2] * 8)]
                for sender in (a, b)
            }
            for n in range(40):
                for sender, messages in sent.items():
                    sender.send(c.member, messages[n], at_once=n % 3 == 0)
                if n % 8 == 0:
                    await asyncio.sleep(0)
            await c.log.until(lambda: len(c.log.of("received")) == 80)
            for sender, messages in sent.items():
                assert [body for who, body in c.log.of("received") if who == sender.member] == messages
            assert not c.log.of("gap")
            assert a.log.of("received") == []
            a.send(uuid.uuid4().hex, b"to none")

    carry_out(scenario)


def test_a_message_in_no_hurry_waits_only_if_another_went_just_before(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "FLUSH_S", 1000.0)

    async def scenario() -> None:
        a, b = Member(url), Member(url)
        async with joined(a, b):
            a.send(b.member, b"first", at_once=False)
            await b.log.until(lambda: b.log.of("received") == [(a.member, b"first")])
            a.send(b.member, b"second", at_once=False)
            assert a._now is not None and a._now.outbox.waiting
            a.send(b.member, b"third")
            await b.log.until(lambda: len(b.log.of("received")) == 3)
            assert [body for _, body in b.log.of("received")] == [b"first", b"second", b"third"]

    carry_out(scenario)


def test_a_killed_member_s_unfinished_sessions_pass_to_one_other(url: str) -> None:
    async def scenario() -> None:
        a, b, c = (Member(url, QUICK) for _ in range(3))
        async with joined(a, b, c):
            busy, idle = key(), key()
            add_run(url, busy)
            add_run(url, idle, ended=True)
            assert await b.home_of(busy) == await b.home_of(idle) == b.member
            assert await a.home_of(busy) == b.member
            b.send(a.member, b"last words")
            await a.log.until(lambda: a.log.of("received"))
            await b.kill()
            await a.log.until(lambda: a.log.of("departed"))
            await c.log.until(lambda: c.log.of("departed"))
            told = [*a.log.of("departed"), *c.log.of("departed")]
            assert sorted(told, key=len) == [(b.member,), (b.member, busy)]
            heir = a if (b.member, busy) in a.log.of("departed") else c
            assert await a.home_of(busy) == await c.home_of(busy) == heir.member
            assert await c.home_of(idle) == c.member

    carry_out(scenario)


def test_a_session_that_was_taken_over_is_not_answered_for_before_that_was_told(url: str, monkeypatch: Any) -> None:
    """A request that came in between began anew there, and what waited was overtaken."""
    began, go_on, unfinished = asyncio.Event(), asyncio.Event(), membership.unfinished

    async def held(*given: Any) -> list[str]:
        began.set()
        await go_on.wait()
        return await unfinished(*given)

    async def scenario() -> None:
        a, b = Member(url, QUICK), Member(url, QUICK)
        async with joined(a, b):
            busy = key()
            add_run(url, busy)
            assert await b.home_of(busy) == b.member
            monkeypatch.setattr(membership, "unfinished", held)
            await b.kill()
            await asyncio.wait_for(began.wait(), BOUND_S)
            asked = asyncio.create_task(a.home_of(busy))
            await until(lambda: a._now is not None and a._now.homes.known(busy) == a.fence, BOUND_S)
            assert not asked.done() and not a.log.of("departed")
            go_on.set()
            assert await asked == a.member
            assert a.log.of("departed") == [(b.member, busy)]

    carry_out(scenario)


def test_unfinished_sessions_without_a_home_are_taken_by_the_one_that_starts(url: str) -> None:
    async def scenario() -> None:
        orphan, queued = key(), key()
        dead = Member(url, QUICK)
        async with joined(dead):
            assert await dead.home_of(queued) == dead.member
            add_run(url, orphan)
            add_run(url, queued)
            await dead.kill()
            a, b = Member(url, QUICK), Member(url, QUICK)
            taken = [await a.join(a.log), await b.join(b.log)]
            assert [sorted(keys) for keys in taken] == [sorted([orphan, queued]), []]
            assert await b.home_of(orphan) == a.member
            await a.leave()  # a restart in the middle: what waits goes on elsewhere
            await b.log.until(lambda: b.log.of("departed"))
            assert b.log.of("departed") == [(a.member, *sorted([orphan, queued]))]
            await b.leave()

    carry_out(scenario)


def test_one_lost_connection_ends_no_membership(url: str) -> None:
    async def scenario() -> None:
        a, b = Member(url, QUICK), Member(url, QUICK)
        async with joined(a, b):
            for name in ("keeper", "mail", "post"):
                await until(lambda: ask(url, LOCKS_HELD, membership.LOCKS) == [4], BOUND_S)
                ask(
                    url,
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s "
                    "AND datname = current_database()",
                    f"clawdbot {name}",
                )
                for n in range(20):
                    a.send(b.member, f"{name} {n}".encode())
                    b.send(a.member, f"{name} {n}".encode())
                    await asyncio.sleep(0.01)
            for member in (a, b):
                await member.log.until(lambda member=member: len(member.log.of("received")) >= 60)
                assert [body for _, body in member.log.of("received")] == [
                    f"{name} {n}".encode() for name in ("keeper", "mail", "post") for n in range(20)
                ]
                assert {what[0] for what in member.log.told} == {"arrived", "received"}
            assert ask(url, "SELECT count(*) FROM gateways WHERE ended_at IS NULL") == [2]

    carry_out(scenario)


def test_a_member_that_was_ended_is_told_and_joins_again(url: str) -> None:
    async def scenario() -> None:
        a, b = Member(url, QUICK), Member(url, QUICK)
        async with joined(a, b):
            session, old, number = key(), a.member, a.fence
            assert await a.home_of(session) == a.member
            ask(url, "DELETE FROM homes RETURNING 1")
            ask(url, "UPDATE gateways SET ended_at = now() WHERE id = %s RETURNING 1", a.fence)
            await a.log.until(lambda: a.log.of("fenced") and a.log.told[-1] == ("arrived", b.member))
            assert a.member != old and a.fence > number
            await b.log.until(lambda: ("arrived", a.member) in b.log.told)
            assert ("departed", old) in b.log.told
            assert await b.home_of(session) == b.member == await a.home_of(session)
            a.send(b.member, b"back")
            b.send(a.member, b"welcome")
            await b.log.until(lambda: (a.member, b"back") in b.log.of("received"))
            await a.log.until(lambda: (b.member, b"welcome") in a.log.of("received"))

    carry_out(scenario)


def test_a_takeover_does_not_wait_for_a_transaction_that_was_cut_off(url: str) -> None:
    async def scenario() -> None:
        a, b = Member(url, QUICK), Member(url, QUICK)
        async with joined(a, b):
            with psycopg.connect(url) as late:  # a write of b that its gateway never ends
                assert late.execute("SELECT 1 FROM gateways WHERE id = %s FOR KEY SHARE", [b.fence]).fetchone()
                await b.kill()
                await a.log.until(lambda: a.log.of("departed"))
                with pytest.raises(psycopg.OperationalError):
                    late.execute("SELECT 1")

    carry_out(scenario)


def test_the_clock_of_a_gateway_changes_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        a, b = Member(url, QUICK), Member(url, QUICK)
        async with joined(a, b):
            real = time.time
            for hours in (1, -1):
                monkeypatch.setattr(time, "time", lambda hours=hours: real() + hours * 3600)
                renewed = ask(url, LEASE, a.fence)
                await until(lambda was=renewed: ask(url, LEASE, a.fence) != was)
                assert await a.home_of("agent:main:main") == await b.home_of("agent:main:main")
            assert a.log.told == [("arrived", b.member)]
            assert b.log.told == [("arrived", a.member)]

    carry_out(scenario)


def test_what_does_not_fit_is_dropped_and_both_sides_are_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "QUEUE_BYTES", 1_000_000)

    async def scenario() -> None:
        a, b = Member(url), Member(url)
        async with joined(a, b):
            a.send(b.member, b"first")
            await b.log.until(lambda: b.log.of("received"))
            for _ in range(100):  # 100 MB before anything can be sent
                a.send(b.member, b"x" * 900_000)
                assert a._now is not None
                assert a._now.outbox.waiting < 2_000_000
            a.send(b.member, b"last")
            await b.log.until(lambda: (a.member, b"last") in b.log.of("received"))
            await a.log.until(lambda: a.log.of("gap"))
            assert b.log.of("gap") == [(a.member,)]
            assert a.log.of("gap") == [(b.member,)]

    carry_out(scenario)


def test_megabytes_go_through_a_small_table(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "TABLE_BYTES", 1_000_000)
    size = "SELECT coalesce(sum(octet_length(body)), 0) FROM mail"

    async def scenario() -> None:
        a, b = Member(url), Member(url)
        async with joined(a, b):
            largest = 0
            for n in range(10):
                for _ in range(4):
                    a.send(b.member, n.to_bytes(4, "big") * 250_000)
                await b.log.until(lambda n=n: len(b.log.of("received")) >= 4 * n)
                largest = max(largest, ask(url, size)[0])
            await b.log.until(lambda: len(b.log.of("received")) == 40)
            assert [body[:4] for _, body in b.log.of("received")] == [(n // 4).to_bytes(4, "big") for n in range(40)]
            assert largest < 1_000_000 + 2 * mail.FLUSH_BYTES
            assert not b.log.of("gap")

    carry_out(scenario)


def test_a_member_that_does_not_read_is_gone_after_a_while(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    terms = Terms(look=0.1, unread=2)

    async def scenario() -> None:
        a, deaf = Member(url, terms), Member(url, terms)

        async def hear_nothing(self: object, line: object) -> None:
            await asyncio.sleep(0.05)

        async with joined(a, deaf):
            assert deaf._now is not None
            monkeypatch.setattr(deaf._now.inbox, "read", hear_nothing.__get__(deaf))
            old = deaf.member
            a.send(old, b"hello?")
            await deaf.log.until(lambda: deaf.log.of("fenced"))
            await a.log.until(lambda: (old,) in a.log.of("departed"))
            await a.log.until(lambda: (deaf.member,) in a.log.of("arrived"))  # and is one again

    carry_out(scenario)


def test_without_its_database_it_says_so_in_time(url: str) -> None:
    async def scenario() -> None:
        with pytest.raises(Unavailable) as caught:
            await Member("postgresql://clawdbot@127.0.0.1:1/nothing").join(Member(url).log)
        assert caught.value.reason == "STORAGE_AWAY"

    carry_out(scenario)


def test_the_clusters_of_two_spaces_are_two_though_their_members_have_the_same_numbers(postgres_url: str) -> None:
    spaces = [f"space_{uuid.uuid4().hex}" for _ in range(2)]
    backends = "SELECT pid FROM pg_stat_activity WHERE application_name = 'clawdbot keeper' AND pid = ANY(%s)"

    async def scenario() -> None:
        for space in spaces:
            create_tables(postgres_url, space)
        [a, b], [c, d] = ([Member(postgres_url, QUICK, space) for _ in range(2)] for space in spaces)
        busy = key()
        async with joined(a, b), joined(c, d):
            assert [a.fence, b.fence] == [c.fence, d.fence]
            for space, home in zip(spaces, (b, d), strict=True):
                add_run(postgres_url, busy, space=space)
                assert await home.home_of(busy) == home.member
            keepers = [(await member._keeper.line()).pid for member in (c, d)]
            await b.kill()
            await a.log.until(lambda: a.log.of("departed"))
            assert a.log.of("departed") == [(b.member, busy)]
            c.send(d.member, b"still there")
            await d.log.until(lambda: d.log.of("received"))
            assert c.log.told == [("arrived", d.member)]
            assert d.log.told == [("arrived", c.member), ("received", c.member, b"still there")]
            assert await c.home_of(busy) == d.member, "taken over by none"
            assert sorted(ask(postgres_url, backends, keepers)) == sorted(keepers), "the dead one's were ended alone"
            assert await a.home_of(busy) == a.member and a.log.of("received") == []

    carry_out(scenario)


def test_the_channels_of_all_spaces_differ(postgres_url: str) -> None:
    spaces = [None, *(f"space_{uuid.uuid4().hex}" for _ in range(2))]

    async def scenario() -> None:
        lines = []
        for space in spaces:
            lines.append(Line(await connect(postgres_url, "test", space), space))
        names = [{membership.arrivals(line), mail.mail_channel(line, 1)} for line in lines]
        assert len(set().union(*names)) == 6 and all(len(name) < 64 for each in names for name in each)
        for line in lines:
            await line.close()

    carry_out(scenario)


def test_a_member_alone_in_a_space_has_one_connection_until_another_comes(postgres_url: str) -> None:
    space = f"space_{uuid.uuid4().hex}"
    names = (
        "SELECT application_name FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    def connections() -> list[str]:
        return sorted(name.removeprefix("clawdbot ") for name in ask(postgres_url, names))

    async def scenario() -> None:
        create_tables(postgres_url, space)
        a, b = (Member(postgres_url, QUICK, space) for _ in range(2))
        await a.join(a.log)
        assert await a.home_of(key()) == a.member
        await until(lambda: connections() == ["keeper"], BOUND_S)
        for _ in range(2):  # and again, when it was alone in between
            b = Member(postgres_url, QUICK, space)
            await b.join(b.log)
            for sender, target in ((b, a), (a, b)):
                await sender.log.until(lambda sender=sender, target=target: target.member in sender.others())
                sender.send(target.member, b"hello")
                await target.log.until(lambda target=target: target.log.of("received"))
                target.log.told.clear()
            await until(lambda: connections() == ["keeper", "keeper", "mail", "mail", "post", "post"], BOUND_S)
            await b.leave()
            await a.log.until(lambda: a.log.of("departed"))
            await until(lambda: connections() == ["keeper"], BOUND_S)
        await a.leave()

    carry_out(scenario)
