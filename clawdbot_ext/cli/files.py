"""Files that go with a message: which ones a line names, and how the attachments of a message are named."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..escapes import clean, one_line
from ..i18n import nice_size
from .printing import say

KINDS = ("image", "audio", "video", "document", "file", "notebook")
"""Kinds of attachments that have a name here."""
ATTACH, DETACH = "/attach", "/detach"


def named_in(text: str) -> list[Path]:
    """The files that the rest of an ``/attach`` line names: one as it stands, or several as a shell would read them.

    Raises ``FileNotFoundError`` or ``IsADirectoryError`` for the first that cannot be attached.
    """
    whole = Path(text).expanduser()
    if whole.is_file():
        return [whole]
    try:
        words = shlex.split(text)
    except ValueError:  # an open quote
        words = [text]
    paths = [Path(word).expanduser() for word in words]
    for path in paths:
        if path.is_dir():
            raise IsADirectoryError(21, say("attach.folder"), str(path))
        if not path.is_file():
            raise FileNotFoundError(2, say("attach.missing"), str(path))
    return paths


def attachments(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The blocks of a wire message that stand for files."""
    content = message.get("content")
    return (
        [block for block in content if isinstance(block, Mapping) and block.get("mediaId")]
        if isinstance(content, list)
        else []
    )


def line_of(block: Mapping[str, Any]) -> str:
    """``📎 plot.png (image, 320×200, 12 KB)``."""
    kind = block.get("type")
    facts = [say(f"attach.kind.{kind if kind in KINDS else 'file'}")]
    if block.get("width") and block.get("height"):
        facts.append(f"{block['width']}×{block['height']}")
    if block.get("pages"):
        facts.append(say("attach.pages", pages=block["pages"]))
    if block.get("durationMs"):
        minutes, seconds = divmod(round(block["durationMs"] / 1000), 60)
        facts.append(f"{minutes}:{seconds:02}")
    facts.append(nice_size(block.get("size") or 0))
    return one_line(f"📎 {block.get('name')} ({', '.join(facts)})")


def names(paths: Sequence[Path]) -> str:
    return ", ".join(clean(path.name) for path in paths)
