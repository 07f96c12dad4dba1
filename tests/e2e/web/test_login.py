"""Coming in: token, password, one-time link, and what is said when it does not work."""

from __future__ import annotations

import re
import socket

import pytest
from playwright.sync_api import expect

from clawdbot_ext.runtime.program import command


def test_a_token_lets_in_and_a_reload_remembers(visit, standing_gateway):
    chat = visit(standing_gateway, login=False)
    chat.page.get_by_label("Token").fill(f"  {standing_gateway.token}\n")
    chat.page.get_by_role("button", name="Log in").click()
    chat.ready()
    chat.page.keyboard.type("typed at once")
    expect(chat.page.locator("#composer")).to_have_value("typed at once")
    chat.page.reload()
    chat.ready()
    cookie = next(c for c in chat.page.context.cookies() if c["name"].startswith("clawdbot"))
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict"
    stored = chat.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, location.href])")
    assert standing_gateway.token not in stored


def test_a_wrong_token_says_so_and_what_to_do(visit, make_gateway):
    chat = visit(make_gateway(), login=False)
    chat.page.get_by_label("Token").fill("wrong")
    chat.page.keyboard.press("Enter")
    expect(chat.page.get_by_role("alert")).to_have_text("Wrong token.")
    expect(chat.page.get_by_label("Token")).to_be_focused()
    opening = chat.page.locator(".command", has_text="web")
    expect(opening.locator("code")).to_have_text(f"{command()} web")
    opening.get_by_role("button", name="Copy").click()
    expect(opening.get_by_role("button", name="Copied")).to_be_visible()


def test_too_many_attempts_are_counted_down(visit, make_gateway):
    gateway = make_gateway(config={"gateway": {"loginAttemptsPerMinute": 1}})
    chat = visit(gateway, login=False)
    for _ in range(2):
        chat.page.get_by_label("Token").fill("wrong")
        chat.page.keyboard.press("Enter")
        expect(chat.page.get_by_role("alert")).not_to_have_text("")
    expect(chat.page.get_by_role("button", name=re.compile(r"Wait \d+ s"))).to_be_disabled()
    expect(chat.page.get_by_role("alert")).to_have_text("Too many attempts. Please wait a moment.")


def test_a_one_time_link_lets_in_once(visit, make_gateway):
    gateway = make_gateway()
    link = re.search(r"chat\?code=\S+", gateway.output)
    assert link, gateway.output
    chat = visit(gateway, login=False, path=link[0])
    chat.ready()
    assert "code" not in chat.page.url
    other = visit(gateway, login=False, path=link[0])
    expect(other.page.get_by_text("This link has already been used, or is more than a minute old.")).to_be_visible()
    assert "link" not in other.page.url


def test_a_password_where_the_gateway_wants_one(visit, make_gateway):
    gateway = make_gateway(config={"gateway": {"auth": {"mode": "password", "password": "correct horse"}}})
    chat = visit(gateway, login=False)
    chat.page.get_by_label("Password").fill("wrong horse")
    chat.page.keyboard.press("Enter")
    expect(chat.page.get_by_role("alert")).to_have_text("Wrong password.")
    chat.page.get_by_label("Password").fill("correct horse")
    chat.page.keyboard.press("Enter")
    chat.ready()


def test_logging_out_leads_back_to_the_login(visit, standing_gateway):
    chat = visit(standing_gateway).ready()
    chat.page.get_by_role("button", name="Settings").click()
    chat.page.get_by_role("button", name="Log out", exact=True).click()
    expect(chat.page.get_by_label("Token")).to_be_visible()
    chat.page.reload()
    expect(chat.page.get_by_label("Token")).to_be_visible()


def test_logging_out_everywhere_ends_every_browser(visit, standing_gateway):
    here, there = visit(standing_gateway).ready(), visit(standing_gateway).ready()
    here.page.get_by_role("button", name="Settings").click()
    here.page.get_by_role("button", name="Log out everywhere").click()
    for chat in (here, there):
        expect(chat.page.get_by_label("Token")).to_be_visible()


def test_s1_an_address_cannot_send_the_page_and_its_login_elsewhere(visit, standing_gateway):
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.setblocking(False)
        target = f"127.0.0.1:{elsewhere.getsockname()[1]}"
        chat = visit(
            standing_gateway,
            login=False,
            path=f"chat?token={standing_gateway.token}&gatewayUrl=ws://{target}#gatewayUrl=ws://{target}",
        ).ready()
        assert "token" not in chat.page.url
        # nor by force: the policy of the page does not let a socket or a request out
        refused = chat.page.evaluate(
            """async (target) => {
            try { new WebSocket(`ws://${target}/`); } catch { /* as good */ }
            return fetch(`http://${target}/`).catch(() => "refused");
        }""",
            target,
        )
        assert refused == "refused" and "connect-src 'self'" in " ".join(chat.complaints)
        with pytest.raises(BlockingIOError):
            elsewhere.accept()
        chat.complaints.clear()


def test_a_secret_that_was_changed_asks_again(visit, make_gateway):
    """The cookie is bound to the token that it was given for."""
    gateway = make_gateway()
    chat = visit(gateway).ready()
    gateway.stop()
    (gateway.home / "secrets" / "token").write_text("another-token-altogether")
    gateway.start()
    expect(chat.page.get_by_label("Token")).to_be_visible(timeout=20_000)
