"""Two gateways on one database."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.aio import run
from tests.support.gateways import Gateways, gateways
from tests.support.in_process import InProcess

SECONDS = 60.0


@pytest.fixture
def drive(tmp_path: Path) -> Callable[[Callable[[Gateways], Awaitable[None]]], None]:
    """Runs a scenario with two gateways."""

    def drive(scenario: Callable[[Gateways], Awaitable[None]], count: int = 2) -> None:
        async def main() -> None:
            async with gateways(tmp_path, count) as made:
                await scenario(made)

        run(main(), SECONDS)

    return drive


def text_of(client: InProcess, run_id: str, history: dict[str, Any] | None = None) -> str:
    """The text of a reply as a client that appends has it: what ``history``, a response frame, says, and what follows
    it."""
    frames = client.peer.frames
    begun = history["payload"]["inFlight"]["text"] if history is not None else ""
    after = frames[frames.index(history) :] if history is not None else frames
    text = begun.encode("utf-16-le")
    for delta in [frame["payload"] for frame in after if frame.get("event") == "chat"]:
        if delta["runId"] == run_id and delta["state"] == "delta" and delta.get("part") != "thinking":
            assert 2 * delta["offset"] == len(text), f"a gap, or twice: {delta}"
            text += delta["text"].encode("utf-16-le")
    return text.decode("utf-16-le")


async def dictated(made: Gateways, client: InProcess, text: str = "go on", **fields: Any) -> str:
    """Send a message whose reply is dictated; its run id."""
    run_id = uuid.uuid4().hex
    answer = await client.call(
        "chat.send", {"sessionKey": "main", "message": f"[[dictated]] {text}", "idempotencyKey": run_id, **fields}
    )
    assert answer["ok"], answer
    await asyncio.wait_for(made.script.asked.wait(), SECONDS)
    return run_id
