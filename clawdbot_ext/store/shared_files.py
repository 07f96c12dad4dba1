"""Files by their content for several gateways: in a shared directory, or in an object storage with copies here."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from ..protocol.errors import Unavailable
from .blobs import Blobs
from .files import Files

log = logging.getLogger(__name__)

LEFT_S = 24 * 3600.0
"""Age in seconds from which a file that is being written is one that a crash left."""
IN_USE_S = 600.0
"""A copy that was asked for within this time is not taken away: a reader may be about to open it."""
_FILES, _DERIVED = "files/", "derived/"


class SharedDirectory(Files):
    """A directory on a file system that all gateways mount, NFS too: neither locks nor change notices are used, and
    the one thing asked of it is that a rename shows the whole file or none."""

    shared = True

    def _unfinished(self) -> Iterator[Path]:
        """Unfinished files that a crash left: other gateways write here, too. The time is that of the file system,
        which may be another than ours."""
        clock = self._incoming / os.urandom(12).hex()
        clock.touch(0o600)
        now = clock.stat().st_mtime
        yield clock
        for path in super()._unfinished():
            with suppress(FileNotFoundError):
                if now - path.stat().st_mtime > LEFT_S:
                    yield path

    def place(self, finished: Path, sha256: str) -> Path:
        """As ``Files.place``. The answer to a rename may get lost on the way, and its repetition find it done."""
        size = finished.stat().st_size
        try:
            return super().place(finished, sha256)
        except FileNotFoundError:
            target = self.path(sha256)
            if target.stat().st_size != size:
                raise
            return target


class BlobFiles(Files):
    """An object storage, with copies of what was lately used in the folder ``root``.

    An upload is written here first, so that its hash is known before the storage hears of it. What is fetched is
    compared with its hash before it is read. What was made of files is kept there as well; while the storage is
    away it is made again, and the copies are still read.

    Args:
        keep: bytes that all copies may have together.
    """

    shared = remote = True

    def __init__(self, root: Path, blobs: Blobs, *, keep: int):
        super().__init__(root)
        self.blobs, self._keep = blobs, keep

    @property
    def address(self) -> str:
        return self.blobs.address

    def has(self, sha256: str) -> bool:
        self.path(sha256)
        return self.blobs.exists(_FILES + sha256)

    def fetch(self, sha256: str) -> Path:
        path = self.path(sha256)
        with suppress(FileNotFoundError):
            os.utime(path)
            return path
        file = self.receive()
        try:
            for piece in self.blobs.read(_FILES + sha256):
                file.write(piece)
            if file.finish() != sha256:
                text = "the storage for attachments gives other bytes than were stored"
                raise Unavailable(text, reason="MEDIA_STORAGE_DAMAGED")
            super().place(file.path, sha256)
        except FileNotFoundError:
            return path
        finally:
            file.discard()
        self._make_room()
        return path

    def place(self, finished: Path, sha256: str) -> Path:
        with finished.open("rb") as file:
            self.blobs.put(_FILES + sha256, file, finished.stat().st_size, sha256)
        path = super().place(finished, sha256)
        self._make_room()
        return path

    def remove(self, sha256: str) -> None:
        self.blobs.delete(_FILES + sha256)
        for name in list(self.blobs.names(f"{_DERIVED}{sha256}/")):
            self.blobs.delete(name)
        super().remove(sha256)

    def everything(self) -> Iterator[str]:
        for prefix in (_FILES, _DERIVED):
            before = ""
            for name in self.blobs.names(prefix):
                sha256 = name[len(prefix) :].partition("/")[0]
                if sha256 != before:
                    yield sha256
                before = sha256

    def copies(self) -> Iterator[str]:
        return super().everything()

    def remove_copy(self, sha256: str) -> None:
        super().remove(sha256)

    def derived(self, sha256: str) -> Sequence[str]:
        prefix = f"{_DERIVED}{sha256}/"
        return [name.removeprefix(prefix) for name in self.blobs.names(prefix)]

    def read_derived(self, sha256: str, name: str) -> bytes | None:
        data = super().read_derived(sha256, name)
        if data is None:
            with suppress(FileNotFoundError, Unavailable):
                data = b"".join(self.blobs.read(f"{_DERIVED}{sha256}/{name}"))
                super().keep_derived(sha256, name, data)
        return data

    def keep_derived(self, sha256: str, name: str, data: bytes) -> None:
        super().keep_derived(sha256, name, data)
        with suppress(Unavailable):
            digest = hashlib.sha256(data).hexdigest()
            self.blobs.put(f"{_DERIVED}{sha256}/{name}", io.BytesIO(data), len(data), digest)

    def _make_room(self) -> None:
        """Forget the copies that were not used for the longest time, once there is more of them than ``keep``."""
        found = []
        for sha256 in self.copies():
            with suppress(FileNotFoundError):
                facts = self.path(sha256).stat()
                found.append((facts.st_mtime, facts.st_size, sha256))
        over = sum(size for _, size, _ in found) - self._keep
        for used, size, sha256 in sorted(found):
            if over <= 0 or time.time() - used < IN_USE_S:
                return
            super().remove(sha256)
            over -= size
