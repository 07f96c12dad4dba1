"""Search in PostgreSQL: the same hits as ``store.search`` finds in SQLite, for any text and any query.

The index (GIN) has the words of a message without their places: PostgreSQL keeps 255 of a word and none beyond 16,383,
which is not enough to find a phrase in a long text. It gives the messages that have all words of a query, and those are
looked at. A ``dialect.SearchIndex``. Above: ``connection``. Below: ``words``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

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
WINDOW = 1000
"""Newest messages that are looked at one by one, before the index is asked: a frequent word is found there, and of all
messages that have it the index would give every one."""

_WINDOW = f"SELECT message, words FROM search WHERE message < ?2 ORDER BY message DESC LIMIT {WINDOW}"
_NEWEST = f"SELECT n.message FROM ({_WINDOW}) AS n WHERE n.words @@ CAST(?1 AS TSQUERY)"
_OLDER = f"""SELECT s.message FROM search AS s WHERE s.words @@ CAST(?1 AS TSQUERY)
    AND s.message < (SELECT min(n.message) FROM ({_WINDOW}) AS n)"""
# The rows to be given are chosen first: those of all that were found are not sorted with their bodies.
_FIND = f"""WITH f AS MATERIALIZED ({{found}})
    SELECT m.rowid, t.session_key, m.session_id, m.seq, m.id, m.role, m.created_at, m.body, t.title, o.label,
    t.archived_at IS NOT NULL, m.place = 1, w.words @@ CAST('''{words.ANY}''' AS TSQUERY)
    FROM (SELECT f.message FROM f JOIN messages AS p ON p.rowid = f.message
          JOIN transcripts AS c ON c.session_id = p.session_id
          WHERE f.message < ?3 AND p.seq > c.floor_seq AND p.place >= 0 AND c.gone_until IS NULL
          ORDER BY f.message DESC LIMIT ?4) AS g
    JOIN search AS w ON w.message = g.message JOIN messages AS m ON m.rowid = g.message
    JOIN transcripts AS t ON t.session_id = m.session_id
    LEFT JOIN sessions AS o ON o.key = t.session_key ORDER BY 1 DESC"""
_STAGES = (_FIND.format(found=_NEWEST), _FIND.format(found=_OLDER))


def m003_search(conn: Connection) -> None:
    """Messages are found by their words and by the names of their files."""
    for statement in CREATE:
        conn.execute(statement)


def written(conn: Connection, session_id: str, seq: int, role: str, body: str) -> None:
    """Put the words of a new message into the index."""
    if role in SPOKEN:
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
    start = NO_LIMIT if before is None else before
    hits: list[StoredHit] = []
    for stage in _STAGES if question.expression else ():
        for row, text in _rows(conn, stage, question, start, limit):
            hit = hit_of(row, text, wanted)
            if hit is not None:
                hits.append(hit)
            if len(hits) == limit:
                return hits
    return hits


def _rows(
    conn: Connection, stage: str, question: words.Question, start: int, limit: int
) -> Iterator[tuple[Sequence[Any], str]]:
    """The rows that answer, newest first, each with its text. More and more are asked for at once."""
    end, most = start, limit
    while True:
        rows = conn.execute(stage, (question.expression, start, end, most)).fetchall()
        for *row, unbounded in rows:
            text = findable_of(decode(row[7]))
            if (question.exact and not unbounded) or question.answered_by(search_terms.indexed(text)):
                yield row, text
        if len(rows) < most:
            return
        end, most = rows[-1][0], min(2 * most, MOST_ROWS)
