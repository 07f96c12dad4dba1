"""Hostile text: in addresses, in the terminal and the logs, in the count of wrong logins."""

from __future__ import annotations

import re
import time

import pytest

from tests.support.http import ask, login
from tests.support.pumping import an_example
from tests.support.server import GatewayProcess
from tests.support.wire import WireError, opened, run

HOSTILE = [
    "%00",
    "x%00.html",
    "%2f..%2f..%2fetc%2fpasswd",
    "%5c..%5cx",
    "..;/x",
    "%ff%fe",
    "%c0%ae%c0%ae",
    "x" * 3_000,
    "%e2%80%ae",
    "%0d%0aX-Y:1",
    "\x9b2J",
    "?x=%00&name=%ff",
    "a/" * 1_500,
]
FORGED = "[C 2026-01-01 00:00:00.000 ServerApp] forged"
ESCAPES = "x\x1b]0;owned\x07\x9b2J\u202e\r\n" + FORGED
RAW = re.compile(r"[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u202a-\u202e]|\x1b(?!\[[0-9;]*m)")
"""Control characters, but for the colours of Jupyter's own log."""


def examples(rows):
    """A path for every route of ours, and of Jupyter's API."""
    return sorted({path for pattern, _, _, _ in rows if (path := an_example(pattern)).startswith("/")})


@pytest.mark.slow
@pytest.mark.parametrize("name", ["standalone", "mount"])
def test_s14_no_address_is_an_error_of_ours(request, tables, name):
    door = request.getfixturevalue(name)
    paths = examples(tables[name])
    assert len(paths) > {"standalone": 40, "mount": 10}[name]
    wrong = []
    for path in paths:
        for hostile in HOSTILE:
            for address in {f"{path}{hostile}", f"{path.rpartition('/')[0]}/{hostile}"}:
                if not address.startswith(("/api/shutdown", "/nbconvert/")):  # the latter says 500 of a format itself
                    answer = door.ask(
                        "GET", address[len(door.base) :] if name == "mount" else address[1:], door.program
                    )
                    if answer.status >= 500 and answer.status != 503:
                        wrong.append((answer.status, address[:80]))
    assert wrong == []
    assert door.ask(path="healthz").status == 200


def test_r8_strangers_steer_no_terminal_and_forge_no_line(door):
    port = door.port if door.name == "standalone" else door.process.clawdbot_port  # where strangers may speak at all

    async def main():
        async with opened(f"ws://127.0.0.1:{port}/ws") as wire:
            wire.start()
            await wire.wait("connect.challenge")
            with pytest.raises(WireError):
                await wire.call(
                    "connect",
                    {
                        "minProtocol": 3,
                        "maxProtocol": 3,
                        "auth": {"token": "wrong"},
                        "client": {"id": ESCAPES, "version": "1", "platform": "x", "mode": "backend"},
                    },
                )

    run(main())
    ask(port, path="/nope\x9b2J\x85")
    door.ask(path="nope\x9b2J\x85" + FORGED.replace(" ", ""))
    door.ask(path="assets/x%00")
    log = door.process.home / "logs" / "gateway.log"
    ends = time.monotonic() + 60
    while not (log.exists() and "connect refused" in log.read_text()) and time.monotonic() < ends:
        time.sleep(0.02)
    for text in (log.read_text(), door.process.output):
        assert not (found := RAW.search(text)), text[max(0, found.start() - 200) : found.end() + 50]
        assert not re.search(r"^\[C 2026-01-01", text, re.MULTILINE)
    assert "\\x1b]0;owned" in log.read_text().replace("\\\\", "\\")


@pytest.mark.slow
def test_s8_no_address_is_a_failed_login_and_no_guess_of_others_locks_a_known_browser_out(tmp_path):
    secret = "correct horse battery staple"
    process = GatewayProcess(
        tmp_path, config={"gateway": {"auth": {"mode": "password", "password": secret}, "loginAttemptsPerMinute": 3}}
    )
    process.start()
    origin = [("Origin", f"http://127.0.0.1:{process.port}")]
    try:
        for _ in range(8):  # as a page elsewhere has a browser prefetch it
            assert ask(process.port, path="/chat?token=wrong").status == 303
        first = login(process.port, origin, password=secret)
        assert first.status == 204
        assert [login(process.port, origin, password="wrong").status for _ in range(4)] == [401, 401, 401, 429]
        assert login(process.port, origin, password=secret).status == 429  # any program could be asking
        known = [*origin, ("Cookie", first.cookie)]
        assert login(process.port, known, password=secret).status == 204
        assert [login(process.port, known, password="wrong").status for _ in range(4)] == [401, 401, 401, 429]
        forged = [*origin, ("Cookie", first.cookie[:-2] + "xx")]
        assert login(process.port, forged, password=secret).status == 429
    finally:
        process.stop()
