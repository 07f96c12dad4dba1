"""The composer: files on their way, pasting, menus, prompts, editing, dictation, phones."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect

from .chat import Chat
from .test_look import problems

SLOW = "[[tokens=400]] [[delay_ms=20]]"


@pytest.fixture
def chat(visit, standing_gateway, request) -> Chat:
    return visit(standing_gateway, session=f"composer-{request.node.name}").at_hand()


def picture(colour: str = "teal") -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(data, "PNG")
    return data.getvalue()


def choose(chat: Chat, name: str, mime: str, content: bytes) -> None:
    """Choose a file in the picker."""
    chat.page.locator(".attach input").set_input_files({"name": name, "mimeType": mime, "buffer": content})


def chips(chat: Chat, state: str = ""):
    return chat.page.locator(f".chip[data-state={state}]" if state else ".chip")


def sent_blocks(chat: Chat) -> list[dict]:
    """The content of the newest message of one's own, as the gateway has it."""
    blocks: list[dict] = chat.page.wait_for_function("""() => {
        const { controller } = document.querySelector("clawdbot-chat");
        const { state } = controller;
        return state.views[state.current].messages.findLast((m) => m.role === "user")?.content;
    }""").json_value()
    return blocks


PASTE = """([texts, file]) => {
    const data = new DataTransfer();
    for (const [type, text] of Object.entries(texts)) data.setData(type, text);
    if (file) data.items.add(new File([new Uint8Array(file.bytes)], file.name, { type: file.type }));
    const field = document.querySelector("clawdbot-chat").shadowRoot.querySelector("#composer");
    field.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
}"""


def paste(chat: Chat, texts: dict[str, str], file: dict | None = None) -> None:
    chat.composer.focus()
    chat.page.evaluate(PASTE, [texts, file])


def until(chat: Chat, true: Callable[[], bool]) -> None:
    """Wait for what Playwright's callbacks bring."""
    for _ in range(200):
        if true():
            return
        chat.page.wait_for_timeout(25)
    raise AssertionError("it did not happen")


def test_a_file_is_uploaded_survives_a_reload_and_goes_with_its_message(chat):
    choose(chat, "그림.png", "image/png", picture())
    expect(chips(chat, "ready")).to_have_text(re.compile("그림.png"))
    expect(chat.page.locator(".chip img")).to_have_js_property("naturalWidth", 64)
    chat.write("what is this?")
    chat.page.reload()
    chat.ready()
    expect(chips(chat, "ready")).to_have_text(re.compile("그림.png"))
    expect(chat.page.locator(".chip img")).not_to_have_js_property("naturalWidth", 0)
    expect(chat.composer).to_have_value("what is this?")
    chat.composer.press("Enter")
    expect(chips(chat)).to_have_count(0)
    chat.answered()
    blocks = sent_blocks(chat)
    image = next(block for block in blocks if block["type"] == "image")
    assert (image["name"], image["width"]) == ("그림.png", 64)
    chat.page.reload()
    chat.ready()
    expect(chat.composer).to_have_value("")
    expect(chips(chat)).to_have_count(0)


def test_the_same_bytes_do_not_travel_twice(chat):
    large = b"a line of a large file\n" * 60_000
    for name in ("one.txt", "two.txt"):
        choose(chat, name, "text/plain", large)
        expect(chips(chat, "ready").last).to_contain_text(name)
    assert len([url for url in chat.requests if "/media?" in url]) == 1
    chat.complaints.clear()  # the browser logs that the first was not there yet


def test_sending_waits_for_files_and_a_failed_one_blocks_with_the_reason(chat):
    held: list = []
    chat.page.route("**/media?*", lambda route: held.append(route))  # noqa: PLW0108 (Playwright marks what it is given)
    chat.write("[[text=ok]] and the file?")
    choose(chat, "a.txt", "text/plain", b"one")
    expect(chips(chat, "sending")).to_have_count(1)
    chat.composer.press("Enter")
    expect(chat.page.get_by_text("Your message is sent once its files are uploaded.")).to_be_visible()
    expect(chat.mine).to_have_count(0)
    full = {"error": {"code": "UNAVAILABLE", "message": "The disk is full.", "hint": "Free some space."}}
    until(chat, lambda: len(held) == 1)
    held[0].fulfill(status=507, json=full)
    expect(chips(chat, "failed")).to_contain_text("The disk is full. Free some space.")
    expect(chat.page.locator(".notice.problem")).to_contain_text("a.txt")
    expect(chat.composer).to_have_value("[[text=ok]] and the file?")
    expect(chat.mine).to_have_count(0)
    chat.page.get_by_role("button", name="Upload a.txt again").click()
    expect(chips(chat, "sending")).to_have_count(1)
    chat.composer.press("Enter")
    until(chat, lambda: len(held) == 2)
    held[1].continue_()
    expect(chat.replies).to_have_text("ok")
    assert "file" in [block["type"] for block in sent_blocks(chat)]
    chat.answered()
    choose(chat, "b.txt", "text/plain", b"two")
    chat.page.get_by_role("button", name="Cancel the upload of b.txt").click()
    expect(chips(chat)).to_have_count(0)
    chat.complaints.clear()  # the browser logs the refusal


