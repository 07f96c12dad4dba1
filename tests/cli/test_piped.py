"""Standard input of ``clawdbot agent``: within the time limit, decoded as an attachment would be, long as a file."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from clawdbot_ext.cli import piped
from tests.cli.conftest import TIMEOUT_S, Run


def test_a_pipe_that_is_never_closed_counts_against_the_time_limit(own: dict[str, str]) -> None:
    reading, writing = os.pipe()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "clawdbot_ext", "agent", "-m", "hi", "--timeout", "0.2"],
            env=own,
            stdin=reading,
            capture_output=True,
            timeout=TIMEOUT_S,
            text=True,
        )
    finally:
        os.close(reading)
        os.close(writing)
    assert done.returncode == 5 and "0.2 s" in done.stderr and "/dev/null" in done.stderr


def test_what_is_long_becomes_a_file() -> None:
    assert piped.of_bytes(b"short\n") == ("short", None)
    assert piped.of_bytes(b" \n") == ("", None)
    assert piped.of_bytes("\ufeff안녕".encode()) == ("안녕", None)
    for encoding in ("cp949", "utf-16", "utf-16-le"):
        assert piped.of_bytes("이름,점수\n김,90".encode(encoding)) == ("이름,점수\n김,90", None)
    long = b"line\n" * piped.MOST_CHARACTERS
    assert piped.of_bytes(long) == ("", ("stdin.txt", long))
    picture = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x01"
    assert piped.of_bytes(picture) == ("", ("stdin", picture))


@pytest.mark.slow
def test_a_log_of_megabytes_goes_along_with_the_message(cli: Run) -> None:
    done = cli("agent", "-m", "why?", "--session", "log", stdin="an error occurred\n" * 60_000)
    assert done.returncode == 0, done.stderr
    message = json.loads(cli("sessions", "show", "log", "--json").stdout)["messages"][0]
    assert {block.get("name") or block["text"] for block in message["content"]} == {"stdin.txt", "why?"}
