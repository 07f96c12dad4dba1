"""Real gateways on one PostgreSQL behind nginx: what clients have after gateways, networks and servers went away.

Larger, as thorough as it gets: ``CLAWDBOT_KILLS=20``, ``CLAWDBOT_GATEWAYS=4``, ``CLAWDBOT_CLIENTS=200`` and
``CLAWDBOT_CUT_S=30``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests.support.cluster_load import BOUND_S, TOKEN, Cluster, Notes, all_alive, under_load
from tests.support.clusters import CableThread
from tests.support.nginx import Nginx
from tests.support.postgres import Postgres
from tests.support.server import GatewayProcess
from tests.support.wire import run

KILLS = int(os.environ.get("CLAWDBOT_KILLS", "2"))
GATEWAYS = int(os.environ.get("CLAWDBOT_GATEWAYS", "2"))
CLIENTS = int(os.environ.get("CLAWDBOT_CLIENTS", "6"))
CUT_S = float(os.environ.get("CLAWDBOT_CUT_S", "0"))
"""Longer than until another gateway has taken over."""
SENDERS = CLIENTS // 3
TALKERS = CLIENTS - SENDERS
PAUSE_S = 0.5 * (CLIENTS - 6)
"""Of each client between two messages. All are of one person, and hear of each message: many of them hear of few."""
ENOUGH_S = 500 + 60 * KILLS + 5 * CLIENTS
pytestmark = [pytest.mark.slow, pytest.mark.timeout(2 * ENOUGH_S)]


@dataclass
class Parts:
    """Everything of it that a test may harm."""

    cluster: Cluster
    server: Postgres
    cable: CableThread
    """Between the first gateway and PostgreSQL."""


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    folder: Path = tmp_path_factory.mktemp("many")
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(Postgres())
        cable = stack.enter_context(CableThread(server.port))
        urls = [server.url(port=cable.port), *[server.url()] * (GATEWAYS - 1)]
        gateways = [
            GatewayProcess(folder / str(number), env={"CLAWDBOT_STORAGE_URL": url, "CLAWDBOT_GATEWAY_TOKEN": TOKEN})
            for number, url in enumerate(urls)
        ]
        nginx = Nginx(folder / "nginx")
        url = nginx.balance([gateway.port for gateway in gateways])
        for gateway in gateways:
            gateway.spawn()
            stack.callback(gateway.kill)
        for gateway in gateways:
            gateway.await_answer()
        nginx.start()
        stack.callback(nginx.stop)
        yield Parts(Cluster(gateways, url, server.url()), server, cable)


@pytest.fixture
def cluster(parts: Parts) -> Cluster:
    return parts.cluster


def test_gateways_killed_under_load_lose_nothing_and_double_nothing(cluster: Cluster) -> None:
    async def disturb(notes: Notes) -> None:
        for number in range(KILLS):
            await all_alive(cluster)
            await notes.until(notes.count() + 20)
            victim = cluster.gateways[number % GATEWAYS]
            victim.kill()
            await notes.until(notes.count() + 20)  # without it
            await asyncio.to_thread(victim.start)

    ends = run(under_load(cluster, disturb, talkers=TALKERS, senders=SENDERS, pause_s=PAUSE_S), ENOUGH_S)
    assert ends["stop"] > 20
    assert ends.keys() <= {"stop", "interrupted"}


def test_a_rolling_restart_cuts_no_reply(cluster: Cluster) -> None:
    async def disturb(notes: Notes) -> None:
        for gateway in cluster.gateways:
            await all_alive(cluster)
            await notes.until(notes.count() + 20)
            gateway.terminate()
            assert await asyncio.to_thread(gateway.wait) == 0
            await asyncio.to_thread(gateway.start)

    ends = run(under_load(cluster, disturb, talkers=TALKERS, senders=SENDERS, pause_s=PAUSE_S), ENOUGH_S)
    assert ends.keys() == {"stop"}


def test_a_gateway_that_the_database_cannot_be_reached_from_writes_nothing_of_what_it_had(parts: Parts) -> None:
    cluster = parts.cluster

    async def disturb(notes: Notes) -> None:
        await all_alive(cluster)
        await notes.until(notes.count() + 20)
        before = await asyncio.to_thread(members, parts)
        parts.cable.cut()
        await asyncio.sleep(CUT_S)
        await ended_members(parts, before, 1)
        await notes.until(notes.count() + 20)  # without it
        parts.cable.mend()
        await all_alive(cluster)

    ends = run(under_load(cluster, disturb, talkers=TALKERS, senders=SENDERS, pause_s=PAUSE_S), ENOUGH_S)
    assert ends.keys() <= {"stop", "interrupted"}
    assert "taken for dead" in cluster.gateways[0].output


def test_a_crash_of_the_database_under_load_loses_nothing_and_doubles_nothing(parts: Parts) -> None:
    async def disturb(notes: Notes) -> None:
        await all_alive(parts.cluster)
        await notes.until(notes.count() + 20)
        before = await asyncio.to_thread(members, parts)
        await asyncio.to_thread(parts.server.restart, "immediate")
        await notes.until(notes.count() + 20)
        assert await asyncio.to_thread(members, parts) == before, "a gateway was taken for dead"

    ends = run(under_load(parts.cluster, disturb, talkers=TALKERS, senders=SENDERS, pause_s=PAUSE_S), ENOUGH_S)
    assert ends.keys() <= {"stop", "interrupted"}


def members(parts: Parts) -> set[int]:
    """The numbers of those that live, as the database has them."""
    with psycopg.connect(parts.server.url()) as conn:
        return {number for [number] in conn.execute("SELECT id FROM gateways WHERE ended_at IS NULL").fetchall()}


async def ended_members(parts: Parts, before: set[int], count: int) -> None:
    """Wait until so many of them were ended by others."""
    ends = time.monotonic() + BOUND_S
    while len(before - await asyncio.to_thread(members, parts)) < count:
        assert time.monotonic() < ends
        await asyncio.sleep(0.1)
