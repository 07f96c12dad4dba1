"""The guard of tests/conftest.py: an exception that nothing retrieves fails the test in which it was raised."""

from __future__ import annotations

import asyncio
import gc

import pytest

from tests.support.server import GatewayProcess
from tests.support.unretrieved import unretrieved


async def lose_a_task() -> None:
    async def fails() -> None:
        raise ValueError("lost")

    task = asyncio.create_task(fails())
    await asyncio.sleep(0)
    del task


def test_an_exception_that_nothing_retrieves_is_found() -> None:
    asyncio.run(lose_a_task())
    gc.collect(1)
    (found,) = unretrieved.taken()
    assert "Task exception was never retrieved" in found and "ValueError('lost')" in found


def test_one_in_a_process_of_a_test_is_found_when_it_is_stopped(tmp_path, monkeypatch) -> None:
    program = "import asyncio, sys; sys.path.insert(0, {!r}); from {} import lose_a_task; asyncio.run(lose_a_task())"
    monkeypatch.setattr(GatewayProcess, "program", ("-c", program.format(str(tmp_path), "loser")))
    (tmp_path / "loser.py").write_text(
        "import asyncio\n"
        "async def fails(): raise ValueError('lost')\n"
        "async def lose_a_task():\n"
        "    task = asyncio.create_task(fails())\n"
        "    await asyncio.sleep(0)\n"
        "    del task\n"
    )
    process = GatewayProcess(tmp_path / "state")
    process.spawn()
    process.wait()
    with pytest.raises(AssertionError, match="never retrieved"):
        process.kill()
