"""Files by their content: each is kept once, under the SHA-256 of its bytes, readable by its owner only.

    <root>/3f/3f9a…        the bytes
    <root>/derived/3f9a…/  what was made of them (thumbnails, results), by name; goes when they go
    <root>/incoming/       what is being written; whatever a crash left there is removed by ``open``

Which files are wanted is the business of the table ``media``. All methods block for the disk: call them in a thread.
They raise ``OSError``, and ``StorageFull`` where there is no room; then nothing is left behind. Above: ``shared_files``
(the same for several gateways).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from .. import private_files
from ..protocol.errors import StorageFull

_NAME = re.compile(r"[0-9a-f]{64}")
_UNFINISHED = re.compile(r"[0-9a-f]{24}")


class Files:
    """The folder. Safe to use from several threads: nothing is ever changed in place."""

    shared: ClassVar[bool] = False
    """Whether other gateways put files here, and take them away."""
    remote: ClassVar[bool] = False
    """Whether the bytes lie on another machine, so that ``fetch`` is more than a path."""

    def __init__(self, root: Path):
        self.root = root
        self._incoming, self._derived = root / "incoming", root / "derived"

    @property
    def address(self) -> str:
        """The place as people know it, without any secret."""
        return str(self.root)

    def open(self) -> None:
        """Make the folders (0700) and remove what an earlier process did not finish."""
        with _room():
            for folder in (self.root, self._incoming, self._derived):
                private_files.make_directory(folder)
        for left in self._unfinished():
            left.unlink(missing_ok=True)

    def _unfinished(self) -> Iterator[Path]:
        """Files that are being written; nothing else, should the folder be a link to somewhere."""
        return (path for path in self._incoming.iterdir() if _UNFINISHED.fullmatch(path.name))

    def path(self, sha256: str) -> Path:
        """Path of those bytes, if they are here. Raises ``ValueError`` for what is no SHA-256."""
        if not _NAME.fullmatch(sha256):
            raise ValueError("not a SHA-256 in hexadecimal")
        return self.root / sha256[:2] / sha256

    def has(self, sha256: str) -> bool:
        """Report whether those bytes are kept."""
        return self.path(sha256).is_file()

    def fetch(self, sha256: str) -> Path:
        """The path of those bytes on this machine, after fetching them where they lie on another one. There is nothing
        at the path of what is not kept."""
        return self.path(sha256)

    def receive(self) -> Incoming:
        """Begin to write a file whose content is not known yet."""
        with _room():
            return Incoming(self, self._incoming / os.urandom(12).hex())

    def remove(self, sha256: str) -> None:
        """Forget the bytes and what was made of them; nothing happens if they are not here."""
        self.path(sha256).unlink(missing_ok=True)
        shutil.rmtree(self._derived / sha256, ignore_errors=True)

    def everything(self) -> Iterator[str]:
        """The names of all files kept, and of those of which only what was made of them is."""
        for folder in self.root.iterdir():
            if len(folder.name) == 2 or folder == self._derived:
                yield from (file.name for file in folder.iterdir() if _NAME.fullmatch(file.name))

    def copies(self) -> Iterator[str]:
        """The names of what this machine has copies of; where the files themselves lie here, there are none."""
        return iter(())

    def remove_copy(self, sha256: str) -> None:
        """Forget this machine's copy of the bytes and of what was made of them, and nothing else."""

    def place(self, finished: Path, sha256: str) -> Path:
        """Move a finished file to its place among the others; the same bytes may be there already."""
        target = self.path(sha256)
        with _room():
            private_files.make_directory(target.parent)
            os.replace(finished, target)
            private_files.sync_directory(target.parent)  # before a message speaks of it
        return target

    # -- what was made of a file --------------------------------------------------------------------------------------
    def derived(self, sha256: str) -> Sequence[str]:
        """The names under which derived data is kept for those bytes."""
        try:
            return [path.name for path in (self._derived / sha256).iterdir() if not path.name.startswith(".")]
        except FileNotFoundError:
            return ()

    def read_derived(self, sha256: str, name: str) -> bytes | None:
        """The derived data stored under ``name`` (URL-safe characters) for those bytes; ``None`` if there is none."""
        try:
            return (self._derived / sha256 / name).read_bytes()
        except FileNotFoundError:
            return None

    def keep_derived(self, sha256: str, name: str, data: bytes) -> None:
        """Keep ``data`` with those bytes, in the place of what is there under ``name``."""
        with _room():
            private_files.make_directory(self._derived / sha256)
            private_files.write(self._derived / sha256 / name, data)


class Incoming:
    """A file that is being written. End it by ``keep`` or ``discard``; one call at a time."""

    def __init__(self, files: Files, path: Path):
        self._files, self.path = files, path
        self._hash = hashlib.sha256()
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb", 0)
        self.size = 0
        """Bytes so far."""

    def write(self, data: bytes | bytearray) -> None:
        """Append. Raises ``StorageFull``; the file must then be discarded."""
        with _room():
            view = memoryview(data)
            while view:
                view = view[self._file.write(view) :]
        self._hash.update(data)
        self.size += len(data)

    def finish(self) -> str:
        """No more comes: the SHA-256 of what did, in hexadecimal. The bytes are on the disk then."""
        with _room():
            os.fsync(self._file.fileno())
            self._file.close()
        return self._hash.hexdigest()

    def keep(self) -> Path:
        """Move the finished file to its place among the others."""
        return self._files.place(self.path, self._hash.hexdigest())

    def discard(self) -> None:
        """Leave nothing behind. Safe to call again, and after ``keep``."""
        with contextlib.suppress(OSError):
            self._file.close()
        self.path.unlink(missing_ok=True)


@contextlib.contextmanager
def _room() -> Iterator[None]:
    """Name the lack of room by its wire error."""
    try:
        yield
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull("the disk is full") from exc
        raise
