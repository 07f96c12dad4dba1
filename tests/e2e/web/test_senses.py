"""Accessibility beyond screen readers: forced colours, less motion, the whole time by keyboard."""

from __future__ import annotations

import re

from playwright.sync_api import expect

MOVING = """() => document.querySelector("clawdbot-chat").shadowRoot.getAnimations()
    .filter((each) => each.playState === "running").length"""
STYLE = """(element, [pseudo, name]) => getComputedStyle(element, pseudo || null)[name]"""


def style(place, name: str, pseudo: str = "") -> str:
    found: str = place.evaluate(STYLE, [pseudo, name])
    return found


def test_the_whole_time_is_shown_to_the_pointer_and_to_the_keyboard(visit, standing_gateway):
    chat = visit(standing_gateway, session="times").ready()
    chat.ask("[[text=When?]]")
    for turn in (chat.page.locator("article.user").last, chat.page.locator("article.assistant").last):
        time = turn.locator("time")
        whole = time.get_attribute("data-full")
        assert re.search(r"\w+day, \w+ \d+, 20\d\d at \d+:\d\d:\d\d", whole or "")
        assert style(time, "content", "::after") == "none"
        time.hover()
        assert style(time, "content", "::after") == f'"{whole}"'
        chat.page.mouse.move(2, 2)
        assert style(time, "content", "::after") == "none"
        chat.composer.focus()
        turn.get_by_role("button", name="Copy").focus()
        chat.page.keyboard.press("Tab")  # now the focus is one of the keyboard
        assert style(time, "content", "::after") == f'"{whole}"'
        assert style(turn.locator(".meta"), "opacity") == "1"


def test_forced_colours_leave_nothing_to_colour_alone(visit, standing_gateway):
    chat = visit(standing_gateway, session="forced", forced_colors="active").ready()
    chat.ask("[[text=Fine.]]")
    assert chat.page.evaluate("matchMedia('(forced-colors: active)').matches")
    assert style(chat.mine.last, "borderTopStyle") == "solid"
    assert style(chat.page.locator(".session[aria-current]"), "borderTopStyle") == "solid"
    ground = style(chat.page.locator(".app"), "backgroundColor")
    assert style(chat.page.locator(".connection i"), "backgroundColor") != ground
    chat.write("x")
    send = chat.page.locator(".send")
    assert style(send, "backgroundColor") != style(send, "color")
    chat.composer.press("Tab")
    focused = chat.page.locator(":focus-visible")
    assert style(focused, "outlineStyle") == "solid"
    chat.page.locator(".foot-button").click()
    chosen = chat.page.locator(".segments input:checked + span").first
    expect(chosen).to_be_visible()
    assert style(chosen, "outlineStyle") == "solid"
    assert style(chat.page.locator(".segments input:not(:checked) + span").first, "outlineStyle") == "none"
    chat.page.keyboard.press("Escape")
    chat.page.keyboard.press("Control+k")
    option = chat.page.locator("dialog.palette [role=option][aria-selected=true]")
    expect(option).to_be_visible()
    assert style(option, "outlineStyle") == "solid"
    chat.page.keyboard.press("Escape")


def test_nothing_moves_for_who_wants_less_motion(visit, standing_gateway):
    chat = visit(standing_gateway, session="motion", reduced_motion="no-preference").ready()
    chat.send("[[first_ms=600000]] wait for it")
    expect(chat.page.locator(".dots")).to_be_visible()
    assert chat.page.evaluate(MOVING) > 0
    chat.page.emulate_media(reduced_motion="reduce")
    assert chat.page.evaluate(MOVING) == 0
    assert style(chat.page.locator(".dots i").first, "animationName") == "none"
    assert style(chat.page.locator(".dots i").first, "display") != "none"  # still told, by dots that stand
    assert style(chat.page.locator(".meta").first, "transitionDuration") in ("0s", "none")
    chat.send("/stop")
    expect(chat.streaming).to_have_count(0)
