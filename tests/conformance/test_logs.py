"""``logs.tail``: cursors, rotation, and what no log may hold. Source: README table, schema ``LogsTailResult``."""

from __future__ import annotations

import json
import logging

import pytest

from clawdbot_ext.gateway.methods.logs import tail
from clawdbot_ext.server.log_files import SCRUB, JsonLine
from tests.support.wire import run


def test_lines_are_json_in_the_form_that_clawdbots_viewers_read(standalone):
    async def main():
        async with standalone.connected() as wire:
            found = await wire.call("logs.tail", {"limit": 500, "maxBytes": 250_000})
            lines = [json.loads(line) for line in found["lines"]]
            assert lines and all(line["time"] and line["_meta"]["logLevelName"] and line["1"] for line in lines)
            again = await wire.call("logs.tail", {"cursor": found["cursor"]})
            assert again["lines"] == [] and again["cursor"] == found["cursor"] and not again["reset"]

    run(main())


def test_a_cursor_goes_on_where_it_was_and_notices_rotation(tmp_path):
    path = tmp_path / "gateway.log"
    assert tail(path, None, 10, 100).size == 0
    path.write_text("one\ntwo\n")
    first = tail(path, None, 10, 100)
    assert first.lines == ["one", "two"] and not first.truncated
    with path.open("a") as log:
        log.write("three\nhalf")
    second = tail(path, first.cursor, 10, 100)
    assert second.lines == ["three"], "a line that is being written comes whole, later"
    with path.open("a") as log:
        log.write(" a line\n")
    assert tail(path, second.cursor, 10, 100).lines == ["half a line"]
    path.write_text("new\n")
    third = tail(path, second.cursor, 10, 100)
    assert third.reset and third.lines == ["new"]


@pytest.mark.parametrize("max_bytes", [7, 8, 9, 10, 11])
def test_only_whole_lines_of_the_end_are_given(tmp_path, max_bytes):
    path = tmp_path / "gateway.log"
    path.write_text("aaa\nbbb\nccc\n")
    found = tail(path, None, 10, max_bytes)
    assert found.truncated and found.lines == (["bbb", "ccc"] if max_bytes >= 8 else ["ccc"])
    assert tail(path, None, 1, 100).lines == ["ccc"]


@pytest.mark.parametrize("secret", ["sk-ant-abcdef0123456789", "Bearer abcdefghij0123456789"])
def test_keys_are_not_written(secret):
    """Neither to the file nor to the terminal: the one filter is in front of both."""
    record = logging.LogRecord("clawdbot_ext.gateway", logging.INFO, "", 0, "with %s in it", (secret,), None)
    assert SCRUB.filter(record)
    key = secret.rpartition(" ")[2]
    assert key not in logging.Formatter().format(record)
    line = json.loads(JsonLine().format(record))
    assert key not in line["1"] and "with" in line["1"]
    assert line["_meta"] == {"name": "gateway", "logLevelName": "INFO", "date": line["time"]}