def test_what_the_gateway_would_refuse_is_told_before_anything_is_sent(chat):
    choose(chat, "big.png", "image/png", b"x" * (20 * 1024 * 1024 + 1))
    expect(chips(chat, "failed")).to_contain_text("limit for this type is 20 MB")
    assert [url for url in chat.requests if "/media" in url] == []
    chat.send("keep me")
    expect(chat.page.locator(".notice.problem")).to_contain_text("big.png")
    expect(chat.composer).to_have_value("keep me")
    choose(chat, "empty.txt", "text/plain", b"")
    chat.composer.press("Enter")
    expect(chat.page.locator(".notice.problem")).to_contain_text("big.png and empty.txt could not be attached")
    chat.page.get_by_role("button", name="Remove empty.txt").click()
    chat.page.get_by_role("button", name="Remove big.png").click()
    choose(chat, "doc.hwp", "", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600)
    expect(chips(chat, "failed")).to_contain_text(re.compile("hwp", re.I))
    chat.complaints.clear()  # the browser logs the refusal


def test_pasted_cells_long_texts_and_pictures(chat):
    paste(chat, {"text/plain": "name\tcount\nA\t1", "text/html": "<table><tr><td>name</td></tr></table>"})
    expect(chat.composer).to_have_value("| name | count |\n| --- | --- |\n| A | 1 |")
    chat.composer.press("Control+z")
    expect(chat.composer).to_have_value("")
    paste(chat, {"text/plain": "lorem " * 500})
    expect(chips(chat, "ready")).to_contain_text("Pasted text")
    expect(chat.composer).to_have_value("")
    chat.page.get_by_role("button", name="Insert as text").click()
    expect(chat.composer).to_have_value("lorem " * 500)
    expect(chips(chat)).to_have_count(0)
    chat.write("")
    paste(chat, {}, {"name": "image.png", "type": "image/png", "bytes": list(picture("red"))})
    expect(chips(chat, "ready")).to_contain_text("image.png")
    chat.composer.press("Enter")  # a picture alone is a message, too
    expect(chips(chat)).to_have_count(0)
    chat.answered()
    expect(chat.replies).to_have_count(1)
    assert [block["type"] for block in sent_blocks(chat)] == ["image"]


def test_files_are_dropped_anywhere_on_the_chat(chat):
    drag = """(types) => {
        const data = new DataTransfer();
        data.items.add(new File(["a,b"], "table.csv", { type: "text/csv" }));
        const target = document.querySelector("clawdbot-chat").shadowRoot.querySelector(".main");
        for (const type of types) target.dispatchEvent(
            new DragEvent(type, { dataTransfer: data, bubbles: true, composed: true, cancelable: true }));
    }"""
    expect(chat.page.locator("clawdbot-composer-menu")).to_have_count(1)
    chat.page.wait_for_function("customElements.get('clawdbot-attachments') !== undefined")
    chat.page.evaluate(drag, ["dragenter", "dragover"])
    expect(chat.page.get_by_text("Drop files to attach them")).to_be_visible()
    chat.page.evaluate(drag, ["dragleave"])
    expect(chat.page.get_by_text("Drop files to attach them")).to_have_count(0)
    chat.page.evaluate(drag, ["dragenter", "drop"])
    expect(chips(chat, "ready")).to_contain_text("table.csv")
    expect(chat.page.get_by_text("Drop files to attach them")).to_have_count(0)


