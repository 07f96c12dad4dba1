"""Layout on the screen: narrow windows, two languages, two lights, and for those who listen."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.support.messages_api import MessagesAPI
from tests.support.tools import require

from .chat import Chat

LANGUAGES = {"en": "en-US", "ko": "ko-KR"}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def problems(chat) -> list[str]:
    """The findings of axe-core, one line each."""
    axe = Path(require("axe-core"))
    if not chat.page.evaluate("'axe' in window"):
        chat.page.evaluate(axe.read_text(encoding="utf-8"))
    found = chat.page.evaluate("rules => axe.run(document, {runOnly: rules})", RULES)
    return [
        f"{violation['id']}: {node['html'][:120]} {node['failureSummary']}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


def overflow(chat) -> list[str]:
    """Elements that reach beyond the right edge without scrolling inside itself."""
    found: list[str] = chat.page.evaluate("""() => {
        const root = document.querySelector("clawdbot-chat").shadowRoot;
        const scrolls = (e) => e.closest(".table, pre, math, .math.display, clawdbot-sidebar, .sr");
        return [...root.querySelectorAll("*")]
            .filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !scrolls(e))
            .map((e) => e.localName + "." + e.className);
    }""")
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_axe_finds_nothing(visit, standing_gateway, language, scheme):
    chat = visit(standing_gateway, login=False, locale=LANGUAGES[language], color_scheme=scheme, bypass_csp=True)
    expect(chat.page.locator("#secret")).to_be_visible()
    assert problems(chat) == []
    chat = visit(
        standing_gateway,
        session=f"axe-{language}-{scheme}",
        locale=LANGUAGES[language],
        color_scheme=scheme,
        bypass_csp=True,
    ).ready()
    assert problems(chat) == []
    chat.ask("markdown")
    chat.send("error 529 [[first_ms=0]]")
    chat.send("/status")
    expect(chat.page.locator(".turn.command")).to_be_visible()
    chat.composer.press_sequentially("/")
    expect(chat.page.get_by_role("listbox")).to_be_visible()
    assert problems(chat) == []
    chat.write("")
    chat.page.locator(".foot-button").click()
    expect(chat.page.locator("dialog.settings")).to_be_visible()
    assert problems(chat) == []
    chat.page.keyboard.press("Escape")
    chat.page.keyboard.press("Control+k")
    expect(chat.page.locator("dialog.palette [role=option]").first).to_be_visible()
    assert problems(chat) == []
    chat.page.keyboard.press("Escape")
    chat.page.locator("button.model").click()
    expect(chat.page.locator(".model-row").first).to_be_visible()
    assert problems(chat) == []
    chat.page.locator(".model-menu .more").click()
    expect(chat.page.locator("#options-dialog")).to_be_visible()
    assert problems(chat) == []
    chat.page.keyboard.press("Escape")
    for item, dialog in ((".icon-download", "#export-dialog"), (".icon-history", "#archive-dialog")):
        chat.page.locator(".sessions li:has([aria-current]) .session-more").click(force=True)
        expect(chat.page.get_by_role("menu")).to_be_visible()
        if item == ".icon-download":
            assert problems(chat) == []
        chat.page.locator("[role=menuitem]", has=chat.page.locator(item)).click()
        expect(chat.page.locator(dialog)).to_be_visible()
        assert problems(chat) == []
        chat.page.keyboard.press("Escape")
    chat.page.locator("h1").click()
    chat.page.locator(".scroller").focus()
    chat.page.keyboard.press("?")
    expect(chat.page.locator("dialog.shortcuts")).to_be_visible()
    assert problems(chat) == []


@pytest.mark.parametrize("width", [360, 390])
def test_a_phone_has_everything_and_nothing_sticks_out(visit, standing_gateway, width):
    chat = visit(
        standing_gateway,
        session=f"phone-{width}",
        viewport={"width": width, "height": 740},
        has_touch=True,
        is_mobile=True,
        locale="ko-KR",
    ).ready()
    assert overflow(chat) == []
    chat.write("표 table and a-very-long-word-" + "x" * 120)
    chat.page.locator(".send").tap()
    expect(chat.replies.locator("table")).to_be_visible()
    chat.answered()
    assert overflow(chat) == []
    field = chat.composer.bounding_box()
    assert field is not None
    assert field["y"] + field["height"] <= 740
    chat.page.get_by_role("button", name="세션 목록 열기").tap()
    expect(chat.page.get_by_role("button", name="새 세션").first).to_be_focused()
    expect(chat.page.locator("main")).to_have_attribute("inert", "")
    chat.page.keyboard.press("Escape")
    expect(chat.page.get_by_role("button", name="세션 목록 열기")).to_be_focused()
    chat.composer.press("Enter")
    expect(chat.mine).to_have_count(1)


def test_targets_on_a_phone_are_large_enough_for_a_finger(visit, standing_gateway):
    chat = visit(
        standing_gateway, session="targets", viewport={"width": 390, "height": 740}, has_touch=True, is_mobile=True
    ).ready()
    chat.write("x")
    for name in ("Show sessions", "New session", "Send"):
        box = chat.page.get_by_role("button", name=name, exact=True).last.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 44, name


def test_settings_take_effect_at_once_and_stay(visit, standing_gateway):
    chat = visit(standing_gateway, session="settings").ready()
    chat.page.get_by_role("button", name="Settings").click()
    chat.page.get_by_role("radio", name="Dark").check()
    expect(chat.page.locator(".app")).to_have_css("color-scheme", "dark")
    chat.page.get_by_role("radio", name="한국어").check()
    expect(chat.page.get_by_role("dialog", name="설정")).to_be_visible()
    chat.page.keyboard.press("Escape")
    expect(chat.page.locator("html")).to_have_attribute("lang", "ko")
    chat.send("/status")
    expect(chat.page.locator(".turn.command")).to_contain_text("세션")
    chat.page.reload()
    expect(chat.page.get_by_role("button", name="새 세션").first).to_be_visible()
    expect(chat.page.locator(".app")).to_have_css("color-scheme", "dark")


def test_settings_are_found_by_name_and_each_can_be_reset(visit, standing_gateway):
    chat = visit(standing_gateway, session="find").ready()
    chat.page.get_by_role("button", name="Settings").click()
    dialog = chat.page.get_by_role("dialog", name="Settings")
    dialog.get_by_placeholder("Search settings").fill("width")
    expect(dialog.get_by_role("group")).to_have_count(1)
    dialog.get_by_role("radio", name="Wide").check()
    expect(chat.page.locator(".app")).to_have_attribute("data-width", "wide")
    dialog.get_by_role("button", name="Reset: Text width").click()
    expect(chat.page.locator(".app")).to_have_attribute("data-width", "normal")
    dialog.get_by_placeholder("Search settings").fill("nothing like it")
    expect(dialog.get_by_text("No matching setting.")).to_be_visible()
    chat.page.keyboard.press("Escape")
    expect(dialog.get_by_role("radio", name="High")).to_be_visible()
    dialog.get_by_role("radio", name="High").check()
    expect(chat.page.locator(".app")).to_have_css("background-color", "rgb(255, 255, 255)")


def answer_from(chat: Chat, api: MessagesAPI) -> None:
    """Let a key of the page's be tried there. The address alone makes a provider, so the page would ask for a key no
    more as soon as the gateway has read of it; here it hears of it when it has given one."""
    chat.page.evaluate("""() => {
        const { client } = document.querySelector("clawdbot-chat").controller, hear = client.onEvent;
        window.read = new Promise((done) => {
            client.onEvent = (name, payload) => name === "health" ? done(true) : hear(name, payload);
        });
    }""")
    base = {"models": {"providers": {"anthropic": {"baseUrl": api.url}}}}
    (chat.gateway.home / "config.json").write_text(json.dumps(base))
    chat.page.evaluate("window.read")


def test_a_key_is_tried_before_it_is_kept_and_can_be_taken_away(visit, make_gateway, messages_api):
    gateway = make_gateway()
    chat = visit(gateway).ready()
    chat.ask("[[text=From the demo.]]")
    answer_from(chat, messages_api)
    chat.page.get_by_role("button", name="Connect Claude").click()
    field = chat.page.get_by_label("Anthropic API key")
    expect(field).to_be_focused()
    messages_api.key = "sk-ant-right"
    field.fill("sk-ant-wrong")
    field.press("Enter")
    dialog = chat.page.get_by_role("dialog", name="Settings")
    expect(dialog.get_by_role("alert")).to_contain_text("The key did not work")
    assert "sk-ant-wrong" not in (gateway.home / "config.json").read_text()
    field.fill("sk-ant-right")
    field.press("Enter")
    expect(dialog.get_by_role("button", name="Remove the key")).to_be_visible()
    dialog.get_by_role("button", name="Remove the key").click()
    expect(chat.toast.filter(has_text="Key removed")).to_be_visible()
    assert "sk-ant-right" not in (gateway.home / "config.json").read_text()


def test_the_demo_says_how_to_get_a_real_model_and_a_key_is_never_shown_again(visit, make_gateway, messages_api):
    gateway = make_gateway()
    chat = visit(gateway).ready()
    expect(chat.page.locator(".model-name")).to_have_text("Demo model")
    answer_from(chat, messages_api)
    chat.page.locator("#api-key").fill("sk-ant-canary")
    chat.page.get_by_role("button", name="Save").click()
    expect(chat.page.locator(".greeting .setup")).to_have_count(0)
    chat.ask("[[text=A real model.]]")
    expect(chat.page.locator(".model-name")).to_have_text(re.compile(r"^Claude \w+ [\d.]+$"))
    expect(chat.replies).to_have_text("A real model.")
    chat.page.get_by_role("button", name="Settings").click()
    expect(chat.page.get_by_role("dialog", name="Settings")).to_contain_text("anthropic")
    assert "canary" not in chat.page.locator("clawdbot-chat").inner_html()
    assert "canary" not in chat.page.evaluate("JSON.stringify({...localStorage})")


def test_turns_are_articles_with_headings_and_the_log_is_silent(visit, standing_gateway):
    chat = visit(standing_gateway, session="aria").ready()
    chat.ask("[[text=Fine.]]")
    log = chat.page.get_by_role("log", name="Conversation")
    expect(log).to_have_attribute("aria-live", "off")
    expect(log.get_by_role("article")).to_have_count(2)
    headings = log.locator("article h2")
    expect(headings.first).to_have_text(re.compile(r"^Your message, "))
    expect(headings.last).to_have_text(re.compile(r"^Clawdbot's answer, "))


def test_on_a_phone_the_models_name_gives_way_to_the_title(visit, standing_gateway):
    chat = visit(standing_gateway, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True).ready()
    title = chat.page.locator(".header h1")
    expect(title).to_have_text("Main session")
    expect(chat.page.locator(".model")).to_be_visible()
    assert title.evaluate("title => title.scrollWidth <= title.clientWidth")
