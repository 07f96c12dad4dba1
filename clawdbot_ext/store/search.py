"""Search: the full-text index over what people and the model said, and the names of their files. All SQL of that noun.

The index keeps no text (``content=''``), only words and rowids of ``messages``. Triggers keep it in step whatever adds
or removes a message; what was cleared or deleted and can come back is left out when the rows are joined.
Nothing here vacuums: SQLite may then number rows anew, and the index would have to be built again.
Plain functions of a connection, to be called inside a transaction: a ``dialect.SearchIndex``. Above: ``schema``,
``dialect``. Below: ``search_terms``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import search_terms
from .api import StoredHit
from .connection import NO_LIMIT, Connection
from .message_fields import decode, findable_of
from .plain_words import without_marks

SPOKEN = ("user", "assistant")
TOKENIZER = "unicode61 remove_diacritics 2"


def words_of(body: str) -> str:
    """The SQL function ``search_words``: what the index holds of a stored message; of a command's answer, nothing."""
    message = decode(body)
    return "" if message.get("command") else search_terms.indexed(findable_of(message))


_ROLES = ", ".join(f"'{role}'" for role in SPOKEN)
_ADD = "INSERT INTO search (rowid, words) VALUES (new.rowid, search_words(new.body));"
_REMOVE = "INSERT INTO search (search, rowid, words) VALUES ('delete', old.rowid, search_words(old.body));"

CREATE = (
    # prefix: one syllable, and the word that is being typed, are found without reading the whole index.
    f"CREATE VIRTUAL TABLE search USING fts5(words, content='', prefix='1 2', tokenize='{TOKENIZER}')",
    f"""CREATE TRIGGER search_added AFTER INSERT ON messages WHEN new.role IN ({_ROLES}) BEGIN {_ADD} END""",
    f"""CREATE TRIGGER search_removed AFTER DELETE ON messages WHEN old.role IN ({_ROLES}) BEGIN {_REMOVE} END""",
    f"""CREATE TRIGGER search_changed AFTER UPDATE OF body ON messages WHEN new.role IN ({_ROLES})
        BEGIN {_REMOVE} {_ADD} END""",
    f"INSERT INTO search (rowid, words) SELECT rowid, search_words(body) FROM messages WHERE role IN ({_ROLES})",
)

REBUILD = (*(f"DROP TRIGGER search_{when}" for when in ("added", "removed", "changed")), "DROP TABLE search", *CREATE)
"""After a change of what the index holds of a message."""

_FIND = """SELECT m.rowid, t.session_key, m.session_id, m.seq, m.id, m.role, m.created_at, m.body, t.title, s.label,
    t.archived_at IS NOT NULL, m.place = 1
    FROM search JOIN messages AS m ON m.rowid = search.rowid JOIN transcripts AS t ON t.session_id = m.session_id
    LEFT JOIN sessions AS s ON s.key = t.session_key
    WHERE search MATCH ? AND search.rowid < ? AND m.seq > t.floor_seq AND m.place >= 0 AND t.gone_until IS NULL
    ORDER BY search.rowid DESC"""


def written(conn: Connection, session_id: str, seq: int, role: str, body: str) -> None:
    """Nothing: a trigger has put the words of the message into the index."""


def find(conn: Connection, query: str, limit: int, before: int | None) -> Sequence[StoredHit]:
    """The newest messages that have all words of ``query``. Each found row is read once, none beyond ``limit``."""
    words = search_terms.wanted(query)
    if not words:
        return ()
    rows = conn.execute(_FIND, (search_terms.match_expression(words), NO_LIMIT if before is None else before))
    hits: list[StoredHit] = []
    for row in rows:
        hit = hit_of(row, findable_of(decode(row[7])), words)
        if hit is not None:
            hits.append(hit)
        if len(hits) == limit:
            break
    rows.close()
    return hits


def hit_of(row: Sequence[Any], text: str, words: Sequence[search_terms.Word]) -> StoredHit | None:
    """A row that was found, with the part of its ``text`` that has the words; ``None`` where that has none of them."""
    position, key, session_id, seq, id_, role, at, _, title, label, archived, shown = row
    cut = search_terms.snippet(without_marks(text), words) or search_terms.snippet(text, words)
    if cut is None:
        return None
    return StoredHit(
        position=position,
        session_key=key,
        session_id=session_id,
        seq=seq,
        message_id=id_,
        role=role,
        created_at=at,
        snippet=cut.text,
        highlights=cut.highlights,
        title=title,
        label=label,
        archived=bool(archived),
        shown=bool(shown),
    )
