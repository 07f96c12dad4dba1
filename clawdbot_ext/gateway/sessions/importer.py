"""``sessions.import``: conversations from a file. Our own JSON export, and Clawdbot's JSONL transcripts.

An import is one transaction for some hundred messages, and can be repeated, also after it was cut off: the session's
key is made of the file's own session id, and messages that are there already are not taken again. So a large file can
come in parts. How files read is in ``import_formats``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from ...protocol.errors import GatewayError
from ...store import failpoints
from ...store.api import Session
from ...store.batches import NewMessage, Places
from ..connections.connection import Connection
from ..media.attachments import content_of, decoded, owner_of
from ..services import Services
from ..wire_forms import decode
from .import_formats import FILES, Found, ImportedMessage

MAX_SKIPPED = 100
"""The number of skipped lines that are reported one by one; the rest is only counted."""
PAGE = 1000
BATCH = 200
"""Messages of one commit: tens of milliseconds, for which others wait."""
TITLE_CHARS = 120


async def _name(services: Services, session: Session, label: str | None, title: str) -> Session:
    """Give a new session the label that it had, where no other has it, and its title."""
    label = (label or "").strip()
    if label and await services.store.find_session(label=label) is None:
        session = await services.store.patch_session(session.key, {"label": label}, now=session.updated_at)
    elif title := title or label:
        named = {"title": {"text": title[:TITLE_CHARS], "first": session.title}, "autoTitle": False}
        session = await services.store.patch_session(session.key, named, now=session.updated_at)
    return session


class _Importing:
    """A conversation that is being written into the session ``key``."""

    def __init__(self, services: Services, caller: Connection, key: str, found: Found):
        self.services, self.caller, self.key, self.found = services, caller, key, found
        self.added = 0
        self._ids: dict[str, str] = {"": ""}
        """Ids of stored messages, by their ids in the source."""
        self._end = ""
        """The last message of the path that is to be shown."""
        self._files: dict[str, dict[str, Any]] = {}
        """Blocks, by the media ids of the file."""

    async def look_up(self) -> None:
        """Look up the messages stored by an earlier import, or an earlier part of this one."""
        before: int | None = None
        while True:
            page = await self.services.store.history(session_key=self.key, limit=PAGE, before_seq=before, whole=True)
            for message in reversed(page.messages):
                self._ids[str(decode(message).get("importedId", ""))] = message.id
                self._end = self._end or (message.id if message.shown else "")
            if not page.has_more:
                break
            before = page.messages[0].seq
        self._ids[""] = ""

    async def store(self) -> Session | None:
        """Append what is not there yet; the path shown is the file's. ``None`` when that was nothing."""
        last = ""
        new = list(self._new())
        for start in range(0, len(new), BATCH):
            batch = [
                NewMessage(
                    taken.id, await self._with_files(taken), taken.message["timestamp"], taken.parent, taken.shown
                )
                for taken in new[start : start + BATCH]
            ]
            places = await self.services.store.append_batch(self.key, batch, Places(self._ids, self._end, last))
            failpoints.hit("import.stored")
            self._ids.update(places.ids)
            self._end, last = places.end, places.last
            self.added += len(batch)
        session = await self.services.store.get_session(self.key) if new else None
        if session is not None and self._end and self._end != last:
            session = await self.services.store.show_branch(self.key, self._end, now=session.updated_at)
        return session

    def _new(self) -> Iterator[ImportedMessage]:
        """The messages that are not there yet; of several with one id the first."""
        seen = set(self._ids)
        for taken in self.found.messages:
            if taken.id not in seen:
                seen.add(taken.id)
                yield taken

    async def _with_files(self, taken: ImportedMessage) -> dict[str, Any]:
        """The message with files that are here: those in the import, else those of this gateway. Else only named."""
        blocks = []
        for block in taken.message["content"]:
            id_ = block["mediaId"] if block["type"] in FILES else None
            if id_ is not None and id_ not in self._files:
                self._files[id_] = await self._file(block)
            blocks.append(block if id_ is None else self._files[id_])
        return {**taken.message, "content": blocks}

    async def _file(self, block: dict[str, Any]) -> dict[str, Any]:
        given, library, owner = (
            self.found.media.get(block["mediaId"]),
            self.services.media,
            owner_of(self.caller.identity),
        )
        try:
            if isinstance(given, dict) and isinstance(given.get("content"), str):
                data = await asyncio.to_thread(decoded, given["content"], library.limits().largest)
                media = await library.store_bytes(data, name=block["name"], claimed=block.get("mimeType"), owner=owner)
            else:
                media = await library.use(block["mediaId"], owner)
        except GatewayError as exc:
            self.found.skipped.append({"file": block["name"], "reason": exc.message})
            return {**block, "mediaId": library.new_id()}  # not an id that could belong to another user's file
        return content_of("", [media], self.caller.locale)[0]
