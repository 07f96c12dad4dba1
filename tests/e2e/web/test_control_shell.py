"""The frame of the Control UI: addresses, what is shown to whom, the keyboard, and the gateway going away."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from .control import Control, open_control
from .test_look import problems
from .wire_script import WireScript

BACK_MS = 90_000
"""Longest wait for the page to find the gateway again by itself."""


def test_tabs_have_addresses_and_the_chat_stays_as_it_was(visit, standing_gateway):
    """Bookmark, back, forward and reload; a draft survives a look at another tab."""
    control = open_control(visit, standing_gateway, bypass_csp=True)
    page, chat = control.page, control.chat.ready()
    expect(page).to_have_title("Main session · Clawdbot")
    chat.composer.fill("half a thought")
    pane = control.show("Overview")
    expect(page).to_have_url(re.compile(r"/(\?session=[^#]*)?#/overview$"))
    expect(page).to_have_title("Overview · Clawdbot")
    expect(control.title).to_be_focused()
    expect(pane.get_by_role("heading", name="Gateway")).to_be_visible()
    expect(chat.composer).to_be_hidden()
    assert problems(chat) == []
    page.go_back()
    expect(chat.composer).to_be_visible()
    expect(chat.composer).to_have_value("half a thought")
    expect(chat.composer).to_be_focused()
    page.go_forward()
    expect(control.title).to_have_text("Overview")
    page.reload()
    expect(control.title).to_have_text("Overview")
    expect(control.tab("Overview")).to_have_attribute("aria-current", "page")
    control.tab("Chat").focus()
    page.keyboard.press("Enter")
    expect(chat.composer).to_be_focused()

    page.get_by_role("button", name="Settings").click()
    page.get_by_role("link", name="All settings").click()
    expect(control.title).to_have_text("Config")

    # With the login all that was read goes out of the page, and comes again with the next one.
    known = "clawdbot-webchat"  # of the list of clients
    expect(control.show("Overview")).to_contain_text(known)
    assert page.evaluate("async () => (await fetch('auth/logout', {method: 'POST'})).status") == 204
    secret = page.get_by_label("Token", exact=True)
    expect(secret).to_be_visible()
    expect(page.locator("clawdbot-control .pane")).to_have_count(0)
    assert known not in page.evaluate("document.querySelector('clawdbot-control').shadowRoot.innerHTML")
    secret.fill(standing_gateway.token)
    secret.press("Enter")
    expect(control.pane).to_contain_text(known)

    page.goto(f"{standing_gateway.url}#/nothing%3Cb%3E")
    expect(control.title).to_have_text("There is no tab at this address")
    expect(control.pane).to_contain_text("“nothing<b>” is none of them")


def test_the_chat_alone_has_no_tabs_and_an_old_link_leads_to_its_session(visit, standing_gateway):
    chat = visit(standing_gateway, path="chat#/overview").ready()
    expect(chat.composer).to_be_visible()
    assert chat.page.locator("clawdbot-control").count() == 0
    control = open_control(visit, standing_gateway)
    control.page.goto(f"{standing_gateway.url}?session=agent:main:notes#gatewayUrl=ws://elsewhere")
    expect(control.chat.ready().page.locator(".session[aria-current]")).to_be_visible()
    expect(control.tab("Chat")).to_have_attribute("aria-current", "page")


def test_overview_logs_and_debug_show_the_gateway_live(visit, standing_gateway):
    """Findings with the command that mends them, a session's lines of the log, a call with its schema and its event."""
    control = open_control(visit, standing_gateway, "overview", bypass_csp=True)
    pane = control.pane
    expect(pane.get_by_text("Only programs on the gateway's machine reach it.")).to_be_visible()
    expect(pane.get_by_text("Connected now:")).to_be_visible()
    expect(pane.locator(".control-command").first).to_contain_text("clawdbot", timeout=120_000)
    assert problems(control.chat) == []

    control.tab("Chat").click()
    control.page.goto(f"{standing_gateway.url}?session=agent:main:logged#/")
    control.chat.ready().ask("to be logged")
    pane = control.show("Logs")
    pane.get_by_label("Run or session id").fill("agent:main:logged")
    line = pane.locator(".log-line").first
    line.click()
    expect(pane.locator(".log-details")).to_contain_text("agent:main:logged")
    expect(control.page).to_have_url(re.compile("#/logs[?]id=agent"))
    pane.get_by_label("Search the lines").fill("nowhere at all")
    expect(pane.get_by_text("No line matches.")).to_be_visible()
    assert problems(control.chat) == []

    pane = control.show("Debug")
    pane.get_by_label("Method").fill("chat.inject")
    pane.get_by_label("Method").press("Tab")
    expect(pane.locator(".debug-schema")).to_contain_text("sessionKey")
    pane.get_by_label("Parameters (JSON)").fill("{")
    pane.get_by_role("button", name="Call").click()
    expect(pane.locator("#debug-problem")).to_contain_text("no JSON")
    pane.get_by_label("Parameters (JSON)").fill('{"sessionKey": "logged", "message": "<b>bold</b>"}')
    pane.get_by_role("button", name="Call").click()
    expect(pane.locator(".debug-answer")).to_contain_text("chat.inject answered")
    expect(pane.locator(".debug-events li").filter(has_text="<b>bold</b>").first).to_be_visible()
    pane.get_by_label("Parameters (JSON)").fill("{}")
    pane.get_by_role("button", name="Call").click()
    expect(pane.locator(".debug-answer")).to_contain_text("INVALID_REQUEST")
    assert problems(control.chat) == []


