"""Files that go with a message: which ones a line names, and how the attachments of a message are named."""

from __future__ import annotations

import os
import shlex
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from ..escapes import clean, one_line
from ..i18n import nice_size
from .printing import say

KINDS = ("image", "audio", "video", "document", "file", "notebook")
"""Kinds of attachments that have a name here."""
ATTACH, DETACH = "/attach", "/detach"


class ExistingFile(click.Path):
    """A file that is there, in whichever form of Unicode its name is typed."""

    def __init__(self) -> None:
        super().__init__(exists=True, dir_okay=False, readable=True, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return super().convert(_on_disk(Path(os.fsdecode(value))), param, ctx)


def without(waiting: Sequence[Path], text: str) -> tuple[list[Path], list[Path]]:
    """The files but those that the rest of a ``/detach`` line names, and what it names that is not among them."""

    def known(word: str) -> bool:
        return any(_same(path, word) for path in waiting)

    words = [text] if known(text) else _words(text)
    return (
        [path for path in waiting if not any(_same(path, word) for word in words)],
        [Path(word) for word in words if not known(word)],
    )


def _same(path: Path, word: str) -> bool:
    named = unicodedata.normalize("NFC", os.path.expanduser(word))
    return named in (unicodedata.normalize("NFC", each) for each in (path.name, str(path)))


def _words(text: str) -> list[str]:
    """The words of a line as a shell would read them; the line itself while a quote is open."""
    try:
        return shlex.split(text)
    except ValueError:
        return [text]


def named_in(text: str) -> list[Path]:
    """The files that the rest of an ``/attach`` line names: one as it stands, or several as a shell would read them.

    Raises ``FileNotFoundError`` or ``IsADirectoryError`` for the first that cannot be attached.
    """
    whole = _on_disk(Path(text).expanduser())
    if whole.is_file():
        return [whole]
    paths = [_on_disk(Path(word).expanduser()) for word in _words(text)]
    for path in paths:
        if path.is_dir():
            raise IsADirectoryError(21, say("attach.folder"), str(path))
        if not path.is_file():
            raise FileNotFoundError(2, say("attach.missing"), str(path))
    return paths


def _on_disk(path: Path) -> Path:
    """The path as the disk has it: macOS writes Hangul in another form of Unicode than keyboards do."""
    if str(path).isascii() or path.exists():
        return path
    parent = _on_disk(path.parent)
    wanted = unicodedata.normalize("NFC", path.name)
    try:
        names = [name for name in os.listdir(parent) if unicodedata.normalize("NFC", name) == wanted]
    except OSError:
        return path
    return parent / names[0] if names else path


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
