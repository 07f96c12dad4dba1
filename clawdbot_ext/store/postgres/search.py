"""Search in PostgreSQL: the same hits as ``store.search`` finds in SQLite, for any text and any query.

The index (GIN) has the words of a message without their places: PostgreSQL keeps 255 of a word and none beyond 16,383,
which is not enough to find a phrase in a long text. It gives the messages that have all words of a query, and those are
looked at. Plain functions of a connection. Above: ``messages``, ``store``. Below: ``words``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from .. import search_terms
from ..api import StoredHit
from ..connection import NO_LIMIT, Connection
from ..message_fields import decode, findable_of
from ..search import SPOKEN, hit_of, words_of
from . import words

MOST_ROWS = 1000
"""Rows that are asked for at once."""

CREATE = (
    # Apart from the messages, whose rows are written anew when another branch is shown.
    """CREATE TABLE search (
        message BIGINT PRIMARY KEY REFERENCES messages (rowid) ON DELETE CASCADE,
        words TSVECTOR NOT NULL
    )""",
    # The list of what is not sorted in yet is read by every search, and sorted in by a write that finds it full.
    "CREATE INDEX search_words ON search USING gin (words) WITH (gin_pending_list_limit = 512)",
)

_ADD = """INSERT INTO search (message, words)
    SELECT rowid, array_to_tsvector(CAST(? AS TEXT[])) FROM messages WHERE session_id = ? AND seq = ?"""
_MISSING = f"""SELECT m.session_id, m.seq, m.body FROM messages AS m
    WHERE m.role IN ({", ".join(f"'{role}'" for role in SPOKEN)})
    AND NOT EXISTS (SELECT 1 FROM search AS s WHERE s.message = m.rowid) LIMIT ?"""
# The rows to be given are chosen first: those of all messages that have a common word are not sorted with their bodies.
_FIND = f"""SELECT m.rowid, t.session_key, m.session_id, m.seq, m.id, m.role, m.created_at, m.body, t.title, o.label,
    t.archived_at IS NOT NULL, m.place = 1, w.words @@ CAST('''{words.ANY}''' AS TSQUERY)
    FROM (SELECT s.message FROM search AS s JOIN messages AS p ON p.rowid = s.message
          JOIN transcripts AS c ON c.session_id = p.session_id
          WHERE s.words @@ CAST(? AS TSQUERY) AND s.message < ? AND p.seq > c.floor_seq AND p.place >= 0
          AND c.gone_until IS NULL ORDER BY s.message DESC LIMIT ?) AS f
    JOIN search AS w ON w.message = f.message JOIN messages AS m ON m.rowid = f.message
    JOIN transcripts AS t ON t.session_id = m.session_id
    LEFT JOIN sessions AS o ON o.key = t.session_key ORDER BY 1 DESC"""
# How many messages have a word decides whether they are read from the newest on or by the index, so the plan is made
# anew for each query. Until the end of the transaction.
_PLAN = "SET LOCAL plan_cache_mode = force_custom_plan"


def m003_search(conn: Connection) -> None:
    """Messages are found by their words and by the names of their files."""
    for statement in CREATE:
        conn.execute(statement)


def written(conn: Connection, session_id: str, seq: int, role: str, body: str) -> None:
    """Put the words of a new message into the index. In SQLite a trigger does it."""
    if role in SPOKEN and not isinstance(conn, sqlite3.Connection):
        conn.execute(_ADD, (words.lexemes(words_of(body)), session_id, seq))


def add_missing(conn: Connection, most: int) -> int:
    """Put messages into the index that were written in another way; returns their number, 0 when there are no more."""
    rows = conn.execute(_MISSING, (most,)).fetchall()
    for session_id, seq, body in rows:
        conn.execute(_ADD, (words.lexemes(words_of(body)), session_id, seq))
    return len(rows)


def find(conn: Connection, query: str, limit: int, before: int | None) -> Sequence[StoredHit]:
    """As ``store.search.find``."""
    wanted = search_terms.wanted(query)
    question = words.Question(search_terms.phrases(wanted))
    expression = question.expression()
    end = NO_LIMIT if before is None else before
    hits: list[StoredHit] = []
    most = limit
    conn.execute(_PLAN)
    while expression and len(hits) < limit:
        rows = conn.execute(_FIND, (expression, end, most)).fetchall()
        for *row, unbounded in rows:
            text = findable_of(decode(row[7]))
            if (unbounded or not question.exact) and not question.answered_by(search_terms.indexed(text)):
                continue
            hit = hit_of(row, text, wanted)
            if hit is not None and len(hits) < limit:
                hits.append(hit)
        if len(rows) < most:
            break
        end, most = rows[-1][0], min(2 * most, MOST_ROWS)
    return hits
