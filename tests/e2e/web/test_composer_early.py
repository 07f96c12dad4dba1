"""The composer in the page's first moments, before its lazy part has come: what is on its way goes along."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Route, WebSocketRoute, expect

from .chat import Chat
from .test_composer import chips, choose, paste, picture, sent_blocks, until


@pytest.fixture
def early(visit, standing_gateway, request) -> Iterator[tuple[Chat, list[Route]]]:
    """The page in its first moments: nothing lazy of the composer has come, and the requests for it are held."""
    chat = visit(standing_gateway, path="healthz")
    held: list[Route] = []
    late = re.compile(r"/assets/(lazy|notebook-context)-")
    chat.page.route(late, lambda route: held.append(route))  # noqa: PLW0108 (Playwright marks what it is given)
    chat.open(f"chat?session={request.node.name}")
    yield chat.ready(), held
    chat.page.unroute(late)


def release(chat: Chat, held: list[Route]) -> None:
    """Let the held requests go, and those that follow: Playwright goes on with those that no route handles."""
    until(chat, lambda: held != [])
    chat.page.unroute_all()


WAITS = "Your message is sent once its files are uploaded."


def test_a_file_chosen_before_the_composer_is_whole_goes_with_a_message_sent_at_once(early):
    chat, held = early
    choose(chat, "a.csv", "text/csv", b"a,b\n1,2\n")
    chat.send("[[text=ok]] and the file?")
    expect(chat.page.get_by_text(WAITS)).to_be_visible()
    expect(chat.mine).to_have_count(0)
    release(chat, held)
    expect(chat.replies).to_have_text("ok")
    assert "a.csv" in [block.get("name") for block in sent_blocks(chat)]
    expect(chat.composer).to_have_value("")
    expect(chips(chat)).to_have_count(0)


def test_a_picture_pasted_before_the_composer_is_whole_is_kept_and_may_be_all_of_a_message(early):
    chat, held = early
    paste(chat, {}, {"name": "image.png", "type": "image/png", "bytes": list(picture("red"))})
    chat.composer.press("Enter")
    expect(chat.page.get_by_text(WAITS)).to_be_visible()
    release(chat, held)
    chat.answered()
    assert [block["type"] for block in sent_blocks(chat)] == ["image"]


def test_the_files_of_a_draft_go_along_when_it_is_sent_right_after_a_reload(visit, standing_gateway):
    chat = visit(standing_gateway, session="early-reload").at_hand()
    choose(chat, "a.csv", "text/csv", b"a,b\n1,2\n")
    expect(chips(chat, "ready")).to_have_count(1)
    chat.write("[[text=ok]] and the file?")
    held: list[Route] = []
    chat.page.route("**/assets/lazy-*", lambda route: held.append(route))  # noqa: PLW0108 (as above)
    chat.page.reload()
    chat.ready()
    chat.composer.press("Enter")
    expect(chat.page.get_by_text(WAITS)).to_be_visible()
    release(chat, held)
    expect(chat.replies).to_have_text("ok")
    assert "a.csv" in [block.get("name") for block in sent_blocks(chat)]


def test_a_message_sent_before_the_first_connection_goes_with_it(visit, standing_gateway, request):
    chat = visit(standing_gateway, path="healthz")
    held: list[WebSocketRoute] = []
    chat.page.route_web_socket(lambda url: True, lambda socket: held.append(socket))  # noqa: PLW0108 (as above)
    chat.open(f"chat?session={request.node.name}")
    chat.composer.fill("[[text=ok]] at once")
    chat.composer.press("Enter")
    expect(chat.page.get_by_role("status").get_by_text("Connecting…")).to_be_visible()
    expect(chat.composer).to_have_value("[[text=ok]] at once")
    until(chat, lambda: held != [])
    chat.page.route_web_socket(lambda url: True, lambda socket: socket.connect_to_server() and None)
    for socket in held:
        socket.close(code=1006)
    expect(chat.replies).to_have_text("ok")
    expect(chat.mine).to_have_count(1)
    expect(chat.composer).to_have_value("")


GIVES_A_CELL = """() => { document.querySelector("clawdbot-chat").contexts = [{
    id: "cell", label: "Cell 3", on: true,
    read: async () => [{ fileName: "cell-3.py", mimeType: "text/x-python", content: btoa("x = 1") }],
}]; }"""


def test_what_the_home_gives_goes_along_though_its_switches_come_later_than_enter(early):
    chat, held = early
    chat.page.evaluate(GIVES_A_CELL)
    chat.send("[[text=ok]] and the cell?")
    expect(chat.page.get_by_text(WAITS)).to_be_visible()
    release(chat, held)
    expect(chat.replies).to_have_text("ok")
    assert "cell-3.py" in [block.get("name") for block in sent_blocks(chat)]


def test_a_message_does_not_go_without_a_file_for_which_the_page_lacks_a_part(early):
    chat, held = early
    choose(chat, "a.csv", "text/csv", b"a,b\n1,2\n")
    chat.send("and the file?")
    expect(chat.page.get_by_text(WAITS)).to_be_visible()
    until(chat, lambda: held != [])
    chat.page.route("**/assets/*", lambda route: route.abort())  # whichever of its files comes first
    for route in held:
        route.abort()
    expect(chat.toast).to_contain_text("could not be loaded")
    expect(chat.page.get_by_text(WAITS)).to_have_count(0)
    expect(chat.composer).to_have_value("and the file?")
    expect(chat.mine).to_have_count(0)
    chat.complaints.clear()  # the browser logs the request that failed
