"""The library of uploaded files: storing, finding and deleting them.

Files are deleted as follows:

- A file that no message and no waiting send speaks of, after ``media.orphanHours``; earlier when room is needed.
- What a message speaks of: never by itself. With ``media.keepDays`` set, after that many days; the row stays and says
  when, so that the message can.
- Files of temporary sessions (``hold``) as soon as none of those speaks of them any more, when the gateway stops, and
  after a crash at the next start; where several gateways share the files, ``HOLD_S`` after it at most.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from ...agent.media.api import MediaError, MediaFile, thumbnail
from ...config.live import LiveConfig
from ...protocol.clock import now_ms
from ...protocol.errors import GatewayError, NotFound, RateLimited, StorageFull
from ...runtime.supervision import Supervisor
from ...store import failpoints
from ...store.api import Media, Store, StoreDamaged
from ...store.files import Incoming
from ...store.media_place import files_of
from .exclusion import Exclusion, ManyGateways, OneGateway
from .limits import Limits
from .upload import Upload

log = logging.getLogger(__name__)

MAX_UPLOADS = 16
"""Files that may be on their way in at the same time."""
SLOW_BYTES = 8 * 1024
"""An upload that brings less than this in a second gives its place up when others wait for one."""
COLLECT_S = 3600.0
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
WHENEVER = 2**53
"""Later than any file was given."""
FRESH_MS = HOUR_MS // 2
"""A file given so lately is no orphan before a message that is being taken has been stored."""
RELEASE_S = 2.0
"""The time after which the messages of an unrecoverable temporary session are surely gone."""
HELD = "media.temporary"
"""The kind of the records that name the files of temporary sessions."""
HOLD_S = 3 * COLLECT_S
"""A hold that its gateway has not renewed for so long is one that a crash left. Clocks may differ by an hour."""
COLLECTOR = "media.collector"
"""The kind of the one record that says when a gateway last looked at the whole of a storage that several have."""
THUMBNAIL = "thumbnail"


class MediaLibrary:
    """The files and their rows. ``open`` after the store was opened, ``close`` before it is closed."""

    def __init__(self, config: LiveConfig, store: Store, supervisor: Supervisor):
        self.config, self.store, self._supervisor = config, store, supervisor
        self.files = files_of(config())
        self._uploads: set[Upload] = set()
        self._held: set[str] = set()
        """Files of sessions that leave no trace."""
        self._shared = self.files.shared or bool(config()["storage.url"])
        """Whether other gateways may have the same rows or files."""
        self._exclusion: Exclusion = ManyGateways(store) if self._shared else OneGateway()
        """A file is not taken away between the moment its bytes are in place and the moment its row is."""
        self._coming = 0
        """Bytes of the files that are being put in their place, for the quota."""
        self._collector: asyncio.Task[None] | None = None
        self._release_due = asyncio.Event()
        self._thumbnails: dict[str, asyncio.Task[bytes | None]] = {}

    async def open(self) -> None:
        """Create the folders and delete partial uploads. With a full disk files can still be read."""
        try:
            await asyncio.to_thread(self.files.open)
        except StorageFull as exc:
            log.warning("%s: %s; files can be shown, not taken", self.files.root, exc)
        await self._take_over_holds()
        with contextlib.suppress(StorageFull):
            await self.release()
        self._collector = self._supervisor.run("media collector", self._collect_for_ever)

    async def close(self) -> None:
        """Also forget what temporary sessions had, which are over now."""
        if self._collector is not None:
            self._collector.cancel()
            await asyncio.wait([self._collector])
        with contextlib.suppress(GatewayError, StoreDamaged, OSError):  # then at the next start
            over = [id_ for id_ in self._held if not await self.store.media_wanted(id_, temporary=False)]
            await self._remove(over, WHENEVER)
        for upload in list(self._uploads):
            await self.discard(upload)

    # -- small things that uploads need -------------------------------------------------------------------------------
    def limits(self) -> Limits:
        return Limits.of(self.config())

    @staticmethod
    def new_id() -> str:
        return secrets.token_urlsafe(18)

    @staticmethod
    def now() -> int:
        return now_ms()

    # -- in -----------------------------------------------------------------------------------------------------------
    def receive(
        self, *, name: str, claimed: str | None, owner: str, size: int | None = None, sha256: str | None = None
    ) -> Upload:
        """Begin to take a file. End it by ``discard(upload)``, whatever became of it.

        Args:
            name: as the user calls it; cleaned here.
            claimed: the MIME type that the sender believes in; it only chooses between kinds of text.
            owner: the user's name.
            size: in bytes, where it was announced.
            sha256: what the content must be, where it was announced.

        Raises:
            TooLarge: larger than any kind may be. ``RateLimited``: too many at once. ``StorageFull``.
        """
        self.limits().check(size or 0, None, name)
        if len(self._uploads) >= MAX_UPLOADS and not self._make_place():
            raise RateLimited(f"more than {MAX_UPLOADS} files at once", retry_after_ms=1000)
        upload = Upload(self, name=name, claimed=claimed, owner=owner, sha256=sha256)
        self._uploads.add(upload)
        return upload

    def _make_place(self) -> bool:
        """End the slowest upload, if it trickles; its sender may come again."""
        slowest = min(self._uploads, key=lambda upload: upload.rate())
        if slowest.rate() >= SLOW_BYTES:
            return False
        self._uploads.discard(slowest)
        slowest.give_way()
        return True

    async def discard(self, upload: Upload) -> None:
        """An upload has ended; unless it was finished, nothing of it stays."""
        self._uploads.discard(upload)
        await upload.discard()

    async def store_bytes(self, data: bytes, *, name: str, claimed: str | None, owner: str) -> Media:
        """Store a file that is in memory. Raises as ``Upload`` does."""
        upload = self.receive(name=name, claimed=claimed, owner=owner, size=len(data))
        try:
            await upload.write(data)
            return await upload.finish()
        finally:
            await self.discard(upload)

    async def keep(self, file: Incoming, media: Media) -> Media:
        """Put a finished file among the others; the row that the same user has for it already, as if just given.

        Raises ``StorageFull`` (also by ``media.maxStoredBytes``).
        """
        async with self._exclusion.arriving(media.sha256):
            if not await self.store.media_in_use(media.sha256):
                await self._make_room(media.size)
            self._coming += media.size
            try:
                failpoints.hit("media.place")
                await asyncio.to_thread(file.keep)
                failpoints.hit("media.placed")
                kept = await self.store.add_media(media)
                failpoints.hit("media.kept")
                return kept
            except BaseException:
                if not self.files.shared:  # else another gateway may need them; what none needs goes as a stray
                    with contextlib.suppress(GatewayError):
                        if not await self.store.media_in_use(media.sha256):
                            await asyncio.to_thread(self.files.remove, media.sha256)
                raise
            finally:
                self._coming -= media.size

    async def offered(self, sha256: str, owner: str) -> Media | None:
        """The user's stored file with that hash, renewed as if just uploaded: the client need not send it."""
        async with self._exclusion.arriving(sha256):
            known = await self.store.find_media(sha256, owner)
            if known is None or not await asyncio.to_thread(self.files.has, sha256):
                return None
            return await self.store.add_media(replace(known, created_at=now_ms()))

    async def _make_room(self, size: int) -> None:
        """Forget orphans early when the quota is reached. Uploads of this gateway that are
        being put in place count (``_coming``); what other gateways put in place at this moment is not counted yet.

        Raises ``StorageFull`` when that is not enough.
        """
        quota = self.config()["media.maxStoredBytes"]
        if not quota:
            return
        size += self._coming
        over = await self.store.media_bytes() + size > quota
        if over:
            held, before = await self._all_held(), now_ms() - HOUR_MS
            for orphan in await self.store.orphaned_media(before=before):
                if orphan.id not in held:
                    await self._remove_now([orphan.id], before)
                    over = await self.store.media_bytes() + size > quota
                if not over:
                    break
        if over:
            raise StorageFull(
                "the room for attachments is used up (media.maxStoredBytes)", reason="MEDIA_QUOTA", maxStoredBytes=quota
            )

    # -- out ----------------------------------------------------------------------------------------------------------
    async def get(self, id_: str, owner: str) -> Media:
        """The file ``id_``, for its owner and, once a message refers to it, for every user who can read messages.

        Raises ``NotFound``, with the reason ``MEDIA_REMOVED`` for what the age policy took.
        """
        media = await self.store.get_media(id_)
        if media is None or (media.owner != owner and not await self.store.media_wanted(id_)):
            raise NotFound(f"no file {id_}", reason="MEDIA_NOT_FOUND")
        if media.removed_at is not None:
            raise NotFound(
                f"{media.name} was removed after media.keepDays", reason="MEDIA_REMOVED", removedAt=media.removed_at
            )
        return media

    async def use(self, id_: str, owner: str) -> Media:
        """``get`` for a message that will name the file: until that is stored, no gateway takes it for one that no
        message names. Raises as ``get``."""
        media = await self.get(id_, owner)
        if now_ms() - media.created_at < FRESH_MS:
            return media
        renewed = await self.store.renew_media(id_, now=now_ms())
        return await self.get(id_, owner) if renewed is None else renewed  # which says what became of it

    async def path(self, media: Media) -> Path:
        """The path of a file's bytes, fetched first where they lie on another machine. There is nothing at the path
        when a person deleted them. Raises ``Unavailable``, ``StorageFull``."""
        if not self.files.remote:
            return self.files.path(media.sha256)
        return await asyncio.to_thread(self.files.fetch, media.sha256)

    def file(self, media: Media) -> MediaFile:
        """The path and the facts of a file, as ``agent.media`` takes them; ``await path`` before its bytes are read."""
        return MediaFile(
            path=self.files.path(media.sha256),
            name=media.name,
            mime_type=media.mime_type,
            kind=media.kind,  # type: ignore[arg-type]  # the store has it as text
            size=media.size,
            sha256=media.sha256,
        )

    async def thumbnail(self, media: Media) -> bytes | None:
        """A small picture, made once; ``None`` where there is none."""
        kept = await asyncio.to_thread(self.files.read_derived, media.sha256, THUMBNAIL)
        if kept is not None:
            return kept or None
        making = self._thumbnails.get(media.sha256)
        if making is None:
            making = self._thumbnails[media.sha256] = asyncio.create_task(self._make_thumbnail(media))
            making.add_done_callback(lambda _: self._thumbnails.pop(media.sha256, None))
        return await asyncio.shield(making)

    async def _make_thumbnail(self, media: Media) -> bytes | None:
        try:
            await self.path(media)
            picture = await thumbnail(self.file(media))
        except MediaError as exc:
            log.info("no thumbnail of a %s: %s", media.mime_type, exc.media_code)
            picture = None
        data = picture.data if picture else b""
        with contextlib.suppress(StorageFull):  # then it is made again next time
            await asyncio.to_thread(self.files.keep_derived, media.sha256, THUMBNAIL, data)
        return data or None

    # -- forgetting ---------------------------------------------------------------------------------------------------
    async def hold(self, ids: Sequence[str]) -> None:
        """These files belong to a temporary session now: they go when it goes, whatever happens meanwhile."""
        for id_ in ids:
            await self.store.put_record(HELD, id_, {"id": id_, "at": now_ms()}, now=now_ms())
        self._held.update(ids)

    async def _take_over_holds(self) -> None:
        """Holds that a crash left become this gateway's, to be released."""
        left = await self.store.list_records(HELD)
        if self._shared:
            left = [record for record in left if now_ms() - int(record.get("at", 0)) > HOLD_S * 1000]
        self._held.update(str(record["id"]) for record in left)

    async def _all_held(self) -> set[str]:
        """The files of all temporary sessions, also of those that other gateways hold in their memory."""
        if not self._shared:
            return self._held
        return self._held | {str(record["id"]) for record in await self.store.list_records(HELD)}

    async def release(self) -> None:
        """Forget what was held and no message speaks of any more, because its session is gone for good."""
        over = [id_ for id_ in self._held if not await self.store.media_wanted(id_)]
        await self._remove(over, WHENEVER)
        for id_ in over:
            await self.store.delete_record(HELD, id_)
        self._held.difference_update(over)

    def expect_release(self, at_ms: int) -> None:
        """A temporary session was deleted; until then that can be undone."""
        loop = asyncio.get_running_loop()
        loop.call_later(max(0.0, (at_ms - now_ms()) / 1000) + RELEASE_S, self._release_due.set)

    async def collect(self) -> None:
        """Forget what is due. Raises the store's errors."""
        config, now = self.config(), now_ms()
        if self._shared:
            await self.hold(list(self._held))  # anew
            await self._take_over_holds()
        await self.release()
        held = await self._all_held()
        before = now - config["media.orphanHours"] * HOUR_MS
        orphans = await self.store.orphaned_media(before=before)
        await self._remove([media.id for media in orphans if media.id not in held], before)
        if days := config["media.keepDays"]:
            old = await self.store.media_given(before=now - days * DAY_MS)
            await self._remove([media.id for media in old if media.id not in held], now - days * DAY_MS, named=True)
            if old:
                log.warning("removed %d attachments older than %d days (media.keepDays)", len(old), days)
        await self._exclusion.tidy()
        if await self._is_my_turn():
            await self._remove_strays()
        await self._remove_copies()

    async def _remove(self, ids: Sequence[str], before: int, *, named: bool = False) -> None:
        async with self._exclusion.collecting():
            await self._remove_now(ids, before, named=named)

    async def _remove_now(self, ids: Sequence[str], before: int, *, named: bool = False) -> None:
        for sha256 in await self.store.remove_media(ids, now=now_ms(), before=before, named=named):
            await self._remove_file(sha256)

    async def _remove_file(self, sha256: str) -> None:
        async with self._exclusion.removing(sha256) as free:
            if free:
                await asyncio.to_thread(self.files.remove, sha256)

    async def _is_my_turn(self) -> bool:
        """Whether this gateway is to look at the whole storage now. Should two of them, that is a waste and no harm."""
        if not self.files.shared:
            return True
        last = await self.store.get_record(COLLECTOR, COLLECTOR)
        if last is not None and 0 <= now_ms() - int(last["at"]) < COLLECT_S * 900:
            return False
        await self.store.put_record(COLLECTOR, COLLECTOR, {"at": now_ms()}, now=now_ms())
        return True

    async def _remove_strays(self) -> None:
        """Files without a row: a crash between the two, or something made of a file that went meanwhile."""
        for sha256 in await asyncio.to_thread(lambda: list(self.files.everything())):
            async with self._exclusion.collecting():
                if not await self.store.media_in_use(sha256):
                    await self._remove_file(sha256)

    async def _remove_copies(self) -> None:
        """Copies on this machine of what is kept no more."""
        for sha256 in await asyncio.to_thread(lambda: list(self.files.copies())):
            if not await self.store.media_in_use(sha256):
                await asyncio.to_thread(self.files.remove_copy, sha256)

    async def _collect_for_ever(self) -> None:
        while True:
            try:
                await self.collect()
            except (GatewayError, StoreDamaged, OSError) as exc:
                log.warning("attachments could not be tidied up: %s", exc)
            self._release_due.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._release_due.wait(), COLLECT_S)
