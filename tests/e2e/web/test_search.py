"""Finding a message of any session, and taking a conversation along."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import expect

from tests.support.wire import run, wired

from .chat import Chat

KOREAN = {"locale": "ko-KR"}


@pytest.fixture
def chat(visit, make_gateway) -> Chat:
    chat = visit(make_gateway()).ready()
    chat.ask("[[text=In main.]] about aardvarks")
    return chat


def field(chat: Chat):
    return chat.page.get_by_role("searchbox")


def hits(chat: Chat):
    return chat.page.locator(".hit")


def inject(chat: Chat, *texts: str, key: str = "main") -> None:
    """Put messages into a session; in a thread of its own, as Playwright has a loop here."""

    async def main() -> None:
        async with wired(chat.gateway.ws_url, chat.gateway.token) as wire:
            if key != "main":
                await wire.ask(f"{key} [[text=new]]", key=key)
            for text in texts:
                await wire.call("chat.inject", {"sessionKey": key, "message": text})

    with ThreadPoolExecutor(1) as pool:
        pool.submit(run, main()).result(timeout=60)


def in_view(chat: Chat, text: str) -> None:
    """The message is marked, has the focus, and can be seen."""
    found = chat.page.locator("article[data-found]")
    expect(found).to_contain_text(text)
    expect(found).to_be_focused()
    expect(found).to_be_in_viewport()


def test_a_message_is_found_by_its_words_and_opened_in_its_place(chat):
    chat.new()
    chat.ask("[[text=The capital is Ljubljana, of course.]] capital?")
    chat.sessions.filter(has_text="Main session").click()
    field(chat).fill("ljub")
    expect(hits(chat)).to_have_count(2)  # the demo's directive is part of the question
    expect(hits(chat).first.locator("mark")).to_have_text("Ljub")
    expect(chat.status).to_have_text("Messages found: 2")
    hits(chat).first.click()
    expect(chat.replies).to_contain_text("Ljubljana")
    in_view(chat, "Ljubljana")
    expect(chat.page.locator("article[data-found]")).to_have_count(0, timeout=10_000)
    field(chat).fill("no-such-word-anywhere")
    expect(chat.page.get_by_text("No matching messages.")).to_be_visible()
    field(chat).press("Escape")
    expect(hits(chat)).to_have_count(0)


def test_a_message_far_back_is_loaded_and_shown_and_reading_goes_on_from_there(chat):
    inject(chat, "the needle", *(f"hay {number}\n\n" + "line\n\n" * 4 for number in range(260)))
    expect(chat.replies.last).to_contain_text("hay 259")
    field(chat).fill("needle")
    expect(hits(chat)).to_have_count(1)
    field(chat).press("Tab")
    chat.page.keyboard.press("Tab")
    hits(chat).first.focus()
    chat.page.keyboard.press("Enter")
    in_view(chat, "the needle")
    assert chat.page.locator("article[data-found]").get_attribute("aria-setsize") == "263"
    expect(chat.page.locator(".to-end")).to_be_visible()
    inject(chat, "something new")
    expect(chat.page.locator(".to-end")).to_have_text(re.compile("1"))
    expect(chat.page.locator("article", has_text="the needle").first).to_be_in_viewport()


def test_korean_is_found_while_it_is_being_composed(visit, make_gateway):
    chat = visit(make_gateway(), **KOREAN).ready()
    chat.ask("[[text=확인했어요]] 매출데이터분석을 해 줘")
    field(chat).focus()
    cdp = chat.page.context.new_cdp_session(chat.page)
    for composed in ("ㄷ", "데"):
        cdp.send("Input.imeSetComposition", {"text": composed, "selectionStart": 1, "selectionEnd": 1})
    expect(hits(chat).first.locator("mark")).to_have_text("데")
    cdp.send("Input.insertText", {"text": "데"})
    cdp.send("Input.imeSetComposition", {"text": "이터", "selectionStart": 2, "selectionEnd": 2})
    expect(field(chat)).to_have_value("데이터")
    expect(hits(chat).first.locator("mark")).to_have_text("데이터")
    expect(chat.page.locator(".hits-title")).to_have_text("메시지")


def test_a_message_of_an_earlier_conversation_is_read_apart_and_can_be_restored(chat):
    chat.act("Main session", "Start over")
    expect(chat.turns).to_have_count(0)
    chat.ask("[[text=New start.]]")
    field(chat).fill("aardvark")
    expect(hits(chat).locator(".badge")).to_have_text("archived")
    hits(chat).click()
    reader = chat.page.locator("dialog.reader")
    expect(reader.locator("article[data-found]")).to_contain_text("about aardvarks")
    expect(reader.locator("article[data-found]")).to_be_focused()
    expect(reader.locator("article").last).to_contain_text("In main.")
    expect(chat.replies.first).to_have_text("New start.")
    reader.get_by_role("button", name="Restore").click()
    expect(reader).to_be_hidden()
    expect(chat.page.locator(".column .reply")).to_have_text("In main.")


def test_what_a_message_says_is_shown_as_text(chat):
    inject(chat, '<img src=x onerror="alert(1)"> <b>zebra</b>')
    field(chat).fill("zebra")
    expect(hits(chat).locator(".hit-text")).to_have_text('<img src=x onerror="alert(1)"> <b>zebra</b>')
    expect(hits(chat).locator("img, b")).to_have_count(0)


def save(chat: Chat, title: str, name: str, folder: Path) -> Path:
    """Export a conversation in the format of that name, by hand."""
    chat.act(title, "Export")
    dialog = chat.page.get_by_role("dialog", name="Export conversation")
    with chat.page.expect_download() as download:
        dialog.locator(".export-choice", has=chat.page.get_by_text(name, exact=True)).click()
    expect(dialog).to_be_hidden()
    path = folder / str(download.value.suggested_filename)
    download.value.save_as(path)
    return path


def test_a_conversation_of_any_size_is_saved_as_a_file(chat, tmp_path: Path):
    for name, ending in (("Markdown", ".md"), ("HTML", ".html"), ("Jupyter Notebook", ".ipynb"), ("JSON", ".json")):
        path = save(chat, "Main session", name, tmp_path)
        assert path.suffix == ending
        text = path.read_text(encoding="utf-8")
        assert "about aardvarks" in text and "In main." in text
        if ending == ".ipynb":
            nbformat.validate(nbformat.reads(text, as_version=4))
        if ending == ".json":
            assert [each["role"] for each in json.loads(text)["messages"]] == ["user", "assistant"]
    # Too large for a frame: the browser fetches it by itself.
    inject(chat, *["x" * 950_000] * 9, key="large")
    assert save(chat, "large [[text=new]]", "Markdown", tmp_path).stat().st_size > 8_500_000


def test_the_exported_page_runs_nothing_and_looks_like_a_conversation(chat, tmp_path: Path):
    inject(chat, "<script>document.title = 'owned'</script><img src='http://192.0.2.1/x'>\n\n```python\nprint(1)\n```")
    chat.act("Main session", "Export")
    with chat.page.expect_download() as download:
        chat.page.get_by_role("button", name="HTML").click()
    path = tmp_path / "page.html"
    download.value.save_as(path)
    page = chat.page.context.new_page()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    assert requests == [path.as_uri()] and page.title() != "owned"
    expect(page.locator("pre code")).to_have_text("print(1)")
    expect(page.locator("article")).to_have_count(3)
