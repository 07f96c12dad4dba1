"""The attachments of one message: from what a client names to the blocks that the message carries.

All or nothing: one that cannot be taken refuses the whole send, with an error that says which (``details.attachment``
counts from 0, ``details.name``) and what to do (``details.hint``). What was taken before it becomes an orphan.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from ...agent.media.api import MediaError, Note
from ...i18n import catalogue
from ...protocol.errors import GatewayError, InvalidRequest, TooLarge, Unavailable
from ...protocol.schema import Attachment
from ...store.api import Media
from ..access.auth import owner as account
from ..access.identity import Identity
from ..access.policy import require

if TYPE_CHECKING:
    from .library import MediaLibrary

t = catalogue("gateway")

_MADE_UP = re.compile(r"[0-9a-f]{32}")

ReadFile = Callable[[str, int], Awaitable[bytes]]
"""Reads a file of the Jupyter server, given its path from the root and the most bytes it may have; the edge brings it.

Raises ``NotFound``, ``TooLarge``, ``Unavailable``.
"""

BLOCK_TYPES: Mapping[str, str] = {"text": "file"}
"""The type of a kind's block where that is another word: ``text`` is prose."""
HINTED = frozenset(
    {
        "MEDIA_TOO_LARGE",
        "MEDIA_TOO_MANY",
        "MEDIA_TOTAL_TOO_LARGE",
        "MEDIA_NOT_FOUND",
        "MEDIA_REMOVED",
        "MEDIA_QUOTA",
        "STORAGE_FULL",
        "MEDIA_STORAGE_AWAY",
        "MEDIA_STORAGE_REFUSED",
        "MEDIA_STORAGE_DAMAGED",
        "HASH_MISMATCH",
        "BAD_BASE64",
        "BAD_ATTACHMENT",
        "NO_FILES",
    }
)
"""Reasons with a hint ``media.hint.<reason>`` in the catalogue."""


async def resolve(
    library: MediaLibrary, read_file: ReadFile | None, given: Sequence[Attachment], *, owner: str, locale: str
) -> list[Media]:
    """The files of a message, in order. Raises a ``GatewayError`` that names the first that cannot be taken.

    Args:
        read_file: reads files of the Jupyter server; ``None`` where there is none.
        owner: the user's name.
    """
    limits = library.limits()
    for attachment in given:
        require(library.config(), "uploads" if attachment.path is None else "files")
    if len(given) > limits.max_count:
        error = InvalidRequest(
            f"{len(given)} attachments; at most {limits.max_count}", reason="MEDIA_TOO_MANY", maxCount=limits.max_count
        )
        raise explained(error, locale)
    found: list[Media] = []
    for number, attachment in enumerate(given):
        try:
            media = await _resolve_one(library, read_file, attachment, owner)
            if attachment.cells:
                origin = {"cells": msgspec.to_builtins(attachment.cells)}
                media = msgspec.structs.replace(media, facts={**media.facts, **origin})
            found.append(media)
            total = sum(media.size for media in found)
            if total > limits.max_total:
                raise TooLarge(
                    f"the attachments take {total} bytes and more; at most {limits.max_total}",
                    reason="MEDIA_TOTAL_TOO_LARGE",
                    maxTotalBytes=limits.max_total,
                )
        except GatewayError as exc:
            exc.facts = {"attachment": number, "name": attachment.file_name or attachment.path or "", **exc.facts}
            raise explained(exc, locale) from None
    return found


async def _resolve_one(library: MediaLibrary, read_file: ReadFile | None, given: Attachment, owner: str) -> Media:
    if [given.media_id, given.content, given.path].count(None) != 2:
        raise InvalidRequest("an attachment needs exactly one of mediaId, content and path", reason="BAD_ATTACHMENT")
    if given.media_id is not None:
        return await library.use(given.media_id, owner)
    if given.path is not None:
        if read_file is None:
            raise Unavailable("this gateway serves no files", reason="NO_FILES")
        data = await read_file(given.path, library.limits().largest)
        return await library.store_bytes(data, name=given.path, claimed=given.mime_type, owner=owner)
    assert given.content is not None
    data = await asyncio.to_thread(decoded, given.content, library.limits().largest)
    name = given.file_name or _made_up_name(given.mime_type)
    return await library.store_bytes(data, name=name, claimed=given.mime_type, owner=owner)


