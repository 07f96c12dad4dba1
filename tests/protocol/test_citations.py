"""The text of a reply that cites the web, and its sources."""

from __future__ import annotations

import re

import pytest
from markdown_it import MarkdownIt

from clawdbot_ext.protocol.citations import Source, cited, in_lines, in_markdown, joined, web_address


def text(said: str, *pages: tuple[str, str]) -> dict:
    cites = [{"type": "web_search_result_location", "title": title, "url": url} for title, url in pages]
    return {"type": "text", "text": said, **({"citations": cites} if cites else {})}


A, B = ("About x", "https://example.org/x"), ("y", "http://y.example/")


def test_blocks_around_a_citation_are_one_sentence_and_others_lines() -> None:
    blocks = [text("Look: "), text("x is so", A), text(", and "), text("y too.\n", A, B), text("Next"), text("line")]
    assert joined(blocks) == "Look: x is so, and y too.\nNext\nline"
    said, sources = cited({"content": blocks})
    assert said == "Look: x is so [1], and y too. [1] [2]\nNext\nline"
    assert sources == [Source(1, *A), Source(2, *B)]


def test_the_sources_stand_behind_the_text_as_markdown_that_a_title_cannot_break() -> None:
    page = ("](https://evil.example) <b>*x*", "https://example.org/a)b<c>")
    shown = in_markdown({"content": [text("x is so.", page)]}, "Sources")
    html = MarkdownIt("commonmark").render(shown)
    assert re.findall(r'href="([^"]*)"', html) == ["https://example.org/a)b%3Cc%3E"]
    assert "x is so. [1]" in html and "<b>" not in html and "<em>" not in html
    assert in_lines(cited({"content": [text("x", A)]})[1]) == ["[1] About x · https://example.org/x"]


def test_a_message_without_citations_stays_as_it_is() -> None:
    assert cited({"content": "plain"}) == ("plain", ())
    assert cited({"content": [text("a"), {"type": "image"}, text("b")]}) == ("a\nb", [])


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "https://", "https://a b", "//x", "https://u:p@x", "https://x\u202e", "http://[", None, 7],
)
def test_what_is_no_address_of_the_web_is_no_link(url: object) -> None:
    assert web_address(url) == ""
    block = {"type": "text", "text": "x", "citations": [{"title": "a\n b", "url": url}, {"url": url}, "odd"]}
    assert cited({"content": [block]}) == ("x [1]", [Source(1, "a b", "")])
