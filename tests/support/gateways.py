"""Several gateways in one process, on one database and in a cluster of this process, with scripted replies."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from clawdbot_ext import config
from clawdbot_ext.agent.providers.base import Completed, ProviderEvent, TextDelta, TurnRequest, Usage
from clawdbot_ext.agent.providers.demo import DemoProvider
from clawdbot_ext.agent.providers.demo_directives import last_user_text
from clawdbot_ext.agent.providers.registry import Providers
from clawdbot_ext.cluster.local import LocalCluster, LocalMember
from clawdbot_ext.config.live import LiveConfig
from clawdbot_ext.gateway.access.auth import Auth
from clawdbot_ext.gateway.gateway import Gateway
from clawdbot_ext.protocol.errors import Unavailable
from clawdbot_ext.runtime.paths import ensure_home
from clawdbot_ext.store.memory import MemoryStore
from clawdbot_ext.store.router import StoreRouter
from clawdbot_ext.store.sqlite import SqliteStore
from tests.support.in_process import InProcess, Peer, until


class Script(DemoProvider):
    """A provider of all the gateways that says what the test dictates, and else what the demo says."""

    def __init__(self) -> None:
        super().__init__(delay_ms=0, first_ms=0)
        self.lines: asyncio.Queue[str | None] = asyncio.Queue()
        self.asked = asyncio.Event()

    async def stream(self, request: TurnRequest) -> AsyncIterator[ProviderEvent]:
        if "[[dictated]]" not in last_user_text(request.messages):
            async for event in super().stream(request):
                yield event
            return
        self.asked.set()
        text = ""
        while (line := await self.lines.get()) is not None:
            text += line
            yield TextDelta(line)
        yield Completed("end_turn", [{"type": "text", "text": text}], Usage())

    def say(self, *lines: str | None) -> None:
        """Dictate; ``None`` ends the reply."""
        for line in lines:
            self.lines.put_nowait(line)


class SharedStore:
    """The store that all the gateways share, as one of them sees it: until it is dead or fenced."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self.fenced = False

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if not asyncio.iscoroutinefunction(found):
            return found

        async def call(*args: Any, **given: Any) -> Any:
            if self.fenced:
                raise Unavailable("another gateway has taken over", reason="FENCED")
            return await found(*args, **given)

        return call

    async def open(self) -> None:
        """The test opens it."""

    async def close(self) -> None:
        """The test closes it."""


class Member:
    """A started gateway of several."""

    def __init__(self, gateway: Gateway, member: LocalMember, store: SharedStore, made: Gateways) -> None:
        self.gateway, self.member, self.store, self._made = gateway, member, store, made
        self.peers: list[Peer] = []
        self.dead = False

    async def client(self, **connect: Any) -> InProcess:
        """A connected client that all the gateways know; ``connect`` are further parameters."""
        peer = Peer()
        connection = self.gateway.accept(peer)
        made = InProcess(self.gateway, peer, connection.receive)
        self.peers.append(peer)
        number = len(self.peers)
        client = {
            "id": "t",
            "version": "1",
            "platform": "x",
            "mode": "ui",
            "instanceId": f"{self.member.member}-{number}",
        }
        params: Mapping[str, Any] = {
            "minProtocol": 3,
            "maxProtocol": 3,
            "client": client | connect.pop("client", {}),
            "caps": ["session.events"],
            **connect,
        }
        answer = await made.call("connect", params)
        assert answer["ok"], answer
        made.peer.connection = connection  # type: ignore[attr-defined]
        await until(lambda: all(each.knows(connection.conn_id) for each in self._made.all if not each.dead))
        return made

    def knows(self, conn_id: str) -> bool:
        return any(client.conn_id == conn_id for client in self.gateway.services.events.connections)

    def has_home(self, key: str) -> bool:
        forwarding = self.gateway.forwarding
        return forwarding is not None and forwarding.homes.is_own(key)


class Gateways:
    """Several gateways, what they say, and their cluster."""

    def __init__(self, folder: Path, store: SqliteStore) -> None:
        self.folder, self.database = folder, store
        self.script = Script()
        self.hub = LocalCluster(self._unfinished)
        self.all: list[Member] = []

    async def _unfinished(self) -> Sequence[str]:
        return list({run.session_key for run in await self.database.queued_runs()})

    async def add(self, *, secrets_of: int | None = None) -> Member:
        """Start another one; with the secrets of one that is there, as the documentation has it."""
        home = self.folder / f"home{len(self.all)}"
        home.mkdir(mode=0o700)
        (home / "jupyter").mkdir(mode=0o700)
        if secrets_of is not None:
            self.all[secrets_of].gateway.access.auth.generation()  # which makes those that are missing
            shutil.copytree(self.folder / f"home{secrets_of}" / "jupyter" / "secrets", home / "jupyter" / "secrets")
        settings = {"agents": {"defaults": {"autoTitle": False}}}
        (home / "jupyter" / "config.json").write_text(json.dumps(settings), encoding="utf-8")
        live = LiveConfig(lambda: config.load({"CLAWDBOT_STATE_DIR": str(home)}))
        ensure_home(live())
        shared, member = SharedStore(self.database), self.hub.create()
        store: Any = StoreRouter(shared, MemoryStore())  # type: ignore[arg-type]
        gateway = Gateway(live, store, Auth(live), Providers(live, demo=lambda: self.script), cluster=member)
        await gateway.start()
        made = Member(gateway, member, shared, self)
        self.all.append(made)
        return made

    def kill(self, member: Member) -> None:
        """End a gateway as ``kill -9`` does: its writes come to nothing, its sockets are gone."""
        member.store.fenced = member.dead = True
        member.member.dead = True
        for peer in member.peers:
            peer.frames.append({"closed": 1006})
        self.hub.kill(member.member)


@asynccontextmanager
async def gateways(folder: Path, count: int = 2) -> AsyncIterator[Gateways]:
    """``count`` gateways, which are stopped when the block is left."""
    store = SqliteStore(folder / "shared.sqlite3")
    await store.open()
    made = Gateways(folder, store)
    try:
        for _ in range(count):
            await made.add()
        yield made
    finally:
        made.script.say(None, None, None)
        for each in made.all:
            each.gateway.services.runs.abandon()
            await each.gateway.stop()
        await store.close()
