"""The revision of a text: a short sum by which an edit says which text it was made for.

It guards against a change in between, not against an attacker: a permission is bound by SHA-256 (``gateway.hands``).
cyrb53, a public-domain hash by bryc, because a page on plain HTTP has no ``crypto.subtle``; pages compute the same in
TypeScript (``labextension/src/hands/revision.ts``).
"""

from __future__ import annotations

import sys
from array import array
from functools import lru_cache

_WORD = 0xFFFFFFFF
_UNITS = "utf-16-le" if sys.byteorder == "little" else "utf-16-be"


@lru_cache(maxsize=4096)
def revision(text: str) -> str:
    """The sum of ``text`` over its UTF-16 code units: 53 bits as 14 hexadecimal digits. Lone surrogates count too."""
    first, second = 0xDEADBEEF, 0x41C6CE57
    units = array("H", text.encode(_UNITS, "surrogatepass"))
    for unit in units:
        first = (first ^ unit) * 2654435761 & _WORD
        second = (second ^ unit) * 1597334677 & _WORD
    first = ((first ^ first >> 16) * 2246822507 & _WORD) ^ ((second ^ second >> 13) * 3266489909 & _WORD)
    second = ((second ^ second >> 16) * 2246822507 & _WORD) ^ ((first ^ first >> 13) * 3266489909 & _WORD)
    return f"{(second & 0x1FFFFF) << 32 | first:014x}"
