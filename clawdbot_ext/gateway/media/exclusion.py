"""The exclusion of two things that must not happen to the same bytes at once: they arrive, and they are removed.

One gateway needs a lock. Several have only their database in common. Each side writes a mark there before it looks for
the other's, so that at least one of the two sees the other, however they overlap: a removal that sees an arrival leaves
the bytes alone, an arrival that sees a removal waits until it is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from ...protocol.clock import now_ms
from ...protocol.errors import GatewayError
from ...store.api import Store, StoreDamaged

log = logging.getLogger(__name__)

ARRIVING, REMOVING = "media.arriving", "media.removing"
"""The kinds of the records that are the marks. Their ids are random, so that none is mistaken for a later one."""
PATIENCE_S = 60.0
"""An arrival that has seen the same mark of a removal for so long takes it for one that a crash left."""
PROMPT_S = 15.0
"""A removal that has not begun so soon after its mark leaves the bytes alone. The request itself ends in the time that
is left (``store.s3``). Both are measured by the clock of the machine that waits, so no two clocks are compared."""
LOOK_S = 0.1


class Exclusion(Protocol):
    """The marks, or the lock."""

    def arriving(self, sha256: str) -> AbstractAsyncContextManager[None]:
        """Inside, those bytes are put in place and get their row; no gateway removes them meanwhile."""

    def collecting(self) -> AbstractAsyncContextManager[None]:
        """Inside, rows are deleted and then the bytes that none needs any more."""

    def removing(self, sha256: str) -> AbstractAsyncContextManager[bool]:
        """Inside ``collecting``: whether those bytes may be removed now. No row needed them a moment ago."""

    async def tidy(self) -> None:
        """Remove marks that a crash left."""


class OneGateway:
    """One lock for all bytes."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def arriving(self, sha256: str) -> AsyncIterator[None]:
        async with self._lock:
            yield

    @asynccontextmanager
    async def collecting(self) -> AsyncIterator[None]:
        async with self._lock:
            yield

    @asynccontextmanager
    async def removing(self, sha256: str) -> AsyncIterator[bool]:
        yield True

    async def tidy(self) -> None:
        pass


class ManyGateways:
    """Marks in the database, and nothing held meanwhile: uploads do not wait for each other."""

    def __init__(self, store: Store):
        self._store = store
        self._seen: set[str] = set()
        """Marks of arrivals at the last ``tidy``."""

    @asynccontextmanager
    async def arriving(self, sha256: str) -> AsyncIterator[None]:
        async with self._mark(ARRIVING, sha256):
            await self._no_removal(sha256)
            yield

    @asynccontextmanager
    async def collecting(self) -> AsyncIterator[None]:
        yield

    @asynccontextmanager
    async def removing(self, sha256: str) -> AsyncIterator[bool]:
        began = time.monotonic()
        async with self._mark(REMOVING, sha256):
            free = not await self._marks(ARRIVING, sha256) and not await self._store.media_in_use(sha256)
            yield free and time.monotonic() - began < PROMPT_S

    async def tidy(self) -> None:
        """An arrival lasts minutes at most, and this is called once an hour."""
        found = {str(record["id"]) for record in await self._store.list_records(ARRIVING)}
        for id_ in found & self._seen:
            await self._store.delete_record(ARRIVING, id_)
        self._seen = found

    @asynccontextmanager
    async def _mark(self, kind: str, sha256: str) -> AsyncIterator[None]:
        id_ = secrets.token_hex(12)
        await self._store.put_record(kind, id_, {"id": id_, "sha256": sha256}, now=now_ms())
        try:
            yield
        finally:
            with contextlib.suppress(GatewayError, StoreDamaged):  # then it counts as one that a crash left
                await self._store.delete_record(kind, id_)

    async def _marks(self, kind: str, sha256: str) -> set[str]:
        return {str(each["id"]) for each in await self._store.list_records(kind) if each["sha256"] == sha256}

    async def _no_removal(self, sha256: str) -> None:
        ends = time.monotonic() + PATIENCE_S
        first = found = await self._marks(REMOVING, sha256)
        while found & first and time.monotonic() < ends:
            await asyncio.sleep(LOOK_S)
            found = await self._marks(REMOVING, sha256)
        for id_ in found & first:
            log.warning("a removal of an attachment never ended; its mark is removed")
            await self._store.delete_record(REMOVING, id_)
