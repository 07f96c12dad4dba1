"""The node's own records of notebooks, in the state directory: ids of cells that have none in their file, the revisions
that were run, and copies of files as they were before the assistant's first edit.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path

from ... import private_files

log = logging.getLogger(__name__)

MAX_RECORDS = 500
"""Notebooks that are remembered; the one not looked at for longest goes first."""
MAX_COPIES = 5
"""Of one notebook."""


@dataclass
class Record:
    """One notebook's record. ``load`` and ``save`` touch the disk; call them off the loop."""

    file: Path
    ids: list[tuple[str, str]] = field(default_factory=list)
    """Id and revision of each cell as last seen, for a notebook whose file keeps no ids (before nbformat 4.5)."""
    ran: dict[str, str] = field(default_factory=dict)
    """Cell id → revision of the source whose outputs the cell has, where that is known."""
    written: list[str] = field(default_factory=list)
    """Hashes of the file as this node left it: a file with one of these has nothing of a person's to be copied."""

    @classmethod
    def load(cls, folder: Path, root: str, path: str) -> Record:
        """The record of the notebook at ``path`` of a server with this root; an empty one if there is none."""
        name = hashlib.sha256(f"{root}:{path}".encode()).hexdigest()[:32]
        record = cls(folder / "notebooks" / f"{name}.json")
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            kept = json.loads(record.file.read_bytes())
            record.ids = [(str(id_), str(rev)) for id_, rev in kept["ids"]]
            record.ran = {str(id_): str(rev) for id_, rev in kept["ran"].items()}
            record.written = [str(hash_) for hash_ in kept["written"]]
        return record

    def save(self) -> None:
        """Write the record; a disk that does not take it is no reason to refuse an edit."""
        kept = {"ids": self.ids, "ran": self.ran, "written": self.written[-20:]}
        try:
            private_files.make_directory(self.file.parent)
            private_files.write(self.file, json.dumps(kept).encode())
            _prune(self.file.parent, "*.json", MAX_RECORDS)
        except OSError as exc:
            log.warning("%s was not written: %s", self.file, exc)

    def copy_before_edit(self, name: str, data: bytes, hash_: str) -> None:
        """Keep a copy of the file unless its content is this node's own work. Raises ``OSError``."""
        if hash_ in self.written:
            return
        folder = self.file.parent.parent / "copies" / self.file.stem
        private_files.make_directory(folder)
        private_files.write(folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{hash_[:8]}-{name[-80:]}", data)
        _prune(folder, "*", MAX_COPIES)


def aligned(known: Sequence[tuple[str, str]], revisions: Sequence[str]) -> list[str]:
    """Ids for cells with these revisions: a cell keeps the id it had where the notebook was changed around it, or where
    it was changed itself between two that were not."""
    ids: list[str | None] = [None] * len(revisions)
    matcher = SequenceMatcher(None, [rev for _, rev in known], list(revisions), autojunk=False)
    for kind, a0, a1, b0, b1 in matcher.get_opcodes():
        if kind == "equal" or (kind == "replace" and a1 - a0 == b1 - b0):
            ids[b0:b1] = [id_ for id_, _ in known[a0:a1]]
    taken = {id_ for id_, _ in known}
    made = []
    for index, kept in enumerate(ids):
        id_, number = kept or _made_id(index, revisions[index], 0), 0
        while kept is None and id_ in taken:
            number += 1
            id_ = _made_id(index, revisions[index], number)
        taken.add(id_)
        made.append(id_)
    return made


def _made_id(index: int, rev: str, number: int) -> str:
    return hashlib.sha256(f"{index}:{rev}:{number}".encode()).hexdigest()[:8]


def _prune(folder: Path, pattern: str, most: int) -> None:
    files = sorted(folder.glob(pattern), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in files[most:]:
        with contextlib.suppress(OSError):
            file.unlink()
