"""Losing the gateway and finding it again: nothing goes blank, nothing is sent twice."""

from __future__ import annotations

import os
import random
import re
import signal

from playwright.sync_api import expect

from tests.support.proxy import CuttingProxy

BACK_MS = 60_000
CUTS, CUTS_S = 10, 60
IMPATIENT = """setInterval(() =>
    document.querySelector("clawdbot-chat").shadowRoot.querySelector(".banner button")?.click(), 50)"""
"""A user who presses "Try now" all the time: the pauses between attempts grow, and are not what is tested."""


def test_away_and_back(visit, make_gateway):
    gateway = make_gateway()
    chat = visit(gateway).ready()
    chat.ask("[[text=Before.]]")
    gateway.kill()
    expect(chat.banner).to_contain_text("The gateway isn't responding.")
    expect(chat.replies).to_have_text("Before.")
    chat.write("while away")
    expect(chat.page.get_by_role("button", name="Send")).to_be_disabled()
    chat.composer.press("Enter")
    expect(chat.mine).to_have_count(1)
    expect(chat.page).to_have_title(re.compile("^⚠"))
    gateway.start()
    chat.page.evaluate("window.dispatchEvent(new Event('online'))")
    expect(chat.banner).to_have_count(0, timeout=BACK_MS)
    expect(chat.composer).to_have_value("while away")
    chat.composer.press("Enter")
    expect(chat.mine).to_have_count(2)
    chat.answered()


def test_the_button_tries_at_once(visit, make_gateway):
    gateway = make_gateway()
    chat = visit(gateway).ready()
    gateway.kill()
    expect(chat.banner).to_be_visible()
    gateway.start()
    chat.page.evaluate("document.querySelector('clawdbot-chat').shadowRoot.querySelector('.banner button')?.click()")
    expect(chat.banner).to_have_count(0, timeout=BACK_MS)


def test_a_kill_in_mid_reply_shows_the_cut_reply_after_the_restart(visit, make_gateway):
    gateway = make_gateway()
    chat = visit(gateway).ready()
    chat.send("[[tokens=400]] [[delay_ms=20]]")
    expect(chat.streaming).to_contain_text("t30")
    gateway.kill()
    expect(chat.banner).to_be_visible()
    expect(chat.streaming).to_contain_text("t30")
    gateway.start()
    expect(chat.page.locator(".mark")).to_contain_text("The answer was cut off.", timeout=BACK_MS)
    expect(chat.streaming).to_have_count(0)
    expect(chat.mine).to_have_count(1)
    expect(chat.replies).to_contain_text("t10")


def test_an_announced_stop_says_so(visit, make_gateway):
    gateway = make_gateway()
    chat = visit(gateway).ready()
    gateway.stop()
    expect(chat.banner).to_be_visible()
    expect(chat.page.get_by_role("button", name="Try now")).to_be_visible()


def test_a_page_that_is_opened_without_a_gateway_waits_for_it(visit, make_gateway):
    gateway = make_gateway()
    chat = visit(gateway).ready()
    gateway.kill()
    expect(chat.banner).to_be_visible()
    gateway.start()
    expect(chat.banner).to_have_count(0, timeout=BACK_MS)
    chat.ask("[[text=Here again.]]")
    expect(chat.replies).to_have_text("Here again.")


def test_cut_at_ten_random_places_of_a_run_the_transcript_is_the_gateways_own(visit, standing_gateway):
    """No message twice, none missing, no hole in the text, whatever byte the connection ends at."""
    places = random.Random(9)
    with CuttingProxy(standing_gateway) as proxy:
        chat = visit(proxy, session="cuts").ready()
        chat.page.evaluate(IMPATIENT)
        chat.send("[[tokens=3000]] [[delay_ms=20]]")
        proxy.cut_after(int(places.choice((9_000, 16_000)) * places.random()) for _ in range(CUTS))
        assert proxy.spent.wait(CUTS_S), proxy.cuts
        far_on = len((chat.streaming.text_content() or "").split()) + 50  # a second later: of the connection that stays
        expect(chat.streaming).to_contain_text(f"t{far_on} ")
        chat.page.get_by_role("button", name="Stop").click()
        chat.answered()
        shown = chat.page.locator("article .bubble, article .reply").all_inner_texts()
        assert len(shown) == 2
        words = shown[1].split()
        assert words == [f"t{number}" for number in range(len(words))]
        chat.page.reload()
        chat.ready()
        expect(chat.page.locator("article .bubble, article .reply")).to_have_text(shown)


def test_a_gateway_that_goes_quiet_is_told_before_it_is_given_up(visit, make_gateway):
    gateway = make_gateway(config={"gateway": {"tickIntervalMs": 3000}})
    chat = visit(gateway).ready()
    os.kill(gateway.pid, signal.SIGSTOP)
    try:
        expect(chat.banner).to_contain_text("The gateway isn't responding. Checking", timeout=10_000)
        expect(chat.page.get_by_role("button", name="Reconnect")).to_be_visible()
    finally:
        os.kill(gateway.pid, signal.SIGCONT)
    expect(chat.banner).to_have_count(0, timeout=BACK_MS)


def test_the_shell_opens_without_the_gateway_and_keeps_nothing_that_was_said(visit, make_gateway):
    gateway = make_gateway()
    chat = visit(gateway).ready()
    chat.ask("[[text=A secret.]]")
    chat.page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    kept = chat.page.evaluate("""async () => {
        const found = [];
        for (const name of await caches.keys())
            for (const request of await (await caches.open(name)).keys()) found.push(new URL(request.url).pathname);
        return found;
    }""")
    assert "/chat" in kept
    assert [path for path in kept if not re.fullmatch(r"/(chat|assets/.+|favicon\.svg|icon-.+|manifest.+)", path)] == []
    gateway.kill()
    chat.page.reload()
    expect(chat.banner).to_contain_text("The gateway isn't responding.")
    expect(chat.replies).to_have_count(0)
    gateway.start()
    chat.page.evaluate("dispatchEvent(new Event('online'))")
    expect(chat.replies).to_have_text("A secret.", timeout=BACK_MS)
