"""The register of spaces, and the gateway that opens those of one that has died."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from clawdbot_ext.cluster.local import LocalCluster, LocalMember
from clawdbot_ext.cluster.spaces import NameTaken, SpaceRegistry
from clawdbot_ext.protocol.errors import GatewayError
from clawdbot_ext.store.memory import MemoryStore
from clawdbot_ext.store.sqlite import SqliteStore
from tests.support.aio import run
from tests.support.clusters import Log


@asynccontextmanager
async def members(count: int) -> AsyncIterator[tuple[LocalCluster, list[LocalMember], list[SpaceRegistry]]]:
    """Gateways on one store."""
    cluster, store = LocalCluster(), MemoryStore()
    await store.open()
    joined = [cluster.create() for _ in range(count)]
    for member in joined:
        await member.join(Log())
    yield cluster, joined, [SpaceRegistry(store, member) for member in joined]
    await store.close()


async def given(registry: SpaceRegistry) -> list[str]:
    return [space.slug for space in await registry.abandoned()]


def carry_out(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run(scenario())


def test_a_gateway_that_starts_again_after_a_crash_opens_what_it_had_open(tmp_path: Path) -> None:
    async def scenario() -> None:
        async def started() -> tuple[SqliteStore, SpaceRegistry]:
            store = SqliteStore(tmp_path / "gateway.sqlite3")
            await store.open()
            return store, SpaceRegistry(store)

        store, registry = await started()
        await registry.opened("u_ada", "Ada", ["dev", "ann"])
        await registry.opened("u_bo", "Bö")
        await registry.opened("u_cy", "Cy")
        await registry.closed("u_bo")
        assert await given(registry) == [], "it is alive"
        await store.close()

        store, registry = await started()
        [ada, cy] = await registry.abandoned()
        assert (ada.slug, ada.name, ada.groups, cy.slug) == ("u_ada", "Ada", ["ann", "dev"], "u_cy")
        assert [space.slug for space in await registry.abandoned()] == ["u_ada", "u_cy"], "until they are opened"
        await registry.opened("u_ada", "Ada", ["ann"])
        await registry.opened("u_cy", "Cy")
        assert await given(registry) == []
        assert await registry.open_at() == {"u_ada": {registry.member}, "u_cy": {registry.member}}
        await registry.leave(busy=["u_cy"])
        await store.close()

        store, registry = await started()
        assert await given(registry) == ["u_cy"], "of an orderly stop only what has work left"
        assert [(space.name, list(space.groups)) for space in await registry.spaces()] == [
            ("Ada", ["ann"]),
            ("Bö", []),
            ("Cy", []),
        ]
        await registry.remove("u_cy")
        assert await given(registry) == [] and len(await registry.spaces()) == 2
        await store.close()

    carry_out(scenario)


def test_the_spaces_of_a_dead_gateway_are_opened_by_one_other_each() -> None:
    async def scenario() -> None:
        async with members(4) as (cluster, joined, registries):
            slugs = [f"u_{n}" for n in range(20)]
            for slug in slugs:
                await registries[0].opened(slug, slug)
            await registries[1].opened("u_7", "u_7")  # its user is at two gateways
            cluster.kill(joined[0])
            left = registries[1:]
            assert [await given(registry) for registry in left] == [[], [], []], "it may have come a moment ago"
            found = [await given(registry) for registry in left]
            assert sorted(slug for each in found for slug in each) == sorted({*slugs} - {"u_7"})
            assert all(found)
            for registry, mine in zip(left, found, strict=True):
                for slug in mine:
                    await registry.opened(slug, slug)
            assert [await given(registry) for registry in left] == [[], [], []]
            open_at = await left[0].open_at()
            assert {slug: len(there) for slug, there in open_at.items()} == dict.fromkeys(slugs, 1)

    carry_out(scenario)


def test_a_gateway_that_was_taken_for_dead_notes_what_it_has_open_under_its_new_name() -> None:
    async def scenario() -> None:
        async with members(2) as (cluster, joined, [a, b]):
            await a.opened("u_ada", "Ada")
            before = a.member
            cluster.fence(joined[0])
            assert a.member != before
            assert await given(a) == [] == await given(b) == await given(b)
            assert await b.open_at() == {"u_ada": {a.member}}

    carry_out(scenario)


def test_a_slug_belongs_to_one_name() -> None:
    async def scenario() -> None:
        async with members(1) as (_, _, [registry]):
            await registry.opened("u_ada", "Ada")
            with pytest.raises(NameTaken):
                await registry.opened("u_ada", "ada")
            assert [space.name for space in await registry.spaces()] == ["Ada"]

    carry_out(scenario)


def test_a_store_that_is_away_keeps_no_space_from_being_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(*given: Any, **named: Any) -> None:
        raise GatewayError("away")

    async def scenario() -> None:
        async with members(2) as (cluster, joined, [a, b]):
            await a.opened("u_ada", "Ada")
            with monkeypatch.context() as patch:
                patch.setattr(MemoryStore, "get_record", refused)
                await a.closed("u_ada")
                with pytest.raises(GatewayError):
                    await a.opened("u_bo", "Bo")
            cluster.kill(joined[0])
            assert [await given(b) for _ in range(2)] == [[], ["u_ada"]]

    carry_out(scenario)
