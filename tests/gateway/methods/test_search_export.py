"""``sessions.search`` and ``sessions.export`` over a real socket."""

from __future__ import annotations

import asyncio
import json
from html.parser import HTMLParser
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode

import nbformat
import pytest
from tornado.httputil import HTTPHeaders

from clawdbot_ext.gateway.sessions import export_formats
from clawdbot_ext.gateway.sessions.export_formats import Conversation, blocks_of
from tests.cli.conftest import run_cli
from tests.support.http import TIMEOUT_S, Answer, ask
from tests.support.wire import WireError, run, wired

HOSTILE = '<script>alert(1)</script><img src=x onerror="alert(2)">&amp; " \' javascript:x'
REPLY = "Look:\n\n```python\nprint('안녕')\n```\n\nthen\n\n```sh\nls\n```\n\n~~~\nplain = 1\n~~~\ndone"


def conversation(*messages: dict[str, Any], title: str = "T") -> Conversation:
    return Conversation(
        title=title,
        key="agent:main:main",
        session_id="s",
        exported_at=5,
        messages=messages,
        locale="en",
        you="You",
        offset="+0000",
    )


def message(role: str, text: str, **fields: Any) -> dict[str, Any]:
    return {"role": role, "content": [{"type": "text", "text": text}], "timestamp": 1000, **fields}


def test_exports_name_what_a_reply_cites_and_link_addresses_of_the_web_alone():
    cites = [{"title": "About <b>x", "url": "https://example.org/x"}, {"title": "Bad", "url": "javascript:x"}]
    reply = message("assistant", "x is so")
    reply["content"] = [{**reply["content"][0], "citations": cites}, {"type": "text", "text": ", no more."}]
    made = conversation(reply)
    links = "1. [About \\<b\\>x](<https://example.org/x>) (example\\.org)\n2. Bad"
    assert "x is so \\[1\\] \\[2\\], no more.\n\n**Sources**\n\n" + links in export_formats.markdown(made)
    page = export_formats.html(made)
    assert "<p>x is so [1] [2], no more.</p>" in page and "[1] About &lt;b&gt;x · https://example.org/x" in page
    assert "<a " not in page and "javascript" not in page
    assert links in "".join(json.loads(export_formats.notebook(made))["cells"][-1]["source"])


