"""Directives in a message, ``[[name=value]]``: how a test or a demonstration asks a scripted provider to behave.

Understood by ``demo.DemoProvider`` and by the scripted Messages API of the test suite; no other provider looks at them.
The last user text of a request counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

_DIRECTIVE = re.compile(r"\[\[\s*([a-z_]+)\s*(?:=(.*?))?\]\]", re.DOTALL)


def last_user_text(messages: Sequence[Mapping[str, Any]]) -> str:
    """The text of the newest user message of a Messages API request (its last text block), or ``""``."""
    for message in reversed(messages):
        if message.get("role") != "user":
            continue
        content = message.get("content")
        if isinstance(content, str):
            return content
        texts = [b.get("text", "") for b in content or () if isinstance(b, Mapping) and b.get("type") == "text"]
        return str(texts[-1]) if texts else ""
    return ""


def parse(text: str) -> dict[str, str]:
    """``{"tokens": "3"}`` for ``"[[tokens=3]] hello"``; a directive without a value has the value ``"1"``."""
    return {name: "1" if value is None else value for name, value in _DIRECTIVE.findall(text) if name} if text else {}


def strip(text: str) -> str:
    """The text without its directives."""
    return _DIRECTIVE.sub("", text).strip()


def number(directives: Mapping[str, str], name: str, default: float) -> float:
    """The value of a numeric directive; ``default`` when it is absent or no number."""
    try:
        return float(directives[name])
    except (KeyError, ValueError):
        return default
