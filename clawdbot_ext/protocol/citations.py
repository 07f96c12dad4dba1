"""Citations of a reply: the pages that the provider's own web search and fetch have led to.

A text block of a wire message has ``citations`` as the provider gave them (``title``, ``url``, ``cited_text``). Titles
and addresses are a stranger's: an address counts only if it is one of the web.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")
TITLE_CHARS, URL_CHARS = 200, 2_000


class Source(NamedTuple):
    """A page that was cited; ``url`` is empty where there is no address of the web."""

    number: int
    title: str
    url: str


def joined(blocks: Iterable[Any], citing: Callable[[Mapping[str, Any]], str] = lambda _block: "") -> str:
    """The text blocks of a message as one text. Neighbours of which one has citations are parts of one sentence.

    ``citing`` gives what is to stand behind a block.
    """
    text, before = "", None
    for block in blocks:
        if not isinstance(block, Mapping) or block.get("type") != "text":
            continue
        part = str(block.get("text") or "")
        if marks := citing(block):
            bare = part.rstrip()
            part = f"{bare}{marks}{part[len(bare) :]}"
        whole = before is None or block.get("citations") or before.get("citations")
        text += part if whole else f"\n{part}"
        before = block
    return text


def cited(message: Mapping[str, Any], mark: str = " [{}]") -> tuple[str, Sequence[Source]]:
    """The text of a message with a ``mark`` where something is cited, and the sources in the order of their numbers."""
    content = message.get("content")
    if isinstance(content, str):
        return content, ()
    sources: dict[tuple[str, str], Source] = {}

    def marks(block: Mapping[str, Any]) -> str:
        numbers = []
        given = block.get("citations")
        for citation in given if isinstance(given, Sequence) else ():
            if isinstance(citation, Mapping) and (page := _page(citation)) is not None:
                numbers.append(sources.setdefault(page, Source(len(sources) + 1, *page)).number)
        return "".join(mark.format(number) for number in dict.fromkeys(numbers))

    text = joined(content or (), marks)
    return text, list(sources.values())


def in_markdown(message: Mapping[str, Any], heading: str) -> str:
    """The text of a message with its sources behind it, as Markdown."""
    text, sources = cited(message, r" \[{}\]")
    if not sources:
        return text
    rows = [f"{each.number}. {_link(each)}" for each in sources]
    return "\n\n".join((text.rstrip(), f"**{heading}**", "\n".join(rows)))


def _link(source: Source) -> str:
    if not source.url:
        return _literal(source.title)
    address = source.url.replace("<", "%3C").replace(">", "%3E").replace("\\", "%5C")
    return f"[{_literal(source.title)}](<{address}>) ({_literal(urlsplit(source.url).netloc)})"


def _literal(text: str) -> str:
    return _PUNCTUATION.sub(r"\\\g<0>", text)


def in_lines(sources: Iterable[Source]) -> list[str]:
    """The sources as plain text, a line each."""
    return [f"[{each.number}] {each.title}" + (f" · {each.url}" if each.url else "") for each in sources]


def _page(citation: Mapping[str, Any]) -> tuple[str, str] | None:
    """Title and address; ``None`` where there is neither."""
    url = web_address(citation.get("url"))
    title = " ".join(str(citation.get("title") or citation.get("document_title") or "").split())[:TITLE_CHARS]
    title = title or urlsplit(url).netloc
    return (title, url) if title else None


def web_address(url: Any) -> str:
    """The address if it is one of the web, else nothing."""
    if (
        not isinstance(url, str)
        or len(url) > URL_CHARS
        or any(sign.isspace() or not sign.isprintable() for sign in url)
    ):
        return ""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc else ""
