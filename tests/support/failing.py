"""A gateway that dies at a named place of its code (``store.failpoints``), and what must hold after its next start.

All places are armed in every start, each by a file that is not there: making it is what kills. So the gateway that came
back after one death is the one that dies next.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from clawdbot_ext.client import GatewayClient
from clawdbot_ext.client.endpoint import Endpoint
from clawdbot_ext.store import failpoints

from .aio import until
from .forked import ForkedGateway
from .strict_api import StrictAPI
from .unretrieved import check_output
from .wire import Wire, text_of

MODEL = "anthropic/claude-sonnet-5-5"


class NotingClient(GatewayClient):
    """The Python client, with what it sent and what was acknowledged."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        self.sent: list[Mapping[str, Any]] = []
        self.acknowledged: set[str] = set()

    async def request(self, method: str, params: Mapping[str, Any] | None = None, **more: Any) -> Any:
        if method != "chat.send" or params is None:
            return await super().request(method, params, **more)
        self.sent.append(dict(params))
        answer = await super().request(method, params, **more)
        self.acknowledged.add(params["idempotencyKey"])
        return answer


class FailingGateway:
    """The gateway, and the model behind it."""

    def __init__(self, folder: Path, api: StrictAPI) -> None:
        self.api, self._flags = api, folder / "flags"
        self._flags.mkdir()
        settings = {
            "models": {"providers": {"anthropic": {"apiKey": "sk-test", "baseUrl": api.url}}},
            "agents": {"defaults": {"model": MODEL, "autoTitle": False}},
        }
        armed = ";".join(f"{name}=kill@{self._flags / name}" for name in failpoints.POINTS)
        # A place in the settings, not the environment: to hide a key there the process would execute itself again.
        self.gateway = ForkedGateway(folder / "state", env={failpoints.VARIABLE: armed}, config=settings)
        self.gateway.start()

    def arm(self, point: str) -> None:
        """Die when that place is passed next."""
        (self._flags / point).touch()

    async def dies(self, asking: Coroutine[Any, Any, Any] | None = None) -> None:
        """Wait until it has died, at the place that was armed, while it is asked something; it can be started then."""
        asked = asyncio.create_task(asking) if asking is not None else None
        assert await asyncio.to_thread(self.gateway.wait) == -signal.SIGKILL, self.gateway.output[-2000:]
        if asked is not None:
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
        check_output(self.gateway.output)
        for flag in self._flags.iterdir():
            flag.unlink()

    async def start(self) -> None:
        await asyncio.to_thread(self.gateway.start)

    def close(self) -> None:
        self.gateway.kill()

    @asynccontextmanager
    async def client(self) -> AsyncIterator[NotingClient]:
        """The Python client, connected."""
        gateway = self.gateway
        async with NotingClient(Endpoint(gateway.ws_url, gateway.url, token=gateway.token)) as client:
            yield client

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of the database, read beside the gateway, which may be dead."""
        path = self.gateway.home / "gateway.sqlite3"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as conn:
            return conn.execute(query, values).fetchall()

    def calls(self, text: str) -> int:
        """Requests to the model that a message with that text has led to."""
        return self.api.times[text]

    # -- what must hold -----------------------------------------------------------------------------------------------
    async def settled(self) -> None:
        """Wait until every run has its end on the disk."""
        await until(lambda: self.rows("SELECT run_id FROM runs WHERE ended_at IS NULL") == [], 60)

    async def check(self, wire: Wire, key: str, sends: Sequence[tuple[str, str]], *, tools: bool = False) -> None:
        """Each of the sends (run id and text) is there once, in that order, has one end, and was asked of the model
        once at most; sending it again has no effect; nothing runs that has no end."""
        await self.settled()
        messages = await history(wire, key)
        asked = [(m["runId"], text_of(m)) for m in messages if m["role"] == "user"]
        assert asked == list(sends), "each once, in order"
        for run_id, text in sends:
            ends = [m for m in messages if m["role"] == "assistant" and m["runId"] == run_id]
            if not tools:
                assert len(ends) == 1 and self.calls(text) <= 1
            assert ends[-1]["stopReason"] in ("stop", "interrupted"), ends[-1]
            assert (ends[-1]["stopReason"] == "interrupted") == bool(ends[-1].get("errorMessage"))
            _, again = await wire.send(text, key=key, run_id=run_id)
            assert again["status"] == ("ok" if ends[-1]["stopReason"] == "stop" else "error")
        assert await history(wire, key) == messages
        assert self.api.refusals == []


async def history(wire: Wire, key: str) -> list[dict[str, Any]]:
    """The messages of a session."""
    return list((await wire.call("chat.history", {"sessionKey": key, "limit": 1000}))["messages"])


def jsonl(key: str, count: int) -> str:
    """A transcript in a file, to be imported."""
    rows: list[dict[str, Any]] = [{"type": "session", "version": 3, "id": key, "timestamp": "2026-01-20T08:00:00.000Z"}]
    for number in range(count):
        content = [{"type": "text", "text": f"{number}"}]
        message = {"role": "user", "content": content, "timestamp": 1768896001000 + number}
        parent = f"m{number - 1}" if number else None
        rows.append({"type": "message", "id": f"m{number}", "parentId": parent, "message": message})
    return "\n".join(map(json.dumps, rows))
