"""Rough estimate of a text's tokens, without a request."""

from __future__ import annotations

ASCII_TOKENS = 0.30
"""Tokens per ASCII character: between English prose (0.25) and code (0.35) with the tokenizer of Claude 5."""
OTHER_TOKENS = 0.42
"""Tokens per byte of UTF-8 beyond ASCII: 1.26 per Korean syllable or Han character, 0.84 per accented letter."""
_ASCII = bytes(range(128))


def estimate(text: str) -> int:
    """Tokens of a text, rather too many than too few. Linear in its length, about 1 µs per kilobyte."""
    if text.isascii():
        return int(len(text) * ASCII_TOKENS) + 1 if text else 0
    raw = text.encode("utf-8", "surrogatepass")
    other = len(raw.translate(None, _ASCII))
    return int((len(raw) - other) * ASCII_TOKENS + other * OTHER_TOKENS) + 1
