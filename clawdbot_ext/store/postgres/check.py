"""The look that ``clawdbot doctor`` takes at a database, without a store. It writes nothing."""

from __future__ import annotations

from typing import NamedTuple

import psycopg

from ..address import place_of
from . import schema
from .connection import NotUsable, connect
from .failures import explain

_FACTS = "SELECT current_setting('server_version'), current_setting('fsync'), pg_database_size(current_database())"
ALIVE = "SELECT count(*) FROM gateways WHERE ended_at IS NULL"


class Facts(NamedTuple):
    """A database that can be used."""

    version: str
    """Of the server."""
    fsync: bool
    """A crash of the server's machine loses nothing that was acknowledged."""
    bytes: int
    """Of the database."""
    gateways: int
    """That use it now."""


def examine(url: str) -> Facts:
    """Look at a database. Raises what the store's ``open`` would: ``StoreDamaged``, ``GatewayError``; and
    ``SchemaTooNew``."""
    try:
        conn = connect(url, name="doctor")
        try:
            schema.check(conn, place_of(url))
            row = conn.execute(_FACTS).fetchone()
            known = conn.execute("SELECT to_regclass('gateways') IS NOT NULL").fetchone()[0]
            alive = conn.execute(ALIVE).fetchone()[0] if known else 0
        finally:
            conn.close()
    except (psycopg.Error, NotUsable) as error:
        raise explain(error, place_of(url)) from None
    return Facts(row[0], row[1] == "on", row[2], alive)
