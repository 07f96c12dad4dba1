"""Texts for people, in their language: flat JSON catalogues in ``locale/``, one a noun and language.

``t = catalogue("gateway")`` then ``t("ko", "reset.done", key="…")``. English is the fallback of languages and keys;
a key that is in no catalogue is a bug and raises ``KeyError``. ``{count|message|messages}`` in a text is the noun for
that number. Browser texts live in ``static/src``, not here.
"""

from __future__ import annotations

import json
import os
import string
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

LANGUAGES = ("en", "ko")
_FOLDER = Path(__file__).parent / "locale"


def nice_size(count: int) -> str:
    """A number of bytes as people read it: ``812 B``, ``2.1 KB``, ``14 MB``; a KB is 1024 bytes, as on the page."""
    amount, unit = float(count), "B"
    for larger in ("KB", "MB", "GB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:.0f} {unit}" if amount >= 9.95 else f"{amount:.1f}".removesuffix(".0") + f" {unit}"


def language(tag: str | None) -> str:
    """The language to speak for a BCP 47 tag or a POSIX locale (``ko-KR``, ``ko_KR.UTF-8``); ``en`` when unknown."""
    primary = (tag or "").replace("_", "-").split("-")[0].split(".")[0].lower()
    return primary if primary in LANGUAGES else "en"


def environment_language(env: Mapping[str, str] | None = None) -> str:
    """The language of the terminal: ``LC_ALL``, ``LC_MESSAGES`` or ``LANG``, in POSIX's order."""
    env = os.environ if env is None else env
    return language(next((env[n] for n in ("LC_ALL", "LC_MESSAGES", "LANG") if env.get(n)), None))


class _Formatter(string.Formatter):
    """``{count} {count|page|pages}`` gives ``1 page`` and ``3 pages``, as on the page; else it is ``str.format``."""

    def get_value(self, key: int | str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if isinstance(key, str) and "|" in key:
            name, one, many = key.split("|")
            return one if str(kwargs[name]) == "1" else many
        return super().get_value(key, args, kwargs)


_FORMATTER = _Formatter()


@cache
def texts(area: str, lang: str) -> Mapping[str, str]:
    """The whole catalogue of an area in one of ``LANGUAGES``."""
    found: dict[str, str] = json.loads((_FOLDER / f"{area}.{lang}.json").read_text(encoding="utf-8"))
    return found


def preload(*areas: str) -> None:
    """Read the catalogues of ``areas`` now: when a text has to say that no file can be opened, it cannot be read."""
    for area in areas:
        for lang in LANGUAGES:
            texts(area, lang)


def catalogue(area: str) -> Callable[..., str]:
    """The function ``t(locale, key, **facts)`` of one area (``gateway``, ``agent``, ``server``, ``cli``)."""

    def t(locale: str | None, key: str, /, **facts: Any) -> str:
        lang = language(locale)
        own = texts(area, lang)
        template = own[key] if key in own else texts(area, "en")[key]
        return _FORMATTER.vformat(template, (), facts) if facts else template

    return t
