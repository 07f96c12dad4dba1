"""Twenty clients that do whatever comes to mind, connections and a gateway that die under them, and what holds then.

``CLAWDBOT_SOAK_S`` makes it longer (180: a thorough one), ``CLAWDBOT_SOAK_SEED`` repeats one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import WebSocketException

from tests.support.server import GatewayProcess
from tests.support.wire import Wire, WireError, opened, run, wired

SECONDS = float(os.environ.get("CLAWDBOT_SOAK_S", "12"))
CLIENTS, SESSIONS, KILLS = 20, 6, 3
CAPS = ("chat.append", "session.events")
GONE = (OSError, ConnectionError, WebSocketException, asyncio.TimeoutError)
REFUSED = {"QUEUE_FULL", "SHUTTING_DOWN", "NOT_FOUND"}


class Notes:
    """The clients' view: the gateway must agree."""

    def __init__(self) -> None:
        self.acked: dict[str, str] = {}
        """Run id → session key of every send that was acknowledged."""
        self.aborted: set[str] = set()
        self.problems: list[str] = []


def watch(wire: Wire, notes: Notes, name: str) -> None:
    """Note every gap in the connection's event numbers, and every run that ends twice or goes on after its end."""
    expected, ended = 1, set[str]()

    def tap(frame: dict[str, Any]) -> None:
        nonlocal expected
        if frame["event"] == "connect.challenge":
            return
        if frame["seq"] != expected:
            notes.problems.append(f"{name}: event {frame['seq']} where {expected} should be")
        expected = frame["seq"] + 1
        if frame["event"] == "chat":
            payload = frame["payload"]
            if payload["runId"] in ended:
                notes.problems.append(f"{name}: run {payload['runId']} {payload['state']} after its end")
            if payload["state"] != "delta":
                ended.add(payload["runId"])
                if payload["state"] == "aborted":
                    notes.aborted.add(payload["runId"])

    wire.taps.append(tap)


async def act(wire: Wire, notes: Notes, dice: random.Random) -> None:
    """One thing that a client may do."""
    key = f"s{dice.randrange(SESSIONS)}"
    what = dice.choices(("send", "abort", "reset", "history", "list"), (10, 4, 1, 4, 1))[0]
    if what == "send":
        text = f"[[tokens={dice.choice((1, 5, 40, 400))}]] [[delay_ms={dice.choice((0, 2, 10))}]] [[first_ms=1]]"
        run_id, answer = await wire.send(text, key=key)
        assert answer == {"runId": run_id, "status": "started"} | (
            {"queuePosition": answer["queuePosition"]} if "queuePosition" in answer else {}
        )
        notes.acked[run_id] = key
    elif what == "abort":
        notes.aborted |= set((await wire.call("chat.abort", {"sessionKey": key}))["runIds"])
    elif what == "reset":
        await wire.call("sessions.reset", {"key": key})
    elif what == "history":
        await wire.call("chat.history", {"sessionKey": key, "limit": dice.choice((1, 50, 1000))})
    else:
        await wire.call("sessions.list")


async def live(gateway: GatewayProcess, notes: Notes, name: str, dice: random.Random, ends: float) -> None:
    """One client: connect, do things, leave with or without a goodbye, come back."""
    clock = asyncio.get_running_loop().time
    while clock() < ends:
        try:
            async with opened(gateway.ws_url) as wire:
                watch(wire, notes, name)
                await wire.handshake(token=gateway.token, caps=CAPS)
                while clock() < ends and dice.random() > 0.02:
                    try:
                        await act(wire, notes, dice)
                    except WireError as refused:
                        if refused.details.get("reason") not in REFUSED:
                            notes.problems.append(f"{name}: {refused.error}")
                    await asyncio.sleep(dice.expovariate(10))
                if dice.random() < 0.5:
                    wire.socket.transport.abort()
        except GONE:
            await asyncio.sleep(0.1)


async def disturb(gateway: GatewayProcess, ends: float) -> None:
    """``kill -9``, a few times."""
    clock = asyncio.get_running_loop().time
    for left in range(KILLS, 0, -1):
        await asyncio.sleep((ends - clock()) / (left + 1))
        await asyncio.to_thread(gateway.kill)
        await asyncio.to_thread(gateway.start)


async def settle(gateway: GatewayProcess) -> dict[str, Any]:
    """Wait until nothing runs any more; the sessions."""
    async with wired(gateway.ws_url, gateway.token) as wire:
        for _ in range(600):
            if (await wire.call("health"))["runs"] == {"running": 0, "queued": 0}:
                break
            await asyncio.sleep(0.1)
        return {row["key"]: row for row in (await wire.call("sessions.list"))["sessions"]}


def check_store(path: Path, notes: Notes) -> None:
    """The content of the disk must agree with what clients were told."""
    with contextlib.closing(sqlite3.connect(path)) as conn:
        assert conn.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        alive = conn.execute("SELECT run_id, state FROM runs WHERE state IN ('queued', 'running')").fetchall()
        gaps = conn.execute(
            """SELECT t.session_id, count(m.seq), min(m.seq), max(m.seq), t.last_seq FROM transcripts AS t
               LEFT JOIN messages AS m ON m.session_id = t.session_id GROUP BY t.session_id
               HAVING count(m.seq) <> t.last_seq OR max(m.seq) <> t.last_seq OR min(m.seq) <> 1"""
        ).fetchall()
        asked = dict(conn.execute("SELECT run_id, count(*) FROM messages WHERE role = 'user' GROUP BY run_id"))
        replies = conn.execute(
            "SELECT run_id, count(*) FROM messages WHERE role = 'assistant' GROUP BY run_id HAVING count(*) > 1"
        ).fetchall()
        aborted = {row[0] for row in conn.execute("SELECT run_id FROM runs WHERE state = 'aborted'")}
    assert (alive, gaps, replies) == ([], [], [])
    assert {run_id for run_id, times in asked.items() if times != 1} == set()
    lost = [run_id for run_id in notes.acked if run_id not in asked and run_id not in aborted]
    assert lost == [], f"{len(lost)} of {len(notes.acked)} acknowledged messages are nowhere"
    assert notes.problems == []


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 300)
def test_nothing_is_lost_doubled_or_stuck_whatever_twenty_clients_do(gateway):
    seed = os.environ.get("CLAWDBOT_SOAK_SEED") or str(random.randrange(10**9))
    notes = Notes()

    async def main() -> dict[str, Any]:
        ends = asyncio.get_running_loop().time() + SECONDS
        clients = [live(gateway, notes, f"client {n}", random.Random(f"{seed}-{n}"), ends) for n in range(CLIENTS)]
        await asyncio.gather(disturb(gateway, ends), *clients)
        return await settle(gateway)

    sessions = run(main(), SECONDS + 250)
    sys.stdout.write(f"seed {seed}: {len(notes.acked)} sends, {len(notes.aborted)} stopped\n")  # shown on failure
    assert len(notes.acked) > 10 * SECONDS
    assert [key for key, row in sessions.items() if row["running"] or row["queued"]] == []
    gateway.stop()
    check_store(gateway.home / "gateway.sqlite3", notes)
