"""Tasks that run as long as the gateway start again when they fail."""

from __future__ import annotations

import asyncio
import logging

from clawdbot_ext.runtime.supervision import Supervisor


def test_a_task_that_fails_is_logged_told_and_started_again(monkeypatch, caplog):
    monkeypatch.setattr("clawdbot_ext.runtime.supervision.FIRST_PAUSE_S", 0.01)
    caplog.set_level(logging.CRITICAL, "clawdbot_ext.runtime")
    runs: list[dict[str, str]] = []

    async def main() -> None:
        supervisor = Supervisor()

        async def work() -> None:
            runs.append(dict(supervisor.troubles))
            if len(runs) < 3:
                raise KeyError("a bug")

        await asyncio.wait_for(supervisor.run("sweep", work), 30)
        assert not supervisor.troubles

    asyncio.run(main())
    assert runs == [{}, {"sweep": "KeyError('a bug')"}, {"sweep": "KeyError('a bug')"}]
    assert [record.message.split(" fails")[0] for record in caplog.records] == [
        "the task sweep failed and starts again in 0.01 s",
        "the task sweep failed and starts again in 0.02 s",
    ]