def test_files_of_the_server_are_mentioned(chat, standing_gateway):
    folder = Path(standing_gateway.state) / "my data"
    folder.mkdir(exist_ok=True)
    (folder / "sales.csv").write_text("a,b\n1,2\n")
    chat.composer.press_sequentially("compare @my")
    option = chat.page.get_by_role("option", name="my data/")
    expect(option).to_be_visible()
    expect(chat.composer).to_have_attribute("aria-activedescendant", "option-0")
    chat.composer.press("Enter")
    expect(chat.composer).to_have_value("compare @my data/")
    expect(chat.page.get_by_role("option", name="sales.csv")).to_be_visible()
    chat.composer.press("Tab")
    expect(chat.composer).to_have_value("compare ")
    expect(chips(chat, "ready")).to_contain_text("my data/sales.csv")
    chat.composer.press_sequentially("[[text=ok]]")
    chat.composer.press("Enter")
    expect(chat.replies).to_have_text("ok")
    assert "sales.csv" in [block.get("name") for block in sent_blocks(chat)]


def test_prompts_are_kept_edited_deleted_and_come_by_a_slash(chat):
    chat.page.get_by_role("button", name="Commands and prompts").click()
    chat.page.get_by_role("option", name="Manage prompts…").click()
    expect(chat.composer).to_have_value("")
    dialog = chat.page.get_by_role("dialog", name="Prompts")
    dialog.get_by_role("button", name="New prompt").click()
    dialog.get_by_label("Name").fill("요약 부탁")
    dialog.get_by_label("Text").fill("Summarise in three sentences:\n")
    dialog.get_by_role("button", name="Save").click()
    dialog.get_by_role("button", name="Edit 요약 부탁").click()
    dialog.get_by_label("Text").fill("Summarise in two sentences:")
    dialog.get_by_label("Text").press("Escape")
    dialog.get_by_role("button", name="Delete 요약 부탁").click()
    expect(dialog.get_by_text("No saved prompts yet.")).to_be_visible()
    dialog.get_by_role("button", name="Close").click()
    chat.toast.get_by_role("button", name="Undo").click()
    expect(chat.toast.get_by_role("button", name="Undo")).to_have_count(0)
    chat.composer.press_sequentially("/요약")
    expect(chat.page.get_by_role("option", name="요약 부탁")).to_be_visible()
    chat.composer.press("Enter")
    expect(chat.composer).to_have_value(re.compile("^Summarise in three sentences:"))
    expect(chat.mine).to_have_count(0)


def test_commands_complete_their_arguments_and_offer_the_exact_one_first(chat):
    chat.composer.press_sequentially("/st")
    first = chat.page.get_by_role("option").first
    expect(first).to_contain_text(re.compile("/sto|/sta"))
    expect(first).to_have_attribute("aria-selected", "true")
    listed = first.locator("code").inner_text()
    chat.composer.press("Tab")
    expect(chat.composer).to_have_value(listed)
    chat.write("")
    chat.composer.press_sequentially("/thi")
    chat.composer.press("Tab")
    expect(chat.composer).to_have_value("/think ")
    expect(chat.page.get_by_role("option", name="high")).to_be_visible()
    expect(chat.page.locator("[role=option][aria-selected=true]")).to_have_count(0)
    chat.composer.press_sequentially("hi")
    chat.composer.press("Enter")
    expect(chat.composer).to_have_value("/think high")
    chat.composer.press("Escape")
    chat.write("/model de")
    chat.composer.press_sequentially("m")
    expect(chat.page.get_by_role("option").first).to_contain_text("demo")


def test_up_edits_the_last_message_and_walks_earlier_ones(chat):
    chat.ask("[[text=first]] one")
    chat.write("my own draft")
    chat.composer.press("Home")
    chat.composer.press("ArrowUp")
    expect(chat.composer).to_have_value("[[text=first]] one")
    chat.composer.press("ArrowDown")
    expect(chat.composer).to_have_value("my own draft")
    chat.write("")
    chat.composer.press("ArrowUp")
    expect(chat.page.get_by_text("Editing a message.")).to_be_visible()
    chat.composer.press("Escape")
    expect(chat.page.get_by_text("Editing a message.")).to_have_count(0)
    expect(chat.composer).to_have_value("")
    chat.composer.press("ArrowUp")
    chat.page.reload()
    chat.ready()
    expect(chat.page.get_by_text("Editing a message.")).to_be_visible()
    chat.write("[[text=second]] two")
    chat.composer.press("Enter")
    expect(chat.replies).to_have_text(["second"])
    expect(chat.mine).to_have_text(["[[text=second]] two"])
    expect(chat.composer).to_have_value("")


