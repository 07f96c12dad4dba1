"""Words as the index in PostgreSQL has them: those that SQLite's index has of the same text, to the letter.

PostgreSQL's own parsers know nothing of pairs of syllables, and its ``unaccent`` is an extension that may be missing.
So a text is cut by ``search_terms`` as ever, and what SQLite's tokenizer makes of that (a fraction is two numbers, an
accent nothing) is asked of SQLite itself, in an empty database in memory. Above: ``search``. Below: ``search_terms``.
"""

from __future__ import annotations

import atexit
import re
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from contextlib import closing

from ..search import TOKENIZER
from ..search_terms import Phrase

LONGEST = 100
"""Characters of a word that the index tells apart; PostgreSQL takes none above 2 KB."""
MOST_BYTES = 1_000_000
"""Bytes of different words of one message; PostgreSQL takes no more than 1 MB."""
ANY = "*"
"""Stands for the words of a message that has more: it may have any. No word is written like that."""

_UNCHANGED = re.compile(
    "[ 0-9a-z\u3041-\u3096\u30a1-\u30fa\u30fc-\u30ff\u3130-\u318f\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3]*"
)
"""Terms of which the tokenizer makes themselves: most texts are of nothing else."""


class _Tokenizer:
    """SQLite's tokenizer, for one thread at a time."""

    def __init__(self) -> None:
        self._one = threading.Lock()
        self._conn: sqlite3.Connection | None = None

    def __call__(self, text: str) -> Sequence[str]:
        with self._one:
            if self._conn is None:
                self._conn = self._opened()
            self._conn.execute("BEGIN")
            try:
                self._conn.execute("INSERT INTO texts (rowid, words) VALUES (1, ?)", (text,))
                with closing(self._conn.execute("SELECT term FROM terms ORDER BY offset")) as found:
                    return [term for (term,) in found]
            finally:
                self._conn.execute("ROLLBACK")

    def _opened(self) -> sqlite3.Connection:
        conn = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        atexit.register(conn.close)
        conn.execute(f"CREATE VIRTUAL TABLE texts USING fts5(words, content='', tokenize='{TOKENIZER}')")
        conn.execute("CREATE VIRTUAL TABLE terms USING fts5vocab(texts, instance)")
        return conn


_tokenize = _Tokenizer()


def tokens(terms: str) -> Sequence[str]:
    """The words in ``terms``, as ``search_terms.indexed`` gives them, in their order."""
    return terms.split() if _UNCHANGED.fullmatch(terms) else _tokenize(terms)


def lexemes(terms: str) -> Sequence[str]:
    """The different words of a message, as the index takes them."""
    found = {word[:LONGEST] for word in tokens(terms)}
    return sorted(found) if sum(len(word.encode()) for word in found) <= MOST_BYTES else [ANY]


class Question:
    """The phrases of a query: what the index is asked, and whether a text of which it found all words answers."""

    def __init__(self, phrases: Iterable[Phrase]):
        told = ((tokens(phrase.text), phrase.begun) for phrase in phrases)
        self._phrases = [(words, begun) for words, begun in told if words]  # some are of nothing that is indexed
        self.exact = all(len(words) == 1 and len(words[0]) <= LONGEST for words, _ in self._phrases)
        """The index knows all there is to know: no word's place counts, and none is cut."""
        asked = [
            f"'{word[:LONGEST]}'" + ":*" * (begun and at == len(words) - 1)
            for words, begun in self._phrases
            for at, word in enumerate(words)
        ]
        self.expression = f"({' & '.join(asked)}) | '{ANY}'" if asked else ""
        """A ``tsquery``; empty when nothing is asked."""

    def answered_by(self, terms: str) -> bool:
        """Whether all phrases are in a text."""
        found = tokens(terms)
        return all(_has(found, words, begun) for words, begun in self._phrases)


def _has(found: Sequence[str], words: Sequence[str], begun: bool) -> bool:
    last, length = words[-1], len(words)
    for at in range(len(found) - length + 1):
        if found[at : at + length - 1] == words[:-1]:
            end = found[at + length - 1]
            if end == last or (begun and end.startswith(last)):
                return True
    return False
