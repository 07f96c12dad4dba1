"""One file on its way in: limits, type and hash are checked while it comes, and a file that is refused leaves nothing.

``Upload`` is fed by the HTTP route, from a frame's base64, or from a file of the Jupyter server. It never
holds more than ``BUFFER`` of them, and the disk is touched in threads only.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from ...agent.media import mime_types, sniffing
from ...agent.media.api import Facts, Identified, Kind, MediaFile, clean_name, identify, probe
from ...protocol.errors import InvalidRequest, RateLimited
from ...store.api import Media, Store
from ...store.files import Files, Incoming
from .limits import Limits

BUFFER = 1024 * 1024
"""Bytes gathered before a thread writes them: one hop for 16 of Tornado's chunks."""
RATE_S = 10.0
"""The time over which the rate of an upload is taken; younger ones are not judged."""


class UploadTarget(Protocol):
    """The library, as far as an upload needs it."""

    store: Store
    files: Files

    def limits(self) -> Limits:
        """The limits in force."""

    def new_id(self) -> str:
        """A media id that is not in use."""

    def now(self) -> int:
        """Milliseconds since the epoch."""

    async def keep(self, incoming: Incoming, media: Media) -> Media:
        """Keep a finished file, or give the row of the same user's same file."""


class Upload:
    """Call ``write`` for every piece, then ``finish``; or ``discard`` at any time. One user's, one file's.

    Every method raises the reason why the file cannot be taken as a ``GatewayError``: ``TooLarge`` (``MEDIA_TOO_LARGE``
    with the limits), ``MediaError``, ``StorageFull``, ``InvalidRequest`` (``HASH_MISMATCH``). Then call ``discard``.
    """

    def __init__(self, library: UploadTarget, *, name: str, claimed: str | None, owner: str, sha256: str | None):
        self._library, self._owner, self._claimed, self._expected = library, owner, claimed, sha256
        self.name = clean_name(name)
        self.size = 0
        """Bytes so far."""
        self.existed = False
        """After ``finish``: the same user had given the same bytes under the same name before."""
        self._limits = library.limits()
        self._kind: Kind | None = None
        self._looked = False
        self._buffer = bytearray()
        self._file = library.files.receive()
        self._busy = asyncio.Lock()
        self._marks = [(time.monotonic(), 0)] * 2
        """Two moments, at least ``RATE_S`` apart as soon as there are such, and how many bytes had come by then."""
        self._finishing = self._gave_way = False
        self.on_end: Callable[[], None] | None = None
        """Called when the upload is cancelled in favour of another one."""

    def rate(self) -> float:
        """Bytes a second of late; infinite for one that is too young to tell, or only has to be looked at."""
        now, (since, size) = time.monotonic(), self._marks[0]
        return float("inf") if self._finishing or now - since < RATE_S else (self.size - size) / (now - since)

    def give_way(self) -> None:
        """Others need the place: what is written from now on is refused."""
        self._gave_way = True
        if self.on_end is not None:
            self.on_end()

    async def write(self, data: bytes) -> None:
        """Take the next piece."""
        async with self._busy:
            if self._gave_way:
                raise RateLimited("others waited for the place of this slow upload", retry_after_ms=1000)
            self.size += len(data)
            if time.monotonic() - self._marks[1][0] >= RATE_S:
                self._marks = [self._marks[1], (time.monotonic(), self.size)]
            self._limits.check(self.size, self._kind, self.name)
            self._buffer += data
            if len(self._buffer) >= (BUFFER if self._looked else sniffing.HEAD):
                await self._flush()

    async def _flush(self) -> None:
        data, self._buffer = self._buffer, bytearray()
        if not self._looked:
            self._looked = True
            self._kind = _kind_by_head(bytes(data[: sniffing.HEAD]), self.name)
            self._limits.check(self.size, self._kind, self.name)
        await asyncio.to_thread(self._file.write, data)

    async def finish(self) -> Media:
        """The file is whole: look at it and keep it. The row that describes it from now on."""
        self._finishing = True
        async with self._busy:
            if self._buffer:
                await self._flush()
            sha256 = await asyncio.to_thread(self._file.finish)
            if self._expected is not None and self._expected.lower() != sha256:
                raise InvalidRequest(
                    "what arrived is not what was announced: send it again", reason="HASH_MISMATCH", sha256=sha256
                )
            identified = await identify(self._file.path, name=self.name, claimed=self._claimed)
            self._limits.check(self.size, identified.kind, self.name)
            known = await self._library.store.find_media(sha256, self._owner)
            facts = known.facts if known else await self._facts(identified, sha256)
            media = Media(
                id=self._library.new_id(),
                sha256=sha256,
                owner=self._owner,
                name=self.name,
                kind=identified.kind,
                mime_type=identified.mime_type,
                size=self.size,
                facts=facts,
                created_at=self._library.now(),
            )
            kept = await self._library.keep(self._file, media)
            self.existed = kept.id != media.id
            return kept

    async def _facts(self, identified: Identified, sha256: str) -> dict[str, object]:
        found = await probe(
            MediaFile(
                path=self._file.path,
                name=self.name,
                mime_type=identified.mime_type,
                kind=identified.kind,
                size=self.size,
                sha256=sha256,
            )
        )
        return wire_facts(found, identified)

    async def discard(self) -> None:
        """Leave nothing behind; after ``finish`` nothing happens."""
        async with self._busy:  # a thread may be writing still
            await asyncio.to_thread(self._file.discard)


def _kind_by_head(head: bytes, name: str) -> Kind | None:
    """The kind whose limit holds while the rest comes. Raises ``MediaError`` for what is surely not read."""
    mime = sniffing.sniff(head)
    if mime is None:
        return "text"
    if mime == "application/zip":  # an Office file, it may turn out
        return "document"
    kind = mime_types.kind_of(mime)
    if kind is None:
        raise sniffing.refusal(mime, name)
    return kind


def wire_facts(facts: Facts, identified: Identified) -> dict[str, object]:
    """The known facts of a file, as in blocks of messages and in the routes' answers."""
    named = {"width": facts.width, "height": facts.height, "durationMs": facts.duration_ms, "pages": facts.pages}
    found: dict[str, object] = {name: value for name, value in named.items() if value is not None}
    if notes := (*identified.notes, *facts.notes):
        found["notes"] = [{"code": note.code, "facts": dict(note.facts)} for note in notes]
    return found
