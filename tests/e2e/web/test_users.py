"""Two users behind nginx with a login of its own, in a browser: each has their own conversation, and a way out."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.support.nginx import FORWARDED, SOCKETS, Nginx
from tests.support.server import GatewayProcess

SECRET = "s" * 40
LOGIN = f"""
            if ($cookie_person = "") {{ return 401; }}
            proxy_set_header X-Clawdbot-Proxy-Secret {SECRET};
            proxy_set_header X-Forwarded-User $cookie_person;"""
"""A login of the proxy's: the cookie ``person`` says who it is."""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The address of nginx with a gateway with users behind it."""
    folder = tmp_path_factory.mktemp("users")
    config = {
        "users": {"from": "headers", "secret": SECRET, "signOutUrl": "/signed-out-of-the-proxy"},
        "gateway": {"trustedProxies": ["127.0.0.1"]},
        "agents": {"defaults": {"autoTitle": False}},
    }
    gateway, nginx = GatewayProcess(folder / "gateway", config=config), Nginx(folder / "nginx")
    url = nginx.serve(gateway.port, tls=False, headers=SOCKETS + FORWARDED + LOGIN)
    try:
        gateway.start()
        nginx.start()
        yield url
    finally:
        nginx.stop()
        gateway.kill()


def person(browser, url: str, name: str, **options) -> Page:
    context = browser.new_context(viewport={"width": 1100, "height": 760}, reduced_motion="reduce", **options)
    context.add_cookies([{"name": "person", "value": name, "url": url}])
    page = context.new_page()
    page.goto(f"{url}chat")
    expect(page.locator(".connection[data-open=true]")).to_be_visible()
    return page


def say(page: Page, text: str) -> None:
    page.locator("#composer").fill(f"{text} [[text=heard: {text}]]")
    page.locator("#composer").press("Enter")
    expect(page.locator("clawdbot-message").get_by_text(f"heard: {text}", exact=True).last).to_be_visible()


def test_two_users_have_a_conversation_each_and_log_out(browser, site):
    ada, bob = person(browser, site, "ada", locale="en-US"), person(browser, site, "bob", locale="ko-KR")
    say(ada, "of ada")
    say(bob, "of bob")
    for page, own, others in ((ada, "of ada", "of bob"), (bob, "of bob", "of ada")):
        page.reload()
        expect(page.locator("clawdbot-message").get_by_text(f"heard: {own}", exact=True)).to_be_visible()
        expect(page.get_by_text(others)).to_have_count(0)
    ada.get_by_role("button", name="Settings", exact=True).click()
    dialog = ada.get_by_role("dialog", name="Settings", exact=True)
    expect(dialog.get_by_text("Signed in as ada", exact=True)).to_be_visible()
    expect(dialog.get_by_role("button", name="Log out everywhere", exact=True)).to_have_count(0)
    dialog.get_by_role("button", name="Log out", exact=True).click()
    ada.wait_for_url("**/signed-out-of-the-proxy")
    expect(bob.locator(".connection[data-open=true]")).to_be_visible()
    ada.context.clear_cookies()
    answer = ada.goto(f"{site}chat")
    assert answer.status == 401
    for page in (ada, bob):
        page.context.close()
