"""Two people who decide about one question at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from clawdbot_ext.gateway.connections.broadcast import Broadcast
from clawdbot_ext.gateway.hands.approvals import KIND, Approvals
from clawdbot_ext.gateway.methods.approvals import exec_approval_resolve
from clawdbot_ext.protocol.errors import NotFound
from clawdbot_ext.protocol.schema import ApprovalResolveParams
from tests.support.aio import until
from tests.support.wire import run


class SlowStore:
    """Records in memory; a decision is written only once ``writing`` is set."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], dict[str, Any]] = {}
        self.writing = asyncio.Event()

    async def get_record(self, kind: str, id_: str) -> Mapping[str, Any] | None:
        return self.records.get((kind, id_))

    async def put_record(self, kind: str, id_: str, value: Mapping[str, Any], *, now: int) -> None:
        if "decision" in value:
            await self.writing.wait()
        self.records[kind, id_] = dict(value)


def test_of_two_decisions_at_once_the_first_one_stands_and_the_second_is_refused() -> None:
    async def main() -> None:
        store: Any = SlowStore()
        approvals = Approvals(store, Broadcast(), lambda: "rules")
        notes: list[Mapping[str, Any]] = []
        services: Any = SimpleNamespace(
            store=store,
            events=Broadcast(),
            runs=SimpleNamespace(approvals=approvals),
            access=SimpleNamespace(auth=SimpleNamespace(note=lambda kind, facts: notes.append(facts))),
        )

        def decide(name: str, decision: Any) -> Any:
            caller: Any = SimpleNamespace(info={"displayName": name}, audit_fields=lambda: {"user": name})
            return exec_approval_resolve(services, caller, ApprovalResolveParams(id="q", decision=decision))

        asked = asyncio.create_task(approvals.ask({"command": "rm x"}, id_="q"))
        await until(lambda: bool(approvals.rows()))
        first = asyncio.create_task(decide("ann", "deny"))
        await asyncio.sleep(0)
        assert approvals.rows() == [], "it is being decided"
        second = asyncio.create_task(decide("bob", "allow-once"))
        await asyncio.sleep(0)
        store.writing.set()
        with pytest.raises(NotFound):
            await second
        assert (await first).ok and (await asked).decision == "deny"
        record = store.records[KIND, "q"]
        assert (record["decision"], record["resolvedBy"]) == ("deny", "ann")
        assert [facts["user"] for facts in notes] == ["ann"]

    run(main())
