"""S23: an event of one user's space, whichever it is, reaches no client of another's and none of the operator's."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from clawdbot_ext.config import load
from clawdbot_ext.config.live import LiveConfig
from clawdbot_ext.protocol.schema import EVENTS
from clawdbot_ext.runtime.gateway_lock import acquire
from clawdbot_ext.server.context import ServerContext
from clawdbot_ext.server.users.sign_in import SignedIn
from clawdbot_ext.server.users.spaces import UserSpaces
from tests.support.in_process import InProcess, client_of
from tests.support.wire import run


def marked(client: InProcess, name: str) -> list[dict[str, Any]]:
    """The payloads of an event that this test has sent, and a client got."""
    return [payload for payload in client.peer.payloads(name) if "mark" in payload]


def test_s23_no_event_reaches_another_users_client(tmp_path: Path):
    (tmp_path / "jupyter").mkdir()
    (tmp_path / "jupyter" / "config.json").write_text(json.dumps({"users": {"allowed": []}}))
    base = ServerContext(LiveConfig(lambda: load({"CLAWDBOT_STATE_DIR": str(tmp_path)})), "standalone")
    spaces = UserSpaces(base)

    async def main() -> None:
        lock = acquire(base.live())
        assert lock is not None
        operators = await base.start(lock, "")
        spaces.start()
        try:
            gateways = [operators]
            for name in ("ada", "bob"):
                gateway = (await spaces.open(SignedIn(name))).context.gateway
                assert gateway is not None
                gateways.append(gateway)
            clients = [await client_of(gateway) for gateway in gateways]
            reached = set()
            for name in EVENTS:
                for n, gateway in enumerate(gateways):
                    gateway.services.events.emit(name, {"mark": n}, session="agent:main:main")
                for n, client in enumerate(clients):
                    assert {payload["mark"] for payload in marked(client, name)} <= {n}, name
                if marked(clients[1], name):
                    reached.add(name)
            assert reached == {*EVENTS}, "each of them reached her own client"
        finally:
            await spaces.prepare_stop()
            await asyncio.gather(base.stop("stopping"), spaces.close())

    run(main())
