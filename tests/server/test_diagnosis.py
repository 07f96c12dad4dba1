"""The checks on behalf of the gateway: how often they are made, and what is no report."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clawdbot_ext.server import diagnosis
from tests.support.wire import run


def test_all_who_ask_while_checks_are_made_get_the_next_ones_together(monkeypatch, tmp_path):
    begun: list[str] = []

    async def main() -> None:
        goes_on = asyncio.Event()

        async def slow(home: Path, locale: str) -> Sequence[Mapping[str, Any]]:
            begun.append(locale)
            number = len(begun)
            await goes_on.wait()
            return [{"check": str(number)}]

        monkeypatch.setattr(diagnosis, "_examine", slow)
        checks = diagnosis.Diagnosis(tmp_path)
        first = asyncio.create_task(checks.examine("en"))
        await asyncio.sleep(0)
        assert begun == ["en"]
        later = [asyncio.create_task(checks.examine("en")) for _ in range(5)]
        await asyncio.sleep(0)
        goes_on.set()
        assert await first == [{"check": "1"}]  # what began before the others asked is not their answer
        assert await asyncio.gather(*later) == [[{"check": "2"}]] * 5
        assert begun == ["en", "en"]

    run(main())
