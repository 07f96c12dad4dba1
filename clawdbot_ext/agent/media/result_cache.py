"""Cache of results by what makes them equal: so that a second question about a file costs nothing."""

from __future__ import annotations

import hashlib
import importlib.util

import msgspec

from . import transcribers
from .types import MediaFile, MediaSettings, ModelSight, Understood

VERSION = 3
"""Rises when the same file would now be given to a model differently; older results are then made again."""

_RELEVANT = {
    "image": ("image_max_edge",),
    "document": ("pdf_max_pages", "pdf_mode"),
    "text": (),
    "notebook": (),
    "audio": ("audio_",),
    "video": ("audio_", "video_"),
}
"""Which settings (by the start of their names) change what is made of a kind."""
_IRRELEVANT = frozenset({"audio_api_key", "audio_timeout_s"})


def cache_key(
    file: MediaFile, *, sight: ModelSight, settings: MediaSettings, pages: tuple[int, int] | None = None
) -> str:
    """64 hexadecimal digits, the same whenever ``understand`` would give the same. Needs no look into the file.

    The file's name counts, since the model is told it; and what is installed, since that may change.
    """
    starts = _RELEVANT[file.kind]
    relevant = (
        {
            name: value
            for name, value in msgspec.to_builtins(settings).items()
            if name.startswith(starts) and name not in _IRRELEVANT
        }
        if starts
        else {}
    )
    means = (transcribers.choose(settings), importlib.util.find_spec("av") is not None) if "audio_" in starts else ()
    key = [
        VERSION,
        file.sha256,
        file.mime_type,
        file.kind,
        file.name,
        msgspec.to_builtins(sight),
        relevant,
        means,
        pages,
    ]
    return hashlib.sha256(msgspec.json.encode(key, order="sorted")).hexdigest()


def pack(understood: Understood) -> bytes:
    """A result as bytes (MessagePack, images included)."""
    return msgspec.msgpack.encode(understood)


def unpack(data: bytes) -> Understood:
    """Unpack what ``pack`` made. Raises ``ValueError`` for anything else: then make the result again."""
    return msgspec.msgpack.decode(data, type=Understood)
