"""Losing the gateway and finding it again: nothing goes blank, nothing is sent twice."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from collections.abc import Iterable

from playwright.sync_api import WebSocketRoute, expect

from .chat import Chat

BACK_MS = 25_000
CUTS_S = 60.0
"""The longest that ten cuts may take."""


def test_away_and_back(visit, make_gateway):
    gateway = make_gateway()
    chat = visit(gateway).ready()
    chat.ask("[[text=Before.]]")
    gateway.kill()
    expect(chat.banner).to_contain_text("The gateway is not answering.")
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


class Cutter:
    """Stands between page and gateway and cuts the connection after given numbers of frames from the gateway."""

    def __init__(self, chat: Chat, places: Iterable[int]):
        self._places = sorted(places)
        self.cuts = 0
        self._seen = 0
        chat.page.route_web_socket("**/ws", self._connected)

    def _connected(self, page_side: WebSocketRoute) -> None:
        gateway_side = page_side.connect_to_server()

        def forward(frame: str | bytes) -> None:
            self._seen += 1
            if self.cuts < len(self._places) and self._seen >= self._places[self.cuts]:
                self.cuts += 1
                gateway_side.close()
                page_side.close(code=3001)
            else:
                page_side.send(frame)

        gateway_side.on_message(forward)


def test_cut_at_ten_random_places_of_a_run_the_transcript_is_the_gateways_own(visit, standing_gateway):
    """No message twice, none missing, no hole in the text: whatever frame the connection falls at."""
    seed = random.randrange(10**6)
    places = random.Random(seed).sample(range(4, 160), 10)
    chat = visit(standing_gateway, session="cuts", path="healthz")
    cutter = Cutter(chat, places)
    chat.open("chat?session=cuts")
    chat.ready()
    chat.send("[[tokens=240]] [[delay_ms=25]] first")
    waking = "() => dispatchEvent(new Event('online'))"
    deadline = time.monotonic() + CUTS_S
    while cutter.cuts < len(places) and time.monotonic() < deadline:
        chat.page.wait_for_timeout(20)  # lets the frames through, too
        chat.page.evaluate(waking)
    assert cutter.cuts == len(places), (seed, places)
    # Ten cuts in a row have earned a wait of up to 15 s.
    expect(chat.page.locator(".connection[data-open=true]")).to_be_visible(timeout=20_000)
    chat.ready()
    chat.answered()
    expect(chat.mine).to_have_count(1)
    expect(chat.replies).to_have_count(1)
    expect(chat.replies).to_have_text("".join(f"t{number} " for number in range(240)).strip())
    shown = [text.strip() for text in chat.page.locator("article .bubble, article .reply").all_inner_texts()]
    chat.page.reload()
    chat.ready()
    expect(chat.replies).to_have_count(1)
    stored = [text.strip() for text in chat.page.locator("article .bubble, article .reply").all_inner_texts()]
    assert shown == stored, (seed, places)


def test_a_gateway_that_goes_quiet_is_told_before_it_is_given_up(visit, make_gateway):
    gateway = make_gateway(config={"gateway": {"tickIntervalMs": 3000}})
    chat = visit(gateway).ready()
    os.kill(gateway.pid, signal.SIGSTOP)
    try:
        expect(chat.banner).to_contain_text("The gateway is quiet.", timeout=10_000)
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
    expect(chat.banner).to_contain_text("The gateway is not answering.")
    expect(chat.replies).to_have_count(0)
    gateway.start()
    chat.page.evaluate("dispatchEvent(new Event('online'))")
    expect(chat.replies).to_have_text("A secret.", timeout=BACK_MS)
