"""Decided questions are kept for a while and up to a number; open ones and unused yeses stay."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from clawdbot_ext.gateway.connections.broadcast import Broadcast
from clawdbot_ext.gateway.hands import retention
from clawdbot_ext.gateway.hands.approvals import KIND, OPEN, Approvals
from clawdbot_ext.gateway.hands.grants import Grants
from clawdbot_ext.gateway.hands.plans import Plans
from clawdbot_ext.gateway.hands.retention import DAY_MS, HOUR_MS, Retention
from clawdbot_ext.protocol.clock import now_ms
from clawdbot_ext.store.memory import MemoryStore


def test_what_is_over_goes_by_age_and_number_and_nothing_else_does(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        store = MemoryStore()
        await store.open()
        config: Any = lambda: {"hands.keepDays": 30}  # noqa: E731 - stands for the live configuration
        approvals = Approvals(store, Broadcast(), lambda: "rules")
        kept, now = Retention(config, store, approvals), now_ms()

        async def put(id_: str, age_ms: int, **more: Any) -> None:
            body = {"id": id_, "request": {"sessionKey": "s"}, "createdAtMs": 1, "expiresAtMs": 0, **more}
            await store.put_record(KIND, id_, body, now=now - age_ms)

        used = {"decision": "allow-once", "usedAtMs": 1}
        await put("old", 31 * DAY_MS, **used)
        await put("denied", 31 * DAY_MS, decision="deny")
        await put("new", 29 * DAY_MS, **used)
        await put("unused", 31 * DAY_MS, decision="allow-once")
        await put("asked", 31 * DAY_MS)
        for id_ in ("unused", "asked"):
            await store.put_record(OPEN, id_, {"id": id_}, now=1)
        await approvals.load()
        grants = Grants(store, Broadcast())
        await grants.add(tool="cell_run", scope="always", by="ann", path="*")
        await Plans(store).allow("s", [])

        async def ids() -> set[str]:
            return {id_ for id_, _ in await store.record_times(KIND)}

        assert await kept.purge(now) == 2
        assert await ids() == {"new", "unused", "asked"} and len(await grants.list()) == 1
        assert len(await store.record_times("hands-plan")) == 1

        monkeypatch.setattr(retention, "MAX_KEPT", 2)
        for number in range(3):
            await put(f"recent{number}", 2 * HOUR_MS - number, **used)
        await put("just now", 0, **used)
        assert await kept.purge(now) == 3
        assert await ids() == {"recent2", "just now", "unused", "asked"}

        monkeypatch.setattr(retention, "MAX_KEPT", 0)
        await kept.purge(now)
        assert await ids() == {"just now", "unused", "asked"}, "a client may be about to use it"
        assert await kept.purge(now + 31 * DAY_MS) == 1 and await store.record_times("hands-plan") == []
        await store.close()

    asyncio.run(main())
