"""The spaces of users in one database: each is a schema, whose name begins with ``PREFIX``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event

import psycopg

from ..address import place_of
from .connection import NotUsable, PostgresConnection, connect, quoted
from .copy_end import PostgresEnd
from .failures import explain
from .keeper import Keeper

PREFIX = "clawdbot_user_"
LONGEST_SLUG = 63 - len(PREFIX)
"""Characters: PostgreSQL cuts longer names off."""


def schema_of(slug: str) -> str:
    """The schema of a space; ``slug``: at most ``LONGEST_SLUG`` small letters of ASCII, digits, ``_`` and ``-``."""
    return PREFIX + slug


def stored_spaces(url: str) -> Sequence[str]:
    """The slugs of the spaces that have tables in a database. Raises ``StoreDamaged``, ``Unavailable``."""
    try:
        conn = connect(url, name="users")
        try:
            rows = conn.execute(
                """SELECT CAST(n.nspname AS TEXT) FROM pg_namespace AS n WHERE starts_with(n.nspname, ?)
                   AND EXISTS (SELECT 1 FROM pg_class WHERE relnamespace = n.oid AND relname = 'meta')
                   ORDER BY n.nspname""",
                (PREFIX,),
            )
            return [name.removeprefix(PREFIX) for (name,) in rows]
        finally:
            conn.close()
    except (psycopg.Error, NotUsable) as error:
        raise explain(error, place_of(url)) from None


def drop_space(url: str, slug: str) -> None:
    """Remove everything that is stored of a space, if there is anything.

    Raises ``keeper.InUse``: a gateway has it open; ``StoreDamaged``, ``Unavailable``."""
    schema = schema_of(slug)
    try:
        keeper = Keeper(url, Event(), exclusive=True, schema=schema)
        try:
            conn = keeper.get(0)
            conn.execute(f"DROP SCHEMA IF EXISTS {quoted(schema)} CASCADE")
            conn.sync()
        finally:
            keeper.close()
    except (psycopg.Error, NotUsable) as error:
        raise explain(error, place_of(url)) from None


@contextmanager
def looking_at(url: str, slug: str | None) -> Iterator[PostgresConnection | None]:
    """A connection for a look at the operator's tables (``None``) or at those of a space, beside the gateways; ``None``
    where there are none yet. Raises ``StoreDamaged``, ``Unavailable``."""
    schema = None if slug is None else schema_of(slug)
    try:
        conn = connect(url, name="users", schema=schema)
        try:
            (there,) = conn.execute("SELECT to_regclass('records') IS NOT NULL").fetchone() or (False,)
            yield conn if there else None
        finally:
            conn.close()
    except (psycopg.Error, NotUsable) as error:
        raise explain(error, place_of(url)) from None


@contextmanager
def changing(url: str) -> Iterator[PostgresConnection]:
    """A transaction on the operator's tables. Raises ``StoreDamaged``, ``Unavailable``."""
    try:
        conn = connect(url, name="users")
        try:
            conn.execute("BEGIN")
            yield conn
            conn.commit()
        finally:
            conn.close()
    except (psycopg.Error, NotUsable) as error:
        raise explain(error, place_of(url)) from None


def stored_bytes(url: str, slug: str) -> int:
    """Bytes that the tables of a space take, with their indexes. Raises ``StoreDamaged``, ``Unavailable``."""
    with looking_at(url, slug) as conn:
        if conn is None:
            return 0
        row = conn.execute(
            """SELECT CAST(coalesce(sum(pg_total_relation_size(c.oid)), 0) AS BIGINT) FROM pg_class AS c
               WHERE c.relkind = 'r' AND c.relnamespace = (SELECT n.oid FROM pg_namespace AS n WHERE n.nspname = ?)""",
            (schema_of(slug),),
        ).fetchone()
        return int(row[0]) if row else 0


def end_of(url: str, slug: str) -> PostgresEnd:
    """A space as one end of a copy."""
    return PostgresEnd(url, schema=schema_of(slug))
