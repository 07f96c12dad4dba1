"""Two people who decide about one question at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from clawdbot_ext.gateway.connections.broadcast import Broadcast
from clawdbot_ext.gateway.hands.approvals import KIND, OPEN, Approvals
from clawdbot_ext.gateway.methods.approvals import exec_approval_resolve
from clawdbot_ext.protocol.errors import NotFound
from clawdbot_ext.protocol.schema import ApprovalResolveParams
from clawdbot_ext.store.found import MakeRecord, RecordChange
from tests.support.aio import until
from tests.support.wire import run


class SlowStore:
    """Records in memory; a decision, and what replaces a record, is written only once ``writing`` is set."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], dict[str, Any]] = {}
        self.writing = asyncio.Event()

    async def get_record(self, kind: str, id_: str) -> Mapping[str, Any] | None:
        return self.records.get((kind, id_))

    async def put_record(self, kind: str, id_: str, value: Mapping[str, Any], *, now: int) -> None:
        if "decision" in value or (kind, id_) in self.records:
            await self.writing.wait()
        self.records[kind, id_] = dict(value)

    async def change_record(self, kind: str, id_: str, make: MakeRecord, *, now: int) -> RecordChange:
        before = self.records.get((kind, id_))
        after = make(before)
        if after is not None:
            await self.put_record(kind, id_, after, now=now)
        return RecordChange(before, after)

    async def list_records(self, kind: str) -> list[Mapping[str, Any]]:
        return [value for (of, _), value in self.records.items() if of == kind]

    async def delete_record(self, kind: str, id_: str) -> None:
        self.records.pop((kind, id_), None)


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


def test_a_yes_that_is_being_stored_when_the_run_comes_back_after_a_restart_is_not_lost() -> None:
    async def main() -> None:
        store: Any = SlowStore()
        approvals = Approvals(store, Broadcast(), lambda: "rules")
        request = {"kind": "tool", "runId": "r", "toolCallId": "c", "digest": "d"}
        store.records[OPEN, "q"] = {"id": "q"}
        store.records[KIND, "q"] = {"id": "q", "request": request, "createdAtMs": 1, "expiresAtMs": 0}
        assert await approvals.load() == {"r"}
        decided = asyncio.create_task(approvals.decide(ApprovalResolveParams(id="q", decision="allow-once"), "ann"))
        await until(lambda: approvals.pending["q"].deciding)
        asked = asyncio.create_task(approvals.ask_for_tool("q", request))
        await asyncio.sleep(0)
        store.writing.set()
        await decided
        found = await asked
        assert found is not None and found["decision"] == "allow-once"
        await approvals.use("q", "d")

    run(main())
