"""The part that each engine does in a way of its own: the index of words. All other SQL is what both understand.

Above: ``messages``, ``nouns``. Below: ``search`` (SQLite's); ``postgres.connection`` names ``postgres.search``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from . import search
from .api import StoredHit
from .connection import Connection


class SearchIndex(Protocol):
    """The index of words, as an engine has it."""

    def written(self, conn: Connection, session_id: str, seq: int, role: str, body: str) -> None:
        """Put the words of a new message into the index."""
        ...

    def find(self, conn: Connection, query: str, limit: int, before: int | None) -> Sequence[StoredHit]:
        """The newest messages that have all words of ``query``."""
        ...


def search_index(conn: Connection) -> SearchIndex:
    """The index of the engine that a connection leads to. ``sqlite3.Connection`` names none: SQLite's."""
    index: SearchIndex = getattr(conn, "search_index", search)
    return index
