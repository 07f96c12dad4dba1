"""A gateway in the test's own process, with scripted tools: for what happens between loop, store and wire."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from clawdbot_ext import config
from clawdbot_ext.agent.providers.base import Provider, ToolSpec
from clawdbot_ext.agent.providers.demo import DemoProvider
from clawdbot_ext.agent.providers.registry import Providers
from clawdbot_ext.agent.tools import Tool, ToolContext, ToolKind, ToolOutput
from clawdbot_ext.config.live import LiveConfig
from clawdbot_ext.gateway.access.auth import Auth, Identity
from clawdbot_ext.gateway.gateway import Gateway
from clawdbot_ext.runtime.paths import ensure_home
from clawdbot_ext.store.sqlite import SqliteStore

KEY = "agent:main:main"
OBJECT: Mapping[str, Any] = {"type": "object", "properties": {}}
Run = Callable[[Mapping[str, Any], ToolContext], Awaitable["ToolOutput | str"]]


class Peer:
    """A transport in memory; ``frames`` are those the gateway sent."""

    client_key = "127.0.0.1"
    identity = Identity("tester", "token")

    def __init__(self) -> None:
        self.frames: list[dict[str, Any]] = []

    def send(self, frame: bytes) -> None:
        self.frames.append(json.loads(frame))

    def buffered(self) -> int:
        return 0

    def on_authenticated(self) -> None:
        """No frame of these tests is large."""

    def close(self, code: int, reason: str) -> None:
        self.frames.append({"closed": code})

    def payloads(self, event: str) -> list[dict[str, Any]]:
        """The payloads of the events of that name."""
        return [frame["payload"] for frame in self.frames if frame.get("event") == event]


class InProcess:
    """A started gateway and one client of it."""

    def __init__(self, gateway: Gateway, peer: Peer, receive: Callable[[str], object]) -> None:
        self.gateway, self.peer, self._receive = gateway, peer, receive
        self._calls = 0

    def request(self, method: str, params: Mapping[str, Any]) -> str:
        """Send a request; its id."""
        self._calls += 1
        id_ = str(self._calls)
        self._receive(json.dumps({"type": "req", "id": id_, "method": method, "params": params}))
        return id_

    async def call(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request and wait for its response frame."""
        id_ = self.request(method, params)
        await until(lambda: any(f.get("type") == "res" and f.get("id") == id_ for f in self.peer.frames))
        return next(f for f in self.peer.frames if f.get("type") == "res" and f.get("id") == id_)

    def send(self, text: str, run_id: str, **fields: Any) -> None:
        self.request("chat.send", {"sessionKey": "main", "message": text, "idempotencyKey": run_id, **fields})

    async def ask(self, text: str, run_id: str, **fields: Any) -> dict[str, Any]:
        """Send a message and wait for the last ``chat`` event of its run."""
        self.send(text, run_id, **fields)
        return await self.end(run_id)

    async def end(self, run_id: str) -> dict[str, Any]:
        def ends() -> list[dict[str, Any]]:
            return [p for p in self.peer.payloads("chat") if p["runId"] == run_id and p["state"] != "delta"]

        await until(ends)
        return ends()[0]

    def tool_events(self, run_id: str) -> list[dict[str, Any]]:
        """The data of the run's events of the stream ``tool``."""
        events = self.peer.payloads("agent")
        return [p["data"] for p in events if p["runId"] == run_id and p["stream"] == "tool"]

    async def messages(self) -> list[dict[str, Any]]:
        """The stored messages."""
        page = await self.gateway.services.store.history(session_key=KEY, limit=1000)
        return [msgspec.json.decode(message.body) for message in page.messages]


@asynccontextmanager
async def in_process(
    folder: Path,
    *,
    provider: Callable[[], Provider] | None = None,
    environment: Mapping[str, str] | None = None,
    locale: str = "en",
    store: SqliteStore | None = None,
    settings: Mapping[str, Any] | None = None,
) -> AsyncIterator[InProcess]:
    """A gateway that is stopped when the block is left. ``provider`` stands for the demo, ``settings`` are the contents
    of ``config.json``."""
    if settings is not None:
        (folder / "jupyter").mkdir(mode=0o700, exist_ok=True)
        (folder / "jupyter" / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    live = LiveConfig(lambda: config.load({"CLAWDBOT_STATE_DIR": str(folder), **(environment or {})}))
    ensure_home(live())
    make = provider or (lambda: DemoProvider(delay_ms=0, first_ms=0))
    gateway = Gateway(live, store or SqliteStore(folder / "g.sqlite3"), Auth(live), Providers(live, demo=make))
    await gateway.start()
    try:
        yield await client_of(gateway, locale=locale)
    finally:
        await gateway.stop()


async def client_of(gateway: Gateway, *, locale: str = "en", instance: str = "page-1") -> InProcess:
    """A connected client of a started gateway."""
    peer = Peer()
    made = InProcess(gateway, peer, gateway.accept(peer).receive)
    client = {"id": "t", "version": "1", "platform": "x", "mode": "ui", "instanceId": instance}
    await made.call(
        "connect",
        {"minProtocol": 3, "maxProtocol": 3, "client": client, "locale": locale, "caps": ["session.events"]},
    )
    return made


def asking(api_url: str, model: str, **defaults: Any) -> dict[str, Any]:
    """Settings for a model at a scripted Messages API."""
    provider = {"apiKey": "sk-test", "baseUrl": api_url}
    agents = {"defaults": {"model": f"anthropic/{model}", "autoTitle": False, **defaults}}
    return {"models": {"providers": {"anthropic": provider}}, "agents": agents}


def tool(name: str, run: Run, *, kind: ToolKind = "read", **fields: Any) -> Tool:
    """A tool that needs no permission, unless its ``kind`` does."""
    return Tool(ToolSpec(name, f"The tool {name}.", OBJECT), run, lambda arguments, locale: name, kind=kind, **fields)


async def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Return once the condition holds. Raises ``AssertionError`` when it does not within ``seconds``."""
    end = asyncio.get_running_loop().time() + seconds
    while not condition():
        if asyncio.get_running_loop().time() > end:
            raise AssertionError(f"did not come about within {seconds} s")
        await asyncio.sleep(0.005)


def texts(blocks: Sequence[Mapping[str, Any]]) -> str:
    """The text blocks of a content, joined."""
    return "".join(block["text"] for block in blocks if block.get("type") == "text")
