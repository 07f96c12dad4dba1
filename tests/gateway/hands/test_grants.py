"""Permissions given for good: kept, listed, taken back; each covers exactly what it says."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from clawdbot_ext.gateway.connections.broadcast import Broadcast
from clawdbot_ext.gateway.hands.grants import Grants
from clawdbot_ext.protocol.errors import NotFound
from clawdbot_ext.store.memory import MemoryStore
from tests.support.wire import WireError, run, wired


def with_grants(scenario: Any) -> None:
    async def main() -> None:
        store = MemoryStore()
        await store.open()
        try:
            await scenario(Grants(store, Broadcast()))
        finally:
            await store.close()

    asyncio.run(main())


def test_a_grant_covers_its_cell_its_notebook_in_its_session_or_its_pattern_everywhere() -> None:
    async def scenario(grants: Grants) -> None:
        facts = {"by": "ann", "path": "work/a.ipynb", "session_key": "s"}
        cell = await grants.add(tool="cell_run", scope="cell", cell="c1", **facts)
        assert await grants.covering("cell_run", "work/a.ipynb", ["c1"], "s")
        for tool, path, cells, session in (
            ("notebook_edit", "work/a.ipynb", ["c1"], "s"),
            ("cell_run", "work/b.ipynb", ["c1"], "s"),
            ("cell_run", "work/a.ipynb", ["c2"], "s"),
            ("cell_run", "work/a.ipynb", ["c1", "c2"], "s"),
            ("cell_run", "work/a.ipynb", [], "s"),
            ("cell_run", "work/a.ipynb", ["c1"], "t"),
        ):
            assert await grants.covering(tool, path, cells, session) is None, (tool, path, cells, session)
        await grants.revoke(cell.id)
        assert await grants.covering("cell_run", "work/a.ipynb", ["c1"], "s") is None
        await grants.add(tool="cell_run", scope="notebook", **facts)
        assert await grants.covering("cell_run", "work/a.ipynb", ["c1", "c2"], "s")
        assert await grants.covering("cell_run", "work/a.ipynb", ["c1"], "t") is None
        await grants.add(tool="file_write", scope="always", by="ann", path="work/*.txt", session_key="s")
        assert await grants.covering("file_write", "work/a.txt", [], "t")
        assert await grants.covering("file_write", "WORK/a.txt", [], "t") is None
        assert await grants.covering("file_patch", "work/a.txt", [], "t") is None

    with_grants(scenario)


def test_the_same_grant_is_kept_once_and_says_when_it_was_used() -> None:
    async def scenario(grants: Grants) -> None:
        facts: dict[str, Any] = {"tool": "t", "scope": "notebook", "by": "ann", "path": "a", "session_key": "s"}
        first = await grants.add(**facts)
        assert (await grants.add(**facts)).id == first.id and first.used_at_ms == 0
        await grants.covering("t", "a", [], "s")
        (only,) = await grants.list()
        assert only.used_at_ms > 0
        with pytest.raises(NotFound):
            await grants.revoke("none")

    with_grants(scenario)


def test_grants_are_listed_and_revoked_over_the_wire_by_those_who_may_decide(standing_gateway: Any) -> None:
    async def main() -> None:
        url, token = standing_gateway.ws_url, standing_gateway.token
        async with wired(url, token) as wire, wired(url, token, scopes=["operator.write"]) as other:
            assert (await wire.call("hands.grants.list"))["grants"] == []
            with pytest.raises(WireError) as unknown:
                await wire.call("hands.grants.revoke", {"id": "none"})
            assert unknown.value.details["reason"] == "NOT_FOUND"
            with pytest.raises(WireError) as refused:
                await other.call("hands.grants.list")
            assert refused.value.details["reason"] == "MISSING_SCOPE"
            assert (await wire.call("hands.changes.list"))["changes"] == []

    run(main())