def test_a_waiting_message_can_be_changed(chat):
    chat.send(SLOW)
    expect(chat.streaming).to_contain_text("t1")
    chat.send("[[text=given up]]")
    chat.send("[[text=before]]")
    waiting = chat.page.locator(".queue li")
    waiting.nth(1).get_by_role("button", name="Edit").click()
    field = waiting.get_by_role("textbox", name="Edit")
    field.fill("[[text=after]]")
    waiting.first.get_by_role("button", name="Cancel").click()
    expect(waiting).to_have_count(1)
    expect(field).to_have_value("[[text=after]]")
    field.press("Enter")
    expect(waiting).to_have_text(re.compile(r"\[\[text=after\]\]"))
    expect(chat.composer).to_be_focused()
    chat.page.get_by_role("button", name="Stop").click()
    expect(chat.replies.last).to_contain_text("after")


def test_a_long_draft_gets_room(chat):
    chat.write("a line\n" * 6)
    chat.composer.press("Control+Shift+E")
    dialog = chat.page.get_by_role("dialog", name="Write a long message")
    field = dialog.get_by_label("Message")
    expect(field).to_have_value("a line\n" * 6)
    field.press("Control+End")
    field.press("Enter")
    chat.page.keyboard.type("the end [[text=ok]]")
    expect(dialog).to_contain_text("characters")
    field.press("Escape")
    expect(chat.composer).to_have_value("a line\n" * 6 + "\nthe end [[text=ok]]")
    expect(chat.composer).to_be_focused()
    chat.page.get_by_role("button", name="Larger editor").click()
    field.press("Control+Enter")
    expect(chat.replies).to_have_text("ok")


FAKE_SPEECH = """window.SpeechRecognition = class {
    start() { window.heard = this; }
    stop() { this.onend(); }
    hear(transcript, isFinal) {
        this.onresult({ resultIndex: 0, results: [Object.assign([{ transcript }], { isFinal })] });
    }
}"""


def test_dictation_shows_what_is_being_said_and_writes_what_was(chat):
    chat.page.add_init_script(FAKE_SPEECH)
    chat.page.reload()
    chat.ready()
    chat.write("Note:")
    chat.page.get_by_role("button", name="Dictate").click()
    expect(chat.page.get_by_text("Listening…")).to_be_visible()
    assert chat.page.evaluate("heard.lang") == "en-US"
    chat.page.evaluate("heard.hear('hello wor', false)")
    expect(chat.page.locator("[data-listening]")).to_have_text("hello wor")
    expect(chat.composer).to_have_value("Note:")
    chat.page.evaluate("heard.hear('hello world', true)")
    expect(chat.composer).to_have_value("Note: hello world")
    chat.page.get_by_role("button", name="Stop dictating").click()
    expect(chat.page.locator("[data-listening]")).to_have_count(0)


def test_the_field_has_the_focus_when_one_comes_reloads_or_switches(chat):
    expect(chat.composer).to_be_focused()
    chat.page.reload()
    chat.ready()
    expect(chat.composer).to_be_focused()
    chat.page.get_by_role("button", name="New session").first.click()
    expect(chat.page).to_have_url(re.compile(r"session="))  # else back leads out of the page
    expect(chat.composer).to_be_focused()
    chat.page.go_back()
    expect(chat.composer).to_be_focused()


def test_an_input_method_is_left_alone_while_the_page_is_busy(chat):
    """A reply streams and a file arrives: what is being composed stays, and Enter in the menu belongs to it."""
    session = chat.page.context.new_cdp_session(chat.page)

    def compose(text: str) -> None:
        session.send("Input.imeSetComposition", {"text": text, "selectionStart": len(text), "selectionEnd": len(text)})

    chat.send(SLOW)
    expect(chat.streaming).to_contain_text("t3")
    chat.page.evaluate("""() => {
        const field = document.querySelector("clawdbot-chat").shadowRoot.querySelector("#composer");
        window.ended = 0;
        field.addEventListener("compositionend", () => window.ended++);
        window.field = field;
    }""")
    for text in ("ㅎ", "하", "한"):
        compose(text)
    choose(chat, "a.txt", "text/plain", b"one")
    expect(chips(chat, "ready")).to_have_count(1)
    expect(chat.streaming).to_contain_text("t30")
    assert chat.page.evaluate("window.field.isConnected && window.field.value") == "한"
    session.send("Input.insertText", {"text": "한"})
    expect(chat.composer).to_have_value("한")
    chat.write("")
    chat.composer.press_sequentially("/")
    compose("ㅅ")
    enter = {"key": "Process", "code": "Enter", "windowsVirtualKeyCode": 229}
    session.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **enter})
    session.send("Input.dispatchKeyEvent", {"type": "keyUp", **enter})
    expect(chat.composer).to_have_value("/ㅅ")
    chat.composer.press("Escape")
    chat.page.get_by_role("button", name="Stop").click()


