"""The spaces of users in one database: each is a schema, whose name begins with ``PREFIX``."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event

import psycopg

from ..address import place_of
from .connection import NotUsable, connect, quoted
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
