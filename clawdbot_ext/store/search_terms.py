"""Words: what of a text goes into the search index, what a query asks of it, and where a text answers.

SQLite's own tokenizers find no Korean word of two syllables (``trigram`` needs three characters, ``unicode61`` takes a
noun with its particle for one word). So text is cut into words here, and the index gets them separated by blanks:

- a run of Hangul, Han or Kana becomes its pairs and its last character (``데이터`` → ``데이 이터 터``), so that any
  part of it is a phrase of pairs, and one character alone the beginning of a pair;
- any other word becomes itself in lower case without accents;
- a symbol (an emoji, ``㎏``, ``℃``) is a word of its own: what it stands for in letters, else its number.

What an index holds must be told again, letter by letter, to remove it: ``indexed`` may change only with a migration
that builds the index anew. Pure functions. Above: ``search``, ``db``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

MAX_WORDS = 12
"""Words of a query that count."""
SNIPPET_CHARS = 180
LEAD_CHARS = 48
"""Characters of a snippet before the first match, at most."""

_CJK = (
    r"\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\uac00-\ud7ff"  # Hangul
    r"\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f"  # Kana
    r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"  # Han
)
_SYMBOL = "\u2100-\u214f\u2190-\u2bff\u3200-\u33ff\U0001f000-\U0001faff"


@cache
def word_pattern() -> re.Pattern[str]:
    """A word: a run of Hangul, Han or Kana, a symbol, or another. Milliseconds to compile, which no start waits for."""
    return re.compile(f"([{_CJK}]+)|([{_SYMBOL}])|[^\\W_{_CJK}{_SYMBOL}]+")


class Word(NamedTuple):
    """One word of a query. ``cjk``: to be found anywhere in a run; else a whole word, or its beginning if ``open``."""

    text: str
    cjk: bool
    open: bool


class Phrase(NamedTuple):
    """Terms that follow one another in a text, separated by blanks; ``begun``: of the last its beginning is enough."""

    text: str
    begun: bool


class Snippet(NamedTuple):
    """Part of a text on one line, and the matches in it as ``(start, end)`` in UTF-16 code units."""

    text: str
    highlights: Sequence[tuple[int, int]]


def indexed(text: str) -> str:
    """The words of ``text`` as the index takes them."""
    terms: list[str] = []
    for match in word_pattern().finditer(unicodedata.normalize("NFC", text)):
        word = match[0]
        if match[1] is None:
            terms.append(_plain(word) if match[2] is None else _symbol(word))
        else:
            terms += (word[at : at + 2] for at in range(len(word)))  # the last is one character
    return " ".join(terms)


def wanted(query: str) -> Sequence[Word]:
    """The words of a query; its last one may be unfinished."""
    found = [
        Word(match[1] or (_symbol(match[2]) if match[2] else _plain(match[0])), match[1] is not None, False)
        for match in word_pattern().finditer(unicodedata.normalize("NFC", query))
    ][:MAX_WORDS]
    return [*found[:-1], found[-1]._replace(open=True)] if found else []


def phrases(words: Sequence[Word]) -> Sequence[Phrase]:
    """The words of a query as an index has them. A message is found that has all of these."""
    return [_phrase(word) for word in words]


def _phrase(word: Word) -> Phrase:
    text = word.text
    if not word.cjk or len(text) == 1:
        return Phrase(text, word.cjk or word.open)
    return Phrase(" ".join(text[at : at + 2] for at in range(len(text) - 1)), False)


def match_expression(words: Sequence[Word]) -> str:
    """The FTS5 query: all of the words, in any order."""
    return " AND ".join(f'"{text}"{"*" if begun else ""}' for text, begun in phrases(words))


def _plain(word: str) -> str:
    """Lower case, accents off."""
    if word.isascii():
        return word.lower()
    return "".join(c for c in unicodedata.normalize("NFKD", word.casefold()) if not unicodedata.combining(c))


def _symbol(symbol: str) -> str:
    """``kg`` for ``㎏``; of a picture, its number."""
    plain = _plain(symbol)
    return plain if plain.isalnum() else f"u{ord(symbol):x}"


def snippet(text: str, words: Sequence[Word]) -> Snippet | None:
    """The surroundings of the first match in ``text``; ``None`` if no word is in it."""
    line = " ".join(unicodedata.normalize("NFC", text).split())
    spans: list[tuple[int, int]] = []
    start = 0
    for low, high in _spans(line, words):
        if not spans:
            start = _start(line, low)
        if high > start + SNIPPET_CHARS:
            break
        spans.append((low, high))
    if not spans:
        return None
    end = min(len(line), start + SNIPPET_CHARS)
    before, after = "…" if start else "", "…" if end < len(line) else ""
    shift = len(before) - start
    shown = before + line[start:end] + after
    return Snippet(shown, [(_utf16(shown[: low + shift]), _utf16(shown[: high + shift])) for low, high in spans])


def _start(line: str, first: int) -> int:
    """Start of a snippet: a little before the match, at the beginning of a word if there is one near."""
    if first <= LEAD_CHARS:
        return 0
    blank = line.find(" ", first - LEAD_CHARS, first)
    return first - LEAD_CHARS if blank < 0 else blank + 1


def _spans(line: str, words: Sequence[Word]) -> Iterator[tuple[int, int]]:
    """Positions of the words, from left to right, without overlaps. A match longer than a snippet is cut to it."""
    runs = sorted((re.escape(word.text) for word in words if word.cjk), key=len, reverse=True)
    in_run = re.compile("|".join(runs)) if runs else None
    whole = {word.text for word in words if not word.cjk and not word.open}
    beginning = next((word.text for word in words if not word.cjk and word.open), None)
    for match in word_pattern().finditer(line):
        low = match.start()
        if match[1] is not None:
            for inner in in_run.finditer(match[0]) if in_run else ():
                yield low + inner.start(), low + min(inner.end(), inner.start() + SNIPPET_CHARS - LEAD_CHARS)
            continue
        plain = _symbol(match[2]) if match[2] else _plain(match[0])
        if plain in whole:
            high = match.end()
        elif beginning is not None and plain.startswith(beginning):
            high = low + len(beginning) if len(plain) == len(match[0]) else match.end()
        else:
            continue
        yield low, min(high, low + SNIPPET_CHARS - LEAD_CHARS)


def _utf16(text: str) -> int:
    """The length in UTF-16 code units."""
    return len(text) + sum(c > "\uffff" for c in text)
