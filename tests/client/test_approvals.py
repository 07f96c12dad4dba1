"""Questions and decisions as the wire has them, and callbacks that decide."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from clawdbot_ext.client.approvals import (
    Approval,
    CodePreview,
    Decision,
    EditPreview,
    FilePreview,
    PlanPreview,
    RunPreview,
)
from clawdbot_ext.client.endpoint import Endpoint
from clawdbot_ext.client.errors import NotUnderstood
from clawdbot_ext.client.gateway_client import GatewayClient
from clawdbot_ext.client.reply import Notice, ReplyEnd
from clawdbot_ext.client.sync import SyncClient
from clawdbot_ext.protocol.errors import NotFound
from tests.client.fake_gateway import TOKEN, FakeGateway, fake_gateway, until
from tests.support.wire import run

REQUEST = {
    "tool": "cell_run",
    "title": "Run 1 cell",
    "command": "cell_run {}",
    "runId": "r",
    "sessionKey": "agent:main:main",
}
RECORD = {"id": "q1", "request": REQUEST, "createdAtMs": 1, "expiresAtMs": 0}


def test_the_kinds_of_previews_are_read() -> None:
    def preview(given: dict[str, Any]) -> Any:
        return Approval.from_wire({"id": "1", "request": {"preview": given}}).preview

    edit = preview(
        {
            "type": "edit",
            "path": "p",
            "cells": [{"op": "delete", "cell": "a", "index": 3, "before": {"source": "x"}, "staleAfter": ["b"]}],
        }
    )
    assert isinstance(edit, EditPreview)
    assert (edit.cells[0].before, edit.cells[0].after, edit.cells[0].stale_after) == ("x", None, ("b",))
    ran = preview(
        {
            "type": "run",
            "path": "p",
            "cells": [{"cell": "a", "index": 0, "source": "s"}],
            "kernel": {"displayName": "Python 3"},
        }
    )
    assert isinstance(ran, RunPreview) and ran.kernel == "Python 3" and ran.cells[0].source == "s"
    assert preview({"type": "code", "code": "1"}) == CodePreview("1")
    assert preview({"type": "file", "path": "f", "before": None, "after": "t"}) == FilePreview("f", None, "t")
    operation = {"tool": "file_write", "arguments": {"path": "f"}, "title": "Write"}
    plan = preview({"type": "plan", "operations": [operation]})
    assert isinstance(plan, PlanPreview) and plan.operations[0].title == "Write"
    assert '"path": "f"' in plan.operations[0].text
    assert preview({"type": "of a newer gateway"}) is None


@pytest.mark.parametrize(
    "record",
    [{}, {"id": "1"}, {"id": "1", "request": []}, {"id": "1", "request": {"preview": {"type": "edit", "cells": [1]}}}],
)
def test_a_record_that_is_none_is_not_understood(record: Any) -> None:
    with pytest.raises(NotUnderstood):
        Approval.from_wire(record)


def test_a_decision_says_no_more_than_was_decided() -> None:
    assert Decision.deny().to_wire("1") == {"id": "1", "decision": "deny"}
    assert Decision.allow("notebook", accepted=[], edited={2: ""}).to_wire("1") == {
        "id": "1",
        "decision": "allow-always",
        "scope": "notebook",
        "accepted": [],
        "edited": {"2": ""},
    }
    assert Decision.answer("secret").to_wire("1")["answers"] == {"value": "secret"}


async def asked(gateway: FakeGateway) -> None:
    """The run begins, asks, and ends once it was answered."""
    await until(lambda: any(frame["method"] == "chat.send" for frame in gateway.requests))
    await gateway.push("exec.approval.requested", RECORD)
    await gateway.push("exec.approval.requested", {**RECORD, "id": "q2", "request": {**REQUEST, "runId": "another"}})


async def ended(gateway: FakeGateway) -> None:
    await gateway.push("chat", {"runId": "r", "state": "final", "message": {"content": "done"}})


def client_of(gateway: FakeGateway) -> GatewayClient:
    gateway.answers.setdefault("chat.send", lambda params: {"runId": "r", "status": "started"})
    gateway.answers.setdefault("exec.approval.resolve", lambda params: {"ok": True})
    return GatewayClient(Endpoint(gateway.url, "", TOKEN))


def decided(gateway: FakeGateway) -> list[dict[str, Any]]:
    return [frame["params"] for frame in gateway.requests if frame["method"] == "exec.approval.resolve"]


def test_a_callback_decides_the_questions_of_its_run_alone() -> None:
    async def main() -> None:
        async with fake_gateway() as gateway, client_of(gateway) as client:
            seen: list[Approval] = []

            async def decide(approval: Approval) -> Decision:
                seen.append(approval)
                return Decision.deny("not now")

            replying = asyncio.ensure_future(client.send("go", on_approval=decide, session_key="main"))
            items = replying  # the run id is the fake's own
            await until(lambda: bool(gateway.requests))
            run_id = gateway.requests[-1]["params"]["idempotencyKey"]
            await gateway.push("exec.approval.requested", {**RECORD, "request": {**REQUEST, "runId": run_id}})
            await gateway.push("exec.approval.requested", {**RECORD, "id": "q2"})
            await until(lambda: bool(decided(gateway)))
            await gateway.push("exec.approval.resolved", {"id": "q1", "decision": "deny"})
            await gateway.push("chat", {"runId": run_id, "state": "final", "message": {"content": "done"}})
            assert (await items).text == "done"
            assert [each.id for each in seen] == ["q1"]
            assert decided(gateway) == [{"id": "q1", "decision": "deny", "reason": "not now"}]

    run(main())


def test_another_window_that_is_faster_cancels_the_callback() -> None:
    async def main() -> None:
        async with fake_gateway() as gateway, client_of(gateway) as client:
            begun, cancelled = asyncio.Event(), asyncio.Event()

            async def decide(approval: Approval) -> Decision:
                begun.set()
                try:
                    await asyncio.Event().wait()
                finally:
                    cancelled.set()
                raise AssertionError("unreachable")

            kinds: list[str] = []

            async def read() -> None:
                async for item in client.ask("go", run_id="r", on_approval=decide):
                    kinds.append(item.kind if isinstance(item, Notice) else type(item).__name__)

            reading = asyncio.ensure_future(read())
            await asked(gateway)
            await asyncio.wait_for(begun.wait(), 5)
            await gateway.push("exec.approval.resolved", {"id": "q1", "decision": "allow-once", "resolvedBy": "page"})
            await asyncio.wait_for(cancelled.wait(), 5)
            await ended(gateway)
            await reading
            assert kinds == ["approval", "resolved", "ReplyEnd"] and decided(gateway) == []

    run(main())


def test_what_a_callback_raises_is_raised_and_the_question_stays() -> None:
    async def main() -> None:
        async with fake_gateway() as gateway, client_of(gateway) as client:

            def decide(approval: Approval) -> Decision:
                raise ZeroDivisionError

            replying = asyncio.ensure_future(client.send("go", on_approval=decide))
            await until(lambda: bool(gateway.requests))
            run_id = gateway.requests[-1]["params"]["idempotencyKey"]
            await gateway.push("exec.approval.requested", {**RECORD, "request": {**REQUEST, "runId": run_id}})
            with pytest.raises(ZeroDivisionError):
                await replying
            assert decided(gateway) == []

    run(main())


def test_a_question_that_was_missed_while_away_is_told_after_coming_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clawdbot_ext.client.limits.BACKOFF_FIRST_S", 0.01)

    async def main() -> None:
        async with fake_gateway() as gateway, client_of(gateway) as client:
            gateway.hello = {**gateway.hello, "features": {"methods": ["exec.approval.list"]}}
            await client.connect()
            gateway.answers["exec.approval.list"] = lambda params: {"approvals": [RECORD]}
            told: list[Any] = []

            async def read() -> None:
                async for item in client.ask("go", run_id="r"):
                    told.append(item)

            reading = asyncio.ensure_future(read())
            await until(lambda: any(frame["method"] == "chat.send" for frame in gateway.requests))
            await gateway.cut()
            await until(lambda: any(isinstance(item, Notice) and item.kind == "approval" for item in told))
            await gateway.push("exec.approval.requested", RECORD)  # told once
            await ended(gateway)
            await reading
            assert [item.kind for item in told if isinstance(item, Notice)] == ["lost", "approval"]
            assert isinstance(told[-1], ReplyEnd)

    run(main())


def test_a_decision_that_comes_too_late_is_no_failure() -> None:
    async def main() -> None:
        async with fake_gateway() as gateway, client_of(gateway) as client:

            def gone(params: dict[str, Any]) -> Any:
                raise NotFound("unknown approval id")

            gateway.answers["exec.approval.resolve"] = gone
            replying = asyncio.ensure_future(client.send("go", on_approval=lambda approval: Decision.allow()))
            await until(lambda: bool(gateway.requests))
            run_id = gateway.requests[-1]["params"]["idempotencyKey"]
            await gateway.push("exec.approval.requested", {**RECORD, "request": {**REQUEST, "runId": run_id}})
            await until(lambda: bool(decided(gateway)))
            await gateway.push("chat", {"runId": run_id, "state": "final", "message": {"content": "done"}})
            assert (await replying).text == "done"

    run(main())


def test_the_mode_is_set_before_the_message() -> None:
    async def main() -> None:
        async with fake_gateway() as gateway, client_of(gateway) as client:
            gateway.answers["sessions.patch"] = lambda params: {"entry": {"hands": {"mode": params["handsMode"]}}}
            assert (await client.approvals.set_mode("notebook", notebook="a.ipynb", minutes=5))["mode"] == "notebook"
            replying = asyncio.ensure_future(client.send("go", mode="edits", model="m"))
            await until(lambda: gateway.requests[-1]["method"] == "chat.send")
            run_id = gateway.requests[-1]["params"]["idempotencyKey"]
            await gateway.push("chat", {"runId": run_id, "state": "final"})
            await replying
            assert [frame["params"] for frame in gateway.requests[:2]] == [
                {"key": "main", "handsMode": "notebook", "handsNotebook": "a.ipynb", "handsMinutes": 5},
                {"key": "main", "model": "m", "handsMode": "edits"},
            ]

    run(main())


def test_the_synchronous_callback_runs_in_the_callers_thread() -> None:
    import threading

    async def main() -> None:
        async with fake_gateway() as gateway:
            client_of(gateway)
            threads: list[int] = []

            def decide(approval: Approval) -> Decision:
                threads.append(threading.get_ident())
                return Decision.allow()

            def work() -> int:
                with SyncClient(GatewayClient(Endpoint(gateway.url, "", TOKEN))) as client:
                    for item in client.ask("go", run_id="r", on_approval=decide):
                        if isinstance(item, ReplyEnd):
                            return threading.get_ident()
                raise AssertionError("unreachable")

            working = asyncio.ensure_future(asyncio.to_thread(work))
            await asked(gateway)
            await until(lambda: bool(decided(gateway)))
            await ended(gateway)
            assert threads == [await working]

    run(main())
