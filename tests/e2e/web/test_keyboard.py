"""Keys: input methods in the orders that browsers send, and everything without a mouse."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

ENTER = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 229}


@pytest.fixture
def chat(visit, standing_gateway, request):
    return visit(standing_gateway, session=f"keys-{request.node.name}").ready()


@pytest.fixture
def ime(chat):
    """The browser's input method, by the DevTools protocol."""
    session = chat.page.context.new_cdp_session(chat.page)

    class Ime:
        def compose(self, *steps: str) -> None:
            for text in steps:
                session.send(
                    "Input.imeSetComposition", {"text": text, "selectionStart": len(text), "selectionEnd": len(text)}
                )

        def enter(self, key: str = "Process") -> None:
            session.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **ENTER, "key": key})
            session.send("Input.dispatchKeyEvent", {"type": "keyUp", **ENTER, "key": key})

        def commit(self, text: str) -> None:
            session.send("Input.insertText", {"text": text})

    return Ime()


def test_korean_enter_sends_the_committed_word_once(chat, ime):
    chat.composer.focus()
    ime.compose("ㅎ", "하", "한")
    ime.enter()
    expect(chat.mine).to_have_count(0)
    ime.commit("한")
    chat.composer.press("Enter")
    expect(chat.mine).to_have_text(["한"])
    chat.answered()
    expect(chat.mine).to_have_count(1)
    expect(chat.composer).to_have_value("")


def test_korean_enter_where_no_second_keydown_comes(chat, ime):
    chat.composer.focus()
    chat.page.keyboard.insert_text("안녕")
    ime.compose("ㅎ", "하")
    ime.enter("Enter")
    ime.commit("하")
    expect(chat.mine).to_have_text(["안녕하"])


def test_safaris_order_does_not_send(chat, ime):
    """The keydown comes after the end of the composition, not composing, but with 229."""
    chat.composer.focus()
    ime.compose("한")
    ime.commit("한")
    ime.enter("Enter")
    chat.page.keyboard.type("!")
    expect(chat.composer).to_have_value("한!")
    expect(chat.mine).to_have_count(0)


def test_japanese_enter_chooses_and_does_not_send(chat, ime):
    chat.composer.focus()
    ime.compose("に", "にほ", "日本")
    ime.enter()
    ime.commit("日本")
    chat.page.keyboard.type("語")
    expect(chat.composer).to_have_value("日本語")
    expect(chat.mine).to_have_count(0)


def test_a_composition_that_loses_the_focus_leaves_nothing_behind(chat, ime):
    chat.composer.focus()
    ime.compose("한")
    chat.page.get_by_placeholder("Search").focus()
    chat.composer.focus()
    chat.page.keyboard.press("End")
    chat.page.keyboard.type("!")
    chat.composer.press("Enter")
    expect(chat.mine).to_have_count(1)


def test_renaming_waits_for_the_syllable(chat, ime):
    chat.ask("[[text=ok]] rename me")
    chat.act("rename me", "Rename")
    field = chat.page.get_by_label("Rename")
    field.fill("")
    ime.compose("ㅇ", "이")
    ime.enter()
    expect(field).to_be_visible()
    ime.commit("이")
    chat.page.keyboard.press("Enter")
    expect(chat.page.get_by_role("heading", level=1)).to_have_text("이")


def test_shift_enter_is_a_new_line_and_the_field_grows(chat):
    height = chat.composer.bounding_box()["height"]
    chat.composer.press_sequentially("one")
    chat.composer.press("Shift+Enter")
    chat.composer.press_sequentially("two")
    expect(chat.composer).to_have_value("one\ntwo")
    assert chat.composer.bounding_box()["height"] > height


def test_control_enter_when_that_is_chosen(chat):
    chat.page.get_by_role("button", name="Settings").click()
    chat.page.get_by_role("radio", name="Ctrl+Enter").check()
    chat.page.keyboard.press("Escape")
    chat.composer.fill("[[text=ok]]")
    chat.composer.press("Enter")
    expect(chat.mine).to_have_count(0)
    chat.composer.press("Control+Enter")
    expect(chat.mine).to_have_count(1)


def focused(chat) -> str:
    """The name of what has the focus."""
    return chat.page.evaluate("""() => {
        const e = document.querySelector("clawdbot-chat").shadowRoot.activeElement;
        return e ? e.id || e.getAttribute("aria-label") || e.textContent.trim() : "";
    }""")


def test_everything_without_a_mouse(chat):
    """One can type at once; from the top there is a way to skip to the field; then ask, rename, open the settings."""
    assert focused(chat) == "composer"
    for _ in range(40):
        chat.page.keyboard.press("Shift+Tab")
        if focused(chat) == "Skip to the message box":
            break
    assert focused(chat) == "Skip to the message box"
    chat.page.keyboard.press("Enter")
    assert focused(chat) == "composer"
    chat.page.keyboard.type("[[text=ok]] by keyboard")
    chat.page.keyboard.press("Enter")
    expect(chat.replies).to_have_text("ok")
    chat.answered()
    actions = "Actions for [[text=ok]] by keyboard"
    for _ in range(40):
        chat.page.keyboard.press("Shift+Tab")
        if focused(chat) == actions:
            break
    assert focused(chat) == actions
    chat.page.keyboard.press("Enter")
    expect(chat.page.get_by_role("menuitem", name="Rename")).to_be_focused()
    chat.page.keyboard.press("ArrowDown")
    expect(chat.page.get_by_role("menuitem").nth(1)).to_be_focused()
    chat.page.keyboard.press("Escape")
    assert focused(chat) == actions
    chat.page.keyboard.press("Enter")
    chat.page.keyboard.press("Enter")
    expect(chat.page.get_by_label("Rename")).to_be_focused()
    chat.page.keyboard.press("Escape")
    assert focused(chat) == actions
    for _ in range(40):
        chat.page.keyboard.press("Tab")
        if focused(chat) == "Settings":
            break
    chat.page.keyboard.press("Enter")
    expect(chat.page.get_by_role("dialog", name="Settings")).to_be_visible()
    chat.page.keyboard.press("Escape")
    expect(chat.page.get_by_role("dialog", name="Settings")).to_be_hidden()
    assert focused(chat) == "Settings"
