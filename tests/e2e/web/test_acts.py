"""Actions on an answer: by another model, as a conversation of its own, read aloud, taken elsewhere."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

SESSION = "acts"
TABLE = "Before.\n\n| name | count |\n|---|--:|\n| **A** | 1 |\n| B | 2 |\n\n```py\nprint(1)\n```"
VOICE = """() => {
    window.spoken = [];
    const voice = {
        speaking: false,
        speak(words) { this.speaking = true; spoken.push([words.lang, words.text.replace(/\\s+/g, " ").trim()]); },
        cancel() { this.speaking = false; spoken.push("cancel"); },
    };
    Object.defineProperty(window, "speechSynthesis", { value: voice });
}"""
"""In the place of the browser's voice: headless, it has none."""
NO_CLIPBOARD = "() => Object.defineProperty(navigator, 'clipboard', { value: undefined })"
"""As on a page that came by plain http from another machine."""
PASTED = """() => new Promise((done) => document.addEventListener("paste", (event) => {
    event.preventDefault();
    done(["text/html", "text/plain"].map((type) => event.clipboardData.getData(type)));
}, { once: true, capture: true }))"""


def menu(chat, item: str) -> None:
    """Choose an item of the last answer's menu."""
    answer = chat.page.locator("article.assistant").last
    answer.hover()
    answer.get_by_role("button", name="More").click()
    chat.page.get_by_role("menuitem", name=item, exact=True).click()


@pytest.fixture
def chat(visit, standing_gateway):
    chat = visit(standing_gateway, session=SESSION).ready()
    chat.send("/clear")
    expect(chat.turns).to_have_count(0)
    chat.ask("[[text=start]]")
    return chat


def test_an_answer_is_written_again_by_another_model(visit, scripted_gateway):
    gateway, api = scripted_gateway
    chat = visit(gateway).ready()
    chat.ask("[[text=An answer.]]")
    expect(chat.page.locator(".usage summary").last).to_contain_text("sonnet")
    menu(chat, "Regenerate with…")
    models = chat.page.get_by_role("menuitem")
    expect(models.filter(has_text="Claude Opus 5.5")).to_be_visible()
    expect(models.first).to_be_focused()
    models.filter(has_text="Claude Opus 5.5").click()
    expect(chat.page.get_by_role("group", name="Versions")).to_contain_text("2/2")
    chat.answered()
    expect(chat.page.locator(".usage summary").last).to_contain_text("opus")
    assert [body["model"] for body in api.bodies if body.get("stream")][-2:] == ["claude-sonnet-5-5", "claude-opus-5-5"]
    expect(chat.page.locator(".model-name")).to_have_text("Claude Sonnet 5.5")  # the session's own stays


def test_a_conversation_goes_on_as_another_one_from_a_message(chat):
    chat.ask("[[text=second]]")
    address = chat.page.url
    answer = chat.page.locator("article.assistant").first
    answer.hover()
    answer.get_by_role("button", name="More").click()
    chat.page.get_by_role("menuitem", name="New session from here").click()
    expect(chat.toast.last).to_contain_text("everything up to that message")
    expect(chat.replies).to_have_text(["start"])
    chat.ask("[[text=other]]")
    expect(chat.replies).to_have_text(["start", "other"])
    chat.page.goto(address)
    expect(chat.replies).to_have_text(["start", "second"])


def test_an_answer_is_read_aloud_without_its_marks_until_it_is_stopped(chat):
    chat.fill(SESSION, ["**Bold** and [a link](https://x.example).\n\n```\nx\n```"])
    expect(chat.replies).to_have_count(2)
    chat.page.evaluate(VOICE)
    menu(chat, "Read aloud")
    assert chat.page.evaluate("spoken") == [["en", "Bold and a link. Code."]]
    menu(chat, "Read aloud")
    assert chat.page.evaluate("spoken.at(-1)") == "cancel"
    assert chat.page.evaluate("speechSynthesis.speaking") is False


@pytest.mark.parametrize("secure", [True, False], ids=["https", "plain http"])
def test_tables_and_code_are_taken_elsewhere(chat, secure):
    chat.fill(SESSION, [TABLE])
    answer = chat.replies.last
    expect(answer.locator("table")).to_be_visible()
    if secure:
        chat.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    else:
        chat.page.evaluate(NO_CLIPBOARD)
    answer.locator(".table").hover()
    answer.get_by_role("button", name="Copy table").click()
    expect(answer.locator(".block-bar .copy")).to_have_text("Copied")
    rich, text = paste(chat)
    assert text == "name\tcount\nA\t1\nB\t2"
    assert "<td><strong>A</strong></td>" in rich
    assert "Copy" not in rich
    answer.locator(".code-bar .copy").click()
    expect(answer.locator(".code-bar .copy")).to_have_text("Copied")
    assert paste(chat)[1] == "print(1)"


def paste(chat) -> list[str]:
    """The content of the clipboard, as HTML and as text, by pasting it."""
    chat.page.evaluate(f"() => {{ window.pasted = ({PASTED})(); }}")
    chat.composer.press("Control+v")
    found: list[str] = chat.page.evaluate("pasted")
    return found