def test_a_search_over_the_wire_gives_pages_of_hits(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            for key in ("a", "b", "c"):
                await wire.ask("매출데이터 [[text=답변]]", key=key)
            await wire.call("sessions.patch", {"key": "c", "label": "Sales"})
            page = await wire.call("sessions.search", {"query": "데이터", "limit": 2})
            first = page["hits"][0]
            assert [hit["sessionKey"][-1] for hit in page["hits"]] == ["c", "b"]
            assert (first["label"], first["role"], first["seq"], first["archived"]) == ("Sales", "user", 1, False)
            assert first["derivedTitle"].startswith("매출데이터") and first["timestamp"] > 0
            low, high = first["highlights"][0]
            assert first["snippet"][low:high] == "데이터"
            rest = await wire.call("sessions.search", {"query": "데이터", "before": page["next"]})
            assert [hit["sessionKey"][-1] for hit in rest["hits"]] == ["a"] and "next" not in rest
            history = await wire.call("chat.history", {"sessionId": first["sessionId"]})
            assert first["messageId"] in [each["id"] for each in history["messages"]]
            await wire.call("sessions.reset", {"key": "b"})
            hits = (await wire.call("sessions.search", {"query": "데이터"}))["hits"]
            assert [hit["archived"] for hit in hits] == [False, True, False]
            await wire.call("sessions.clear", {"key": "c"})
            assert len((await wire.call("sessions.search", {"query": "데이터"}))["hits"]) == 2

    run(main())


def test_an_export_over_the_wire_has_a_name_a_type_and_the_conversation(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            await wire.ask(f"hello {HOSTILE}")
            made = {
                form: await wire.call("sessions.export", {"key": "main", "format": form})
                for form in export_formats.FORMATS
            }
            assert [each["filename"].rsplit(".", 1)[1] for each in made.values()] == ["md", "json", "html", "ipynb"]
            assert all("/" not in each["filename"] and "<" not in each["filename"] for each in made.values())
            assert HOSTILE in made["markdown"]["content"]
            history = await wire.call("chat.history", {"sessionKey": "main"})
            document = json.loads(made["json"]["content"])
            assert document["messages"] == history["messages"] and document["version"] == 1
            nbformat.validate(nbformat.reads(made["ipynb"]["content"], as_version=4))
            await wire.call("sessions.reset", {"key": "main"})
            old = await wire.call("sessions.export", {"sessionId": history["sessionId"], "format": "json"})
            assert json.loads(old["content"])["messages"] == history["messages"]
            for bad in (
                {"format": "json"},
                {"key": "main", "format": "pdf"},
                {"key": "unknown", "format": "json"},
                {"key": "main", "sessionId": "x", "format": "json"},
            ):
                with pytest.raises(WireError) as refused:
                    await wire.call("sessions.export", bad)
                assert refused.value.code == "INVALID_REQUEST"

    run(main())


def test_an_export_beyond_the_bound_of_a_frame_is_refused_there_and_streamed_over_http(gateway, tmp_path):
    def streamed(form: str, **more: str) -> Any:
        query = urlencode({"key": "main", "format": form, **more})
        connection = HTTPConnection("127.0.0.1", gateway.port, timeout=TIMEOUT_S)
        try:
            connection.request("GET", f"/export?{query}", headers={"Authorization": f"Bearer {gateway.token}"})
            response = connection.getresponse()
            return Answer(response.status, HTTPHeaders(dict(response.getheaders())), response.read())
        finally:
            connection.close()

    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            await wire.ask("start [[text=x]]")
            for _ in range(9):
                await wire.call("chat.inject", {"sessionKey": "main", "message": "x" * 950_000})
            with pytest.raises(WireError) as refused:
                await wire.call("sessions.export", {"key": "main", "format": "markdown"})
            assert refused.value.details["reason"] == "EXPORT_TOO_LARGE"
            made = {form: await asyncio.to_thread(streamed, form) for form in export_formats.FORMATS}
            assert all(each.status == 200 and len(each.body) > 8_500_000 for each in made.values())
            assert made["html"].headers["Content-Disposition"] == "attachment; filename*=UTF-8''start-text-x.html"
            assert "sandbox" in made["html"].headers["Content-Security-Policy"]
            history = (await wire.call("chat.history", {"sessionKey": "main", "limit": 3}))["messages"]
            messages = made["json"].json()["messages"]
            assert len(messages) == 11 and messages[-len(history) :] == history
            nbformat.validate(nbformat.reads(made["ipynb"].body.decode(), as_version=4))
            assert made["markdown"].body.count(b"\n## ") == 11 and made["html"].body.count(b"<article") == 11
            assert (await asyncio.to_thread(streamed, "pdf")).status == 400
            assert (await asyncio.to_thread(streamed, "json", sessionId="x")).status == 400
            assert ask(gateway.port, path="/export?key=main&format=json").status in (401, 403)

    run(main())
    done = run_cli(gateway.environment, "sessions", "export", "main", "-o", str(tmp_path / "all.md"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "all.md").read_bytes() == streamed("markdown").body
    assert [each.name for each in tmp_path.iterdir() if "partial" in each.name] == []
    done = run_cli(gateway.environment, "sessions", "export", "nothing-here", "-o", str(tmp_path / "none.md"))
    assert done.returncode != 0 and not (tmp_path / "none.md").exists()


class Tags(HTMLParser):
    """The tags of a page with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_web_page_can_do_nothing_and_loads_nothing():
    hostile = message("assistant", f"{HOSTILE}\n\n```html\n</code></pre>{HOSTILE}\n```", model=HOSTILE)
    page = Tags()
    page.feed(export_formats.html(conversation(message("user", HOSTILE), hostile, title=HOSTILE)))
    tags = {tag for tag, _ in page.seen}
    assert tags == {"html", "head", "meta", "title", "style", "body", "h1", "article", "h2", "p", "pre", "code"}
    attributes = {name for _, given in page.seen for name in given}
    assert attributes == {"lang", "charset", "http-equiv", "content", "name", "class"}
    policy = next(given["content"] for _, given in page.seen if given.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert page.text.count(HOSTILE) == 6  # title twice, question, heading, answer, code


def test_a_notebook_has_prose_and_code_in_order():
    document = json.loads(
        export_formats.notebook(
            conversation(
                message("user", "```python\nnot for running\n```"), message("assistant", REPLY, model="claude")
            )
        )
    )
    nbformat.validate(document)
    cells = [(cell["cell_type"], cell["source"]) for cell in document["cells"]]
    assert [kind for kind, _ in cells] == ["markdown"] * 3 + ["code"] + ["markdown"] * 2 + ["code", "markdown"]
    assert cells[3][1] == "print('안녕')" and cells[5][1] == "```sh\nls\n```" and cells[6][1] == "plain = 1"
    assert "claude" in cells[2][1] and "Look:" in cells[2][1] and cells[7][1] == "done"


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("a\n\nb", [("a\n\nb", None)]),
        ("```\nx", [("x", "")]),
        ("````md\n```\nin\n```\n````\nout", [("```\nin\n```", "md"), ("out", None)]),
        ("  ```py\n  x\n    y\n  ```", [("x\n  y", "py")]),
        ("``` a`b\nx", [("``` a`b\nx", None)]),
        ("~~~ {.python}\n```\n~~~", [("```", "python")]),
        ("\n\n", []),
    ],
)
def test_fences_are_read_as_markdown_does(text, blocks):
    assert [(block.text, block.language) for block in blocks_of(text)] == blocks


def test_markdown_and_json_hold_what_was_said():
    made = conversation(
        message("user", "안녕"),
        message("assistant", REPLY, model="claude"),
        {"role": "assistant", "content": [], "timestamp": 1},
    )
    text = export_formats.markdown(made)
    assert text.startswith("# T\n\n## You · ") and REPLY in text and text.count("\n## ") == 2
    document = json.loads(export_formats.as_json(made))
    assert document["format"] == "clawdbot-jupyter/conversation" and document["messages"] == list(made.messages)
