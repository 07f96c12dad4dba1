"""Text in parts of Office files that converters pass over: comments, headers, shapes, diagrams, deleted text."""

from __future__ import annotations

import html
import re
import zipfile
from collections.abc import Iterator

_RUN = re.compile(r"<(?:\w{1,20}:)?(t|delText|text)(?:\s[^<>]{0,500})?>([^<]*)</")
_PARAGRAPH_END = re.compile(r"</(?:\w{1,20}:)?(?:p|cm|comment)>")
_WORDS = re.compile(r"[\W_]+")
MOST_BYTES = 5_000_000
"""Of one part."""
_NAMES = (
    (re.compile(r"word/comments\w{0,40}\.xml|ppt/comments/[\w.-]{1,80}\.xml"), "comment"),
    (re.compile(r"word/header\d{0,6}\.xml"), "header"),
    (re.compile(r"word/footer\d{0,6}\.xml"), "footer"),
    (re.compile(r"word/(foot|end)notes\.xml"), "footnote"),
    (re.compile(r"(word|ppt)/diagrams/data\d{0,6}\.xml"), "diagram"),
    (re.compile(r"(word|ppt)/charts/chart\w{0,40}\.xml"), "chart"),
    (re.compile(r"word/document\.xml|ppt/slides/slide\d{1,6}\.xml"), "text"),
)


def shape_texts(path: str, parts: re.Pattern[str]) -> list[str]:
    """The texts of these parts, each once."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if parts.fullmatch(name)]
        return list(dict.fromkeys(text for name in names for text, _ in _paragraphs(archive, name)))


def cut_parts(path: str, parts: re.Pattern[str] | None = None) -> list[str]:
    """The names of those parts, by default of a document, of which only the first ``MOST_BYTES`` are looked through."""
    patterns = [parts] if parts else [pattern for pattern, _ in _NAMES]
    with zipfile.ZipFile(path) as archive:
        large = [entry.filename for entry in archive.infolist() if entry.file_size > MOST_BYTES]
    return [name for name in large if any(pattern.fullmatch(name) for pattern in patterns)]


def passed_over(path: str, converted: str) -> list[str]:
    """Lines ``[comment] …`` for the texts of a document that its conversion lacks, each once."""
    known = _WORDS.sub("", converted)
    found: dict[str, None] = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            label = next((label for pattern, label in _NAMES if pattern.fullmatch(name)), None)
            for text, deleted in _paragraphs(archive, name) if label else ():
                words = _WORDS.sub("", text)
                if words and words not in known:
                    found[f"[{'deleted' if deleted else label}] {text}"] = None
    return list(found)


def pictures(path: str) -> int:
    """The number of pictures in the file."""
    with zipfile.ZipFile(path) as archive:
        return sum("/media/" in f"/{name}" for name in archive.namelist())


def _paragraphs(archive: zipfile.ZipFile, name: str) -> Iterator[tuple[str, bool]]:
    """The text of each paragraph of a part, and whether it is all deleted text of a tracked change."""
    with archive.open(name) as part:
        xml = part.read(MOST_BYTES).decode("utf-8", "replace")
    for paragraph in _PARAGRAPH_END.split(xml):
        runs = _RUN.findall(paragraph)
        for deleted in (False, True):
            text = html.unescape("".join(text for kind, text in runs if (kind == "delText") == deleted)).strip()
            if text:
                yield text, deleted
