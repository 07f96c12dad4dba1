"""The look that ``clawdbot doctor`` takes at a database, without a store. It writes nothing."""

from __future__ import annotations

from typing import NamedTuple

import psycopg

from ..address import place_of
from . import schema
from .connection import NotUsable, connect
from .failures import explain


class Facts(NamedTuple):
    """A database that can be used."""

    version: str
    """Of the server."""
    fsync: bool
    """A crash of the server's machine loses nothing that was acknowledged."""


def examine(url: str) -> Facts:
    """Look at a database. Raises what the store's ``open`` would: ``StoreDamaged``, ``GatewayError``; and
    ``SchemaTooNew``."""
    try:
        conn = connect(url, name="doctor")
        try:
            schema.check(conn, place_of(url))
            row = conn.execute("SELECT current_setting('server_version'), current_setting('fsync')").fetchone()
        finally:
            conn.close()
    except (psycopg.Error, NotUsable) as error:
        raise explain(error, place_of(url)) from None
    return Facts(row[0], row[1] == "on")
