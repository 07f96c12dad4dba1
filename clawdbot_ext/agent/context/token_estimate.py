"""Rough estimate of a text's tokens, without a request.

Prose has some four characters a token, code three, and data (digits, hexadecimal, JSON) little more than one: the
tokenizer of Claude 5 takes digits by ones and twos, and each bracket and quote by itself.
"""

from __future__ import annotations

from functools import lru_cache

ASCII_TOKENS = 0.30
"""Tokens per ASCII character of a text that is not known: between English prose (0.26) and code (0.35)."""
LETTER_TOKENS, SPACE_TOKENS, DIGIT_TOKENS, MARK_TOKENS = 0.27, 0.16, 0.75, 0.65
"""Tokens per letter of a word, space, digit and punctuation mark."""
CODED_LETTER_TOKENS = 0.40
"""Added to each letter as far as there are as many digits as letters: then the letters are no words."""
OTHER_TOKENS = 0.42
"""Tokens per byte of UTF-8 beyond ASCII: 1.26 per Korean syllable or Han character, 0.84 per accented letter."""
_ASCII = bytes(range(128))
_DIGITS = b"0123456789"
_SPACES = b" \t\r\n\f\v"
KNOWN_TEXTS, KNOWN_CHARS = 4096, 2000
"""Estimates that are kept, since each step of a conversation counts it all again, and the longest text of one."""
_LETTERS = bytes(code for code in _ASCII if chr(code).isalpha())


def estimate(text: str) -> int:
    """Tokens of a text, rather too many than too few. Linear in its length, a few µs per kilobyte."""
    return _known(text) if len(text) <= KNOWN_CHARS else _counted(text)


def _counted(text: str) -> int:
    if not text:
        return 0
    raw = text.encode("utf-8", "surrogatepass")
    size = len(raw)
    other = 0 if text.isascii() else len(raw.translate(None, _ASCII))
    digits = size - len(raw.translate(None, _DIGITS))
    spaces = size - len(raw.translate(None, _SPACES))
    letters = size - len(raw.translate(None, _LETTERS))
    marks = size - other - digits - spaces - letters
    letter = LETTER_TOKENS + CODED_LETTER_TOKENS * min(1.0, digits / letters if letters else 0.0)
    tokens = letters * letter + spaces * SPACE_TOKENS + digits * DIGIT_TOKENS + marks * MARK_TOKENS
    return int(tokens + other * OTHER_TOKENS) + 1


_known = lru_cache(KNOWN_TEXTS)(_counted)
