"""Object storages, as narrow as files by their content need them: objects that appear whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Protocol


class Blobs(Protocol):
    """One storage. All methods block for the network: call them in a thread, from as many as wanted.

    They raise ``Unavailable`` (``MEDIA_STORAGE_AWAY``, ``MEDIA_STORAGE_REFUSED``); then nothing was changed, or the
    whole of it and the answer was lost: every call may be made again.
    """

    @property
    def address(self) -> str:
        """The address as people know it, without any secret."""

    def put(self, name: str, file: BinaryIO, size: int, sha256: str) -> None:
        """Store the ``size`` bytes of ``file``, in the place of what is there. The storage compares the hash."""

    def read(self, name: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes from ``start`` up to ``end``, piece by piece. Raises ``FileNotFoundError`` at the first."""

    def exists(self, name: str) -> bool:
        """Report whether there is an object of that name."""

    def delete(self, name: str) -> None:
        """Delete an object; nothing happens where there is none."""

    def names(self, prefix: str) -> Iterator[str]:
        """The names that begin with ``prefix``."""
