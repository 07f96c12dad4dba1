"""The part of a database connection that the noun modules use, in whichever engine the connection leads.

``sqlite3.Connection`` is one as it is; ``postgres.connection.PostgresConnection`` makes one of psycopg's. SQL in the
noun modules is written once, in what both engines understand: ``coalesce``, ``CASE``, a named conflict target,
``instr(…) > 0``, ``CAST(? AS TEXT) IS NULL`` where nothing else tells the type of a parameter, a number for ``LIMIT``.
``rowid``, ``json_each``, ``json_extract``, ``instr``, ``fold`` and the type ``BLOB`` are in PostgreSQL what
``postgres.schema`` makes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

Params: TypeAlias = Sequence[Any] | Mapping[str, Any]

NO_LIMIT = 2**63 - 1
"""A ``LIMIT`` for all rows, and a number greater than any in a row."""


class Cursor(Protocol):
    """Result of one statement."""

    @property
    def rowcount(self) -> int:
        """Rows that an ``INSERT``, ``UPDATE`` or ``DELETE`` touched."""
        ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...

    def close(self) -> None:
        """Give up the rows that were not fetched."""
        ...


class Connection(Protocol):
    """An open transaction. To be used by the thread that owns the connection only.

    Statements that are run before the rows of the first of them are fetched cost one way to a server together."""

    def execute(self, sql: str, parameters: Params = ..., /) -> Cursor:
        """Run a statement with ``?``, ``?1`` or ``:name`` for its parameters."""
        ...
