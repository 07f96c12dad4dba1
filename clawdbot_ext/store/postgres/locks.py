"""The numbers of advisory locks. A database has one set of them for all of its schemas.

A lock of the tables in a schema of their own has a number that no other schema's has. Above: ``jobs``, ``keeper``,
``schema``.
"""

from __future__ import annotations

import hashlib


def of_session(key: str, schema: str | None) -> int:
    """The lock of a session, by its key; of other things, by theirs."""
    return _hash(key if schema is None else f"{schema}\0{key}")


def of_tables(number: int, schema: str | None) -> int:
    """The lock for one purpose of all the tables in a schema; ``number`` is that of the purpose."""
    return number if schema is None else _hash(f"{schema}\0\0{number}")  # no key of a session has a NUL


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big", signed=True)