async def names_of(library: MediaLibrary, owner: str, given: Sequence[Attachment]) -> list[str]:
    """The names of a message's attachments, without storing any; the id of one that is not there."""
    names = []
    for attachment in given:
        name = attachment.file_name or attachment.path
        if not name and attachment.media_id is not None:
            try:
                name = (await library.get(attachment.media_id, owner)).name
            except GatewayError:
                name = attachment.media_id
        names.append(name or _made_up_name(attachment.mime_type))
    return names


def decoded(content: str, most: int) -> bytes:
    """The bytes of a base64 text. Raises ``InvalidRequest`` (``BAD_BASE64``), ``TooLarge``."""
    if content.startswith("data:"):
        content = content.partition(",")[2]
    if len(content) // 4 * 3 > most + 3:
        raise TooLarge(f"at most {most} bytes", reason="MEDIA_TOO_LARGE", maxBytes=most)
    try:
        return base64.b64decode(content, validate="\n" not in content)
    except (binascii.Error, ValueError):
        raise InvalidRequest("content is not base64", reason="BAD_BASE64") from None


def _made_up_name(mime_type: str | None) -> str:
    kind, _, ending = (mime_type or "").partition("/")
    known = {"jpeg": "jpg", "svg+xml": "svg", "plain": "txt", "quicktime": "mov", "mpeg": "mp3"}
    ending = known.get(ending, ending)
    return f"{kind}.{ending}" if kind and ending.isalnum() else "file"


def owner_of(identity: Identity | None) -> str:
    """The owner's name under which an identity's files are stored.

    Jupyter gives a user of its token a random name, another one with each request without a cookie; all of them are
    the one user whose account this is. Where people log in, their names are their own.
    """
    assert identity is not None
    return account() if _MADE_UP.fullmatch(identity.user) else identity.user


def request_part(found: Sequence[Media]) -> str:
    """The attachments' part of the request hash: contents and names."""
    if not found:
        return ""
    digest = hashlib.sha256()
    for media in found:
        digest.update(f"{media.sha256}\0{media.name}\0".encode())
    return "\0" + digest.hexdigest()


def content_of(text: str, found: Sequence[Media], locale: str | None) -> list[dict[str, Any]]:
    """The blocks of a user message: its files, then its text, if there is any."""
    files = [
        {
            "type": BLOCK_TYPES.get(media.kind, media.kind),
            "mediaId": media.id,
            "name": media.name,
            "mimeType": media.mime_type,
            "size": media.size,
            **facts_in(media, locale),
        }
        for media in found
    ]
    return [*files, {"type": "text", "text": text}] if text.strip() or not files else files


def described(media: Media, locale: str | None) -> dict[str, Any]:
    """A file as the HTTP routes tell it."""
    return {
        "mediaId": media.id,
        "name": media.name,
        "mimeType": media.mime_type,
        "kind": media.kind,
        "size": media.size,
        **facts_in(media, locale),
    }


def facts_in(media: Media, locale: str | None) -> dict[str, Any]:
    """Width, pages … as they apply, with the notes in the language of the locale."""
    facts = dict(media.facts)
    if notes := facts.pop("notes", None):
        facts["notes"] = [Note(note["code"], note.get("facts", {})).to_wire(locale) for note in notes]
    return facts


def explained(error: GatewayError, locale: str | None) -> GatewayError:
    """The same error with what to do about it in ``details.hint``, in the receiver's language."""
    if isinstance(error, MediaError):
        error.facts = {**error.facts, "hint": error.hint_in(locale)}
        error.message = error.message_in(locale)
    elif error.reason in HINTED:
        error.facts = {**error.facts, "hint": t(locale, f"media.hint.{error.reason}", **_numbers(error))}
    return error


def _numbers(error: GatewayError) -> dict[str, Any]:
    """Limits for the hints, in MB where they are bytes."""
    megabytes = {
        name: f"{value / 1_048_576:g}" for name, value in error.facts.items() if name in ("maxBytes", "maxTotalBytes")
    }
    return {"maxCount": error.facts.get("maxCount", ""), "maxBytes": "", "maxTotalBytes": "", **megabytes}
