"""The tables of the gateways that share a database, and the fence that shuts out the writes of one taken for dead.

``cluster`` writes them; the store's transactions only read ``gateways`` (``FENCE``).
"""

from __future__ import annotations

from .connection import PostgresConnection

_TABLES = (
    "CREATE SEQUENCE gateway_numbers",
    # id: the fence, a new one for each start. member: its name among the gateways. The row of an ended one never
    # changes again. lease_until is by the clock of the database, as every time here.
    """CREATE TABLE gateways (
        id BIGINT PRIMARY KEY,
        member TEXT NOT NULL UNIQUE,
        lease_until TIMESTAMPTZ NOT NULL,
        ended_at TIMESTAMPTZ,
        ended_by BIGINT
    ) WITH (fillfactor = 50)""",
    "CREATE INDEX gateways_alive ON gateways (id) WHERE ended_at IS NULL",
    # A gateway has a row while its advisory lock tells whether it lives. Not logged, so that the rows go with the locks
    # when the server crashes; server_start: after an orderly restart the locks are gone and the rows are not.
    """CREATE UNLOGGED TABLE gateway_locks (
        gateway BIGINT PRIMARY KEY,
        server_start TIMESTAMPTZ NOT NULL
    )""",
    """CREATE TABLE homes (
        session_key TEXT PRIMARY KEY,
        gateway BIGINT NOT NULL REFERENCES gateways (id)
    )""",
    "CREATE INDEX homes_of_gateway ON homes (gateway)",
    # number: counts the rows of a pair, from 1. part: 1 when a message begins in it, 2 when one ends, 4 when it is for
    # the cluster itself. Rows live for milliseconds, so vacuum goes by their number alone.
    """CREATE UNLOGGED TABLE mail (
        target BIGINT NOT NULL,
        sender BIGINT NOT NULL,
        number BIGINT NOT NULL,
        part SMALLINT NOT NULL,
        sent_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
        body BYTEA NOT NULL,
        PRIMARY KEY (target, sender, number)
    ) WITH (
        autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_analyze_threshold = 1000000,
        toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 2000
    )""",
    "ALTER TABLE mail ALTER COLUMN body SET STORAGE EXTERNAL",
)


def m002_gateways(conn: PostgresConnection) -> None:
    """The gateways that share the database: which live, of which sessions each is the home, and their messages."""
    for statement in _TABLES:
        conn.execute(statement.replace(" TEXT", ' TEXT COLLATE "C"'))


FENCE = "SELECT 1 FROM gateways WHERE id = ? AND ended_at IS NULL FOR KEY SHARE"
"""No row: this gateway is taken for dead, and its transaction must write nothing.

The lock holds off the one that would end it (``FOR UPDATE``) until the transaction is through, but not the renewals of
its lease. The number belongs to the moment at which the work was given: a gateway that has joined again since, under a
new one, no longer has the homes that it had then."""
