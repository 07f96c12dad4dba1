"""The register of the spaces of users and of the gateways that have them open, in the operator's own store.

When a gateway has died, another one opens the spaces that it had open, so that its half-written replies are ended and
its queues go on, also when their users are away. So does the next start of a gateway that is alone.
"""

from __future__ import annotations

import logging
import uuid
import zlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from ..protocol.clock import now_ms
from ..protocol.errors import GatewayError
from ..store.api import Store
from .api import Cluster

log = logging.getLogger(__name__)

SPACE, OPEN = "space", "openSpace"
"""Kinds of the records: of a space, by its slug; of a gateway that has it open, by slug and member."""


class KnownSpace(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A user who has a space."""

    slug: str
    name: str
    groups: Sequence[str] = ()
    """As of the last time that the space was opened."""
    created_at: int
    seen_at: int
    """The last time at which it was opened or closed, in milliseconds."""


class NameTaken(Exception):
    """The slug is that of another user's space."""


class SpaceRegistry:
    """The spaces as one gateway knows them. ``cluster``: the others on the same database, if there may be any."""

    def __init__(self, store: Store, cluster: Cluster | None = None):
        self._store, self._cluster = store, cluster
        self._alone = uuid.uuid4().hex
        self._open: dict[str, str] = {}
        """Slug → the member under which it is noted as open here, or empty while it is not."""
        self._missed: frozenset[str] = frozenset()
        """Members that were not there at the last look: one that has just come is not known here at once."""

    @property
    def member(self) -> str:
        return self._alone if self._cluster is None else self._cluster.member

    async def opened(self, slug: str, name: str, groups: Collection[str] = ()) -> None:
        """Note that this gateway has a space open, before anything is done in it.

        Raises ``NameTaken``, and the store's ``GatewayError``: it is not noted then."""
        found = await self._store.get_record(SPACE, slug)
        if found is not None and found["name"] != name:
            raise NameTaken(slug)
        now = now_ms()
        space = KnownSpace(
            slug=slug,
            name=name,
            groups=sorted(groups),
            created_at=found["createdAt"] if found is not None else now,
            seen_at=now,
        )
        await self._put_open(slug)
        await self._store.put_record(SPACE, slug, msgspec.to_builtins(space), now=now)

    async def closed(self, slug: str) -> None:
        """Note that this gateway has closed a space, in which nothing was left to do."""
        member = self._open.pop(slug, "")
        try:
            if (found := await self._store.get_record(SPACE, slug)) is not None:
                now = now_ms()
                await self._store.put_record(SPACE, slug, {**found, "seenAt": now}, now=now)
            await self._delete_open(slug, member)
        except GatewayError as error:  # it is opened again by one that finds it, and closed
            log.info("a space that was closed is still noted as open: %s", error)

    async def leave(self, busy: Collection[str]) -> None:
        """Note that this gateway is about to close every space; in ``busy`` something is left to do, which the next
        one goes on with. Called while the store is still open."""
        for slug in [slug for slug in self._open if slug not in busy]:
            await self.closed(slug)
        self._open.clear()

    async def abandoned(self) -> Sequence[KnownSpace]:
        """Return the spaces that gateways had open which are gone, and whose heir this one is.

        To be called every few seconds, and each of them to be opened: until ``opened`` is called it is given again.
        Raises the store's ``GatewayError``.
        """
        for slug, noted in list(self._open.items()):
            if noted != self.member:  # this one was taken for dead meanwhile, and has joined anew
                await self._put_open(slug)
                await self._delete_open(slug, noted)
        living = {self.member, *(() if self._cluster is None else self._cluster.others())}
        notes = await self._store.list_records(OPEN)
        gone = frozenset(note["member"] for note in notes) - living
        surely = gone if self._cluster is None else gone & self._missed
        self._missed = gone
        here = {note["slug"] for note in notes if note["member"] in living}
        left: list[KnownSpace] = []
        for note in notes:
            slug, member = note["slug"], note["member"]
            if member not in surely or self.member != _heir(slug, living):
                continue
            found = await self._store.get_record(SPACE, slug)
            if slug in here or found is None:
                await self._delete_open(slug, member)
            elif all(space.slug != slug for space in left):
                left.append(msgspec.convert(found, KnownSpace))
        return left

    async def spaces(self) -> Sequence[KnownSpace]:
        """Return all there are, oldest first."""
        return [msgspec.convert(found, KnownSpace) for found in await self._store.list_records(SPACE)]

    async def open_at(self) -> Mapping[str, Collection[str]]:
        """Return slug → the members that have it open."""
        found: dict[str, set[str]] = {}
        for note in await self._store.list_records(OPEN):
            found.setdefault(note["slug"], set()).add(note["member"])
        return found

    async def remove(self, slug: str) -> None:
        """Forget a space, whose tables and files are gone."""
        for member in (await self.open_at()).get(slug, ()):
            await self._delete_open(slug, member)
        await self._store.delete_record(SPACE, slug)

    async def _put_open(self, slug: str) -> None:
        member = self.member
        note: Mapping[str, Any] = {"slug": slug, "member": member}
        await self._store.put_record(OPEN, f"{slug} {member}", note, now=now_ms())
        self._open[slug] = member

    async def _delete_open(self, slug: str, member: str) -> None:
        await self._store.delete_record(OPEN, f"{slug} {member}")


def _heir(slug: str, living: Collection[str]) -> str:
    """The gateway that opens a space whose own is gone: another one for each space, and the same for all who ask."""
    return max(living, key=lambda member: (zlib.crc32(f"{slug} {member}".encode()), member))