def test_a_login_that_may_only_read_has_the_tabs_that_read_and_is_told_why_not_the_others(visit, standing_gateway):
    chat = visit(standing_gateway, session="seen").ready()
    chat.ask("so that there is a session")
    WireScript(chat.page, scopes=("operator.read",))
    chat.open("./#/devices")
    control = Control(chat)
    expect(control.tabs).to_have_text(["Chat", "Overview", "Sessions", "Usage", "Models", "Logs", "Debug"])
    expect(control.title).to_have_text("Devices")
    expect(control.pane).to_contain_text("Your login does not include this tab: it may not call device.pair.list.")
    for tab in ("Overview", "Sessions", "Usage", "Models", "Logs", "Debug"):
        pane = control.show(tab)
        expect(pane.get_by_text("Reading …")).to_have_count(0)
        expect(pane.locator(".control-problem")).to_have_count(0)
        if tab == "Sessions":
            expect(pane.locator("tr[data-row]").first).to_be_visible()
            expect(pane.get_by_role("button", name=re.compile("^Change "))).to_have_count(0)
        if tab == "Models":
            expect(pane.get_by_label("Default model")).to_have_count(0)
            expect(pane.get_by_role("button", name=re.compile("^Test"))).to_have_count(0)
    control.tab("Chat").click()
    chat.page.get_by_role("button", name="Settings").click()
    expect(chat.page.get_by_role("button", name="Keyboard shortcuts")).to_be_visible()
    expect(chat.page.get_by_role("link", name="All settings")).to_have_count(0)


def test_without_the_gateway_tabs_are_read_only_and_say_since_when_until_it_is_back(visit, standing_gateway):
    control = open_control(visit, standing_gateway)
    control.chat.ready().ask("so that there is a session")
    field = control.show("Config").get_by_label("session.maxQueued", exact=True)
    expect(field).to_be_editable()
    writes = {  # of each tab, the control that changes something
        "Sessions": lambda pane: pane.get_by_role("button", name=re.compile("^Change ")).first,
        "Models": lambda pane: pane.get_by_label("Default model"),
        "Debug": lambda pane: pane.get_by_role("button", name="Call"),
    }
    for tab, write in writes.items():
        expect(write(control.show(tab))).to_be_enabled()
    standing_gateway.kill()
    try:
        for tab, write in writes.items():
            pane = control.show(tab)
            away = pane.locator(".control-away")
            expect(away).to_contain_text(re.compile(r"responding\. This is how it was at \d+:\d\d .*\(.+\)"))
            expect(write(pane)).to_be_disabled()
        control.show("Config")
        expect(field).to_be_editable(editable=False)
    finally:
        standing_gateway.start()
    expect(field).to_be_editable(timeout=BACK_MS)
    expect(control.pane.locator(".control-away")).to_have_count(0)
    expect(writes["Models"](control.show("Models"))).to_be_enabled()
