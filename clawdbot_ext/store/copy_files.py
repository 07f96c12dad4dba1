"""A copy of attachments from one place to another, file by file: those that are there already are left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from . import copying
from .copying import End
from .files import Files

PIECE = 1 << 20


@dataclass
class CopiedFiles:
    """Outcome of a copy, in files; ``bytes`` of those that were copied."""

    copied: int = 0
    present: int = 0
    bytes: int = 0
    missing: list[str] = field(default_factory=list)
    """Files that their rows name and the source has not, or has with other bytes."""


def wanted(end: End) -> Sequence[str]:
    """The SHA-256 of each file that a row of the store needs."""
    with end.reading() as conn:
        rows = conn.execute("SELECT DISTINCT sha256 FROM media WHERE removed_at IS NULL ORDER BY sha256").fetchall()
    return [sha256 for (sha256,) in rows]


def copy(source: Files, target: Files, names: Sequence[str], progress: copying.Progress) -> CopiedFiles:
    """Copy the files ``names`` and what was made of them. Each is compared with its hash before it is in its place.

    Raises ``Unavailable``, ``StorageFull``, ``OSError``; another call goes on with what is not there yet.
    """
    target.open()
    told = CopiedFiles()
    for number, sha256 in enumerate(names, 1):
        if target.has(sha256):
            told.present += 1
        elif (size := _copy_one(source, target, sha256)) is None:
            told.missing.append(sha256)
        else:
            told.copied += 1
            told.bytes += size
        _copy_derived(source, target, sha256)
        progress("files", number, len(names))
    return told


def _copy_one(source: Files, target: Files, sha256: str) -> int | None:
    file = target.receive()
    try:
        with source.fetch(sha256).open("rb") as reads:
            while data := reads.read(PIECE):
                file.write(data)
        if file.finish() != sha256:
            return None
        file.keep()
        return file.size
    except FileNotFoundError:
        return None
    finally:
        file.discard()


def _copy_derived(source: Files, target: Files, sha256: str) -> None:
    for name in source.derived(sha256):
        if target.read_derived(sha256, name) is None and (data := source.read_derived(sha256, name)) is not None:
            target.keep_derived(sha256, name, data)