def test_a_phone_has_enter_for_lines_and_no_keyboard_over_the_field(visit, standing_gateway):
    chat = visit(
        standing_gateway,
        session="composer-phone",
        viewport={"width": 360, "height": 700},
        has_touch=True,
        is_mobile=True,
    ).ready()
    expect(chat.composer).not_to_be_focused()
    chat.composer.press_sequentially("one")
    chat.composer.press("Enter")
    chat.composer.press_sequentially("two")
    expect(chat.composer).to_have_value("one\ntwo")
    expect(chat.composer).to_have_attribute("enterkeyhint", "enter")
    assert float(chat.composer.evaluate("e => parseFloat(getComputedStyle(e).fontSize)")) >= 16
    box = chat.composer.bounding_box()
    assert box["width"] > 280
    # A keyboard that lies over the page, as on iOS: the visible part is smaller than the page.
    chat.page.evaluate("""() => {
        Object.defineProperty(visualViewport, "height", { get: () => 380, configurable: true });
        visualViewport.dispatchEvent(new Event("resize"));
    }""")
    form = chat.page.locator("form.composer").element_handle()
    chat.page.wait_for_function("form => form.getBoundingClientRect().bottom < 380", arg=form)
    chat.page.get_by_role("button", name="Send").click()
    expect(chat.mine).to_have_text(["one\ntwo"])


@pytest.mark.parametrize(("locale", "scheme"), [("en-US", "dark"), ("ko-KR", "light")])
def test_axe_finds_nothing_around_the_field(visit, standing_gateway, locale, scheme):
    chat = visit(
        standing_gateway, session=f"composer-axe-{scheme}", locale=locale, color_scheme=scheme, bypass_csp=True
    ).ready()
    choose(chat, "a.png", "image/png", picture())
    expect(chips(chat, "ready")).to_have_count(1)
    choose(chat, "big.png", "image/png", b"x" * (20 * 1024 * 1024 + 1))
    expect(chips(chat, "failed")).to_have_count(1)
    chat.send("blocked")
    expect(chat.page.locator(".notice.problem")).to_be_visible()
    chat.write("@")
    chat.composer.press_sequentially("j")
    expect(chat.page.get_by_role("listbox")).to_be_visible()
    assert problems(chat) == []
    chat.write("")
    chat.composer.press("Control+Shift+E")
    expect(chat.page.locator("dialog.long-draft")).to_be_visible()
    assert problems(chat) == []
    chat.page.keyboard.press("Escape")
    chat.page.locator(".composer-buttons .icon-slash").click()
    chat.page.get_by_role("option", name=re.compile("Manage prompts|프롬프트 관리")).click()
    expect(chat.page.locator("dialog.prompts .none, dialog.prompts .prompt-list")).to_be_visible()
    assert problems(chat) == []
    chat.page.locator("dialog.prompts .primary").click()
    assert problems(chat) == []


BY_FRAMES_ONLY = """(url) => {
    const next = document.createElement("clawdbot-chat");
    next.transport = { connect(events) {
        const socket = new WebSocket(url);
        socket.onopen = () => events.open();
        socket.onmessage = ({ data }) => events.frame(data);
        socket.onclose = ({ code, reason }) => events.closed(code, reason);
        return { send: (text) => socket.send(text), close: (code = 1000) => socket.close(code) };
    } };
    next.sessionKey = "composer-frames";
    document.querySelector("clawdbot-chat").replaceWith(next);
}"""


def test_where_only_frames_get_through_files_go_inside_the_message(chat):
    chat.page.evaluate(BY_FRAMES_ONLY, chat.gateway.ws_url)
    chat.ready()
    choose(chat, "a.png", "image/png", picture())
    expect(chips(chat, "ready")).to_have_count(1)
    chat.send("[[text=ok]]")
    expect(chat.replies).to_have_text(["ok"])
    assert [url for url in chat.requests if "/media?" in url] == []
    assert "a.png" in [block.get("name") for block in sent_blocks(chat)]
