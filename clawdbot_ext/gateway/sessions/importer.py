"""``sessions.import``: conversations from a file. Our own JSON export, and Clawdbot's JSONL transcripts.

An import is one transaction a message and can be repeated: the session's key is made of the file's own session id, and
messages that are there already are not taken again. So a large file can come in parts. How files read is in
``import_formats``.
"""

from __future__ import annotations

import asyncio
from typing import Any

from ...protocol.errors import GatewayError
from ...store import failpoints
from ...store.api import Session
from ..connections.connection import Connection
from ..media.attachments import content_of, decoded, owner_of
from ..services import Services
from ..wire_forms import decode
from .import_formats import FILES, Found, ImportedMessage

MAX_SKIPPED = 100
"""The number of skipped lines that are reported one by one; the rest is only counted."""
PAGE = 1000
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
        session = None
        last = ""
        for taken in self.found.messages:
            if taken.id in self._ids:
                continue
            under = None if taken.parent is None else self._ids.get(taken.parent)
            if taken.parent is not None and under is None:  # what it was said to could not be read
                under = self._end
            done = await self.services.store.append(
                session_key=self.key,
                message=await self._with_files(taken),
                now=taken.message["timestamp"],
                create=True,
                under=under,
            )
            failpoints.hit("import.stored")
            assert done.message is not None
            session, last = done.session, done.message.id
            self._ids[taken.id] = last
            self._end = last if taken.shown else self._end
            self.added += 1
        if session is not None and self._end and self._end != last:
            session = await self.services.store.show_branch(self.key, self._end, now=session.updated_at)
        return session

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
                media = await library.get(block["mediaId"], owner)
        except GatewayError as exc:
            self.found.skipped.append({"file": block["name"], "reason": exc.message})
            return {**block, "mediaId": library.new_id()}  # not an id that could belong to another user's file
        return content_of("", [media], self.caller.locale)[0]
