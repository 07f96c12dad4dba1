"""The tool that reads on in an attachment of the conversation, of which the model was shown a part."""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ...agent.context.attachments import attachments
from ...agent.context.found_lines import around, folded
from ...agent.media.api import MediaFile
from ...agent.tools import Tool, ToolContext, ToolFailed
from ...store.api import Media, Store
from ...text_decoding import SAMPLE, encoding_of, piecewise
from ..media.library import MediaLibrary
from ..wire_forms import decode
from .toolbox import number, reading, schema, text

CHARS = 24_000
MOST_CHARS = 80_000
MESSAGES = 500
"""Newest messages of a session in which attachments are looked for."""
MAX_HITS = 60
LINE = 400
"""Characters of a line that is found, around the hit."""


def attachment_tool(store: Store, library: MediaLibrary) -> Tool:
    """``attachment_read``."""

    async def attachment_read(arguments: Mapping[str, Any], context: ToolContext) -> str:
        media = await _named(store, context.session_key, str(arguments["id"]))
        file = library.file(media)
        place = (
            f"{media.name}: {media.size} bytes; code on the gateway's machine can open {file.path} (never write it)."
        )
        if media.kind != "text":
            return f"{place}\nIt is no text ({media.mime_type}): read it by code, or ask for what you need of it."
        try:
            if find := str(arguments.get("find") or ""):
                return await asyncio.to_thread(_found, file, place, find)
            wanted = int(arguments.get("max_chars", CHARS))
            return await asyncio.to_thread(_part, file, place, int(arguments.get("from", 0)), wanted)
        except OSError as exc:
            raise ToolFailed("The attachment is no longer kept.") from exc

    return reading(
        "attachment_read",
        "Read on in a file that is attached to this conversation, by the id of its <attachment>: a part of a text from "
        "a byte on, or the lines with a text. Also tells where code can open the file.",
        schema(
            {
                "id": text("The id of the attachment.", minLength=6, maxLength=64),
                "from": number("First byte of the part.", 0, 2**40),
                "max_chars": number(f"Most bytes of the part; {CHARS} if absent.", 1_000, MOST_CHARS),
                "find": text(f"Only lines that contain this, at most {MAX_HITS}.", maxLength=500),
            },
            "id",
        ),
        attachment_read,
    )


async def _named(store: Store, session_key: str, id_: str) -> Media:
    """The attachment of a session whose hash begins with ``id_``. Raises ``ToolFailed``."""
    page = await store.history(session_key=session_key, limit=MESSAGES)
    known = [str(block["mediaId"]) for stored in page.messages for block in attachments(decode(stored))]
    for media_id in reversed(list(dict.fromkeys(known))):
        media = await store.get_media(media_id)
        if media is not None and media.removed_at is None and media.sha256.startswith(id_.lower()):
            return media
    where = (
        f"the newest {MESSAGES} messages of this conversation"
        if len(page.messages) >= MESSAGES
        else "this conversation"
    )
    raise ToolFailed(f"No attachment {id_} is in {where}: take the id of an <attachment>.")


def _part(file: MediaFile, place: str, start: int, wanted: int) -> str:
    """A part of a text, to the end of a line where it has lines, else of a character."""
    encoding = _sampled(file, piecewise)
    width = 4 if "32" in encoding else 2 if "16" in encoding else 1
    with Path(file.path).open("rb") as opened:
        opened.seek(start // width * width)
        data = opened.read(wanted * width)
    line_end = data.rfind("\n".encode(encoding))
    if start // width * width + len(data) < file.size and line_end > len(data) // 2:
        data = data[: line_end + width]
    end = start // width * width + len(data)
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    body = decoder.decode(data, final=end >= file.size).removeprefix("\ufeff")
    end -= len(decoder.getstate()[0])
    more = f" Read on from {end}." if end < file.size else ""
    return f"{place}\nBytes {start // width * width} to {end}.{more}\n{body}"


def _found(file: MediaFile, place: str, find: str) -> str:
    """The lines of a text that contain ``find``, in upper or lower case, with their numbers; of long ones the part."""
    hits, count, wanted = [], 0, folded(find)
    with Path(file.path).open(encoding=_sampled(file, encoding_of), errors="replace") as lines:
        for line_number, line in enumerate(lines, 1):
            if count >= MAX_HITS:
                count += wanted in folded(line)
            elif (shown := around(line, wanted, LINE)) is not None:
                count += 1
                hits.append(f"{line_number}: {shown}")
    more = f"\n[{count - MAX_HITS} lines more]" if count > MAX_HITS else ""
    return f"{place}\n{count} lines contain it.\n" + "\n".join(hits) + more


def _sampled(file: MediaFile, codec: Callable[[bytes], str]) -> str:
    with Path(file.path).open("rb") as opened:
        return codec(opened.read(SAMPLE))
