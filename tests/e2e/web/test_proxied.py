"""Behind nginx with TLS, with a prefix and with both, in a browser; and what a refused address says to its reader."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect

from tests.support.jupyter import TOKEN, JupyterProcess
from tests.support.nginx import FORWARDED, HOST, SOCKETS, Nginx
from tests.support.server import ROOT, GatewayProcess

KOREAN = {"ko-KR": "허용되지 않은 주소예요", "en-US": "This address is not allowed"}


@dataclass
class Behind:
    """The addresses of nginx, and the servers behind them."""

    lab: JupyterProcess
    own: GatewayProcess
    bare: GatewayProcess
    urls: dict[str, str]


@pytest.fixture(scope="module")
def behind(tmp_path_factory):
    folder = tmp_path_factory.mktemp("behind")
    lab = JupyterProcess(folder / "lab", base_url="/team/lab/")
    own = GatewayProcess(
        folder / "own", config={"gateway": {"trustedProxies": ["127.0.0.1"], "controlUi": {"basePath": "/claude"}}}
    )
    bare = GatewayProcess(folder / "bare", config={})
    nginx = Nginx(folder / "nginx")
    urls = {
        "lab, TLS and prefix": nginx.serve(lab.port, path="/team/lab/", headers=SOCKETS + HOST),
        "lab, prefix": nginx.serve(lab.port, path="/team/lab/", headers=SOCKETS + HOST, tls=False),
        "lab, TLS": nginx.serve(lab.port, headers=SOCKETS + HOST) + "team/lab/",
        "lab, no Host": nginx.serve(lab.port, path="/team/lab/"),
        "own, TLS and prefix": nginx.serve(own.port, path="/claude/", headers=SOCKETS + FORWARDED),
        "own, prefix": nginx.serve(own.port, path="/claude/", headers=SOCKETS + FORWARDED, tls=False),
        "bare": nginx.serve(bare.port, headers=SOCKETS + FORWARDED),
    }
    started = [nginx, lab, own, bare]
    try:
        for each in started:
            each.start()
        yield Behind(lab, own, bare, urls)
    finally:
        for each in started[1:]:
            each.kill()
        nginx.stop()


@pytest.fixture
def page(browser, request):
    context = browser.new_context(
        ignore_https_errors=True, locale=getattr(request, "param", "en-US"), viewport={"width": 1100, "height": 760}
    )
    context.set_default_timeout(20_000)
    yield context.new_page()
    context.close()


def log_in(page: Page, token: str) -> None:
    page.locator("#secret").fill(token)
    page.get_by_role("button", name="Log in").or_(page.get_by_role("button", name="로그인")).click()


def talks(page: Page) -> None:
    expect(page.locator(".connection[data-open=true]")).to_be_visible()
    page.locator("input[type=file]").set_input_files({"name": "a.csv", "mimeType": "text/csv", "buffer": b"a,b\n1,2\n"})
    page.locator("#composer").fill("Here? [[text=Behind a proxy.]]")
    page.locator("#composer").press("Enter")
    expect(page.locator("clawdbot-message").get_by_text("Behind a proxy.", exact=True).last).to_be_visible()
    expect(page.locator("article.user", has_text="a.csv").last).to_be_visible()


@pytest.mark.parametrize("way", ["lab, TLS and prefix", "lab, prefix", "lab, TLS"])
def test_the_mount_connects_wherever_the_jupyter_server_around_it_does(behind, page, way):
    page.goto(f"{behind.urls[way]}clawdbot/chat?session=way{len(way)}&token={TOKEN}")
    talks(page)


@pytest.mark.parametrize("way", ["own, TLS and prefix", "own, prefix"])
def test_our_own_port_connects_behind_a_trusted_proxy_below_its_base_path(behind, page, way):
    page.goto(f"{behind.urls[way]}chat")
    log_in(page, behind.own.token)
    talks(page)
    secure = {cookie["name"]: cookie["secure"] for cookie in page.context.cookies()}
    assert secure and set(secure.values()) == {"TLS" in way}


@pytest.mark.parametrize("page", KOREAN, indirect=True)
def test_a_proxy_that_hides_the_host_from_jupyter_is_told_with_the_setting(behind, page, request):
    page.goto(f"{behind.urls['lab, no Host']}clawdbot/chat?token={TOKEN}")
    card = page.locator("clawdbot-login")
    expect(card.get_by_role("heading")).to_have_text(KOREAN[request.node.callspec.params["page"]])
    origin = page.evaluate("location.origin")
    expect(card.locator("code")).to_have_text(f'c.ServerApp.allow_origin = "{origin}"')
    expect(page.locator(".banner")).to_have_count(0)


@pytest.mark.parametrize("page", KOREAN, indirect=True)
def test_an_unknown_proxy_before_our_own_port_is_told_with_a_command_that_mends_it(behind, page, request):
    locale = request.node.callspec.params["page"]
    trusts = [sys.executable, "-m", "clawdbot_ext", "config"]
    subprocess.run([*trusts, "unset", "gateway.trustedProxies"], env=behind.bare.environment, cwd=ROOT, timeout=60)
    page.goto(f"{behind.urls['bare']}chat")
    card = page.locator("clawdbot-login")
    expect(card.get_by_role("heading")).to_have_text(KOREAN[locale])
    expect(card.locator("code")).to_have_text("clawdbot config set gateway.trustedProxies '[\"127.0.0.1\"]'")
    subprocess.run(
        [*trusts, "set", "gateway.trustedProxies", '["127.0.0.1"]'],
        env=behind.bare.environment,
        cwd=ROOT,
        timeout=60,
        check=True,
    )
    card.get_by_role("button", name="Try again").or_(card.get_by_role("button", name="다시 시도")).click()
    log_in(page, behind.bare.token)
    talks(page)


def test_the_icon_of_the_page_is_fetched_once_or_twice_however_often_it_changes_and_by_no_redirect(behind, page):
    fetched: list[int] = []
    page.on("response", lambda answer: fetched.append(answer.status) if "favicon.svg" in answer.url else None)
    page.goto(f"{behind.urls['lab, prefix']}clawdbot/chat?session=icon&token={TOKEN}")
    for _ in range(3):
        talks(page)
    page.wait_for_function("document.querySelector('link[rel=icon]').href.startsWith('data:')")
    assert 1 <= len(fetched) <= 2 and set(fetched) == {200}  # by the browser, and by the page that draws on it


def test_a_login_of_jupyter_that_has_ended_is_told_and_leads_back(behind, page):
    page.goto(f"{behind.urls['lab, prefix']}clawdbot/chat?token={TOKEN}")
    expect(page.locator(".connection[data-open=true]")).to_be_visible()
    page.context.clear_cookies()
    page.reload()
    expect(page).to_have_url(re.compile("/team/lab/login\\?next="))  # Jupyter's own
    page.go_back()
    page.goto(f"{behind.urls['lab, prefix']}clawdbot/chat?token={TOKEN}")
    expect(page.locator(".connection[data-open=true]")).to_be_visible()
    page.context.clear_cookies()
    page.context.set_offline(True)
    expect(page.locator(".banner")).to_be_visible()
    page.context.set_offline(False)
    card = page.locator("clawdbot-login")
    expect(card).to_contain_text("You are not logged in to Jupyter")
    card.get_by_role("link", name="Log in").click()
    expect(page).to_have_url(re.compile("/team/lab/login\\?next="))


def test_a_host_that_is_not_known_is_told_by_a_page(behind, browser):
    context = browser.new_context(locale="ko-KR")
    page = context.new_page()
    answer = page.goto(f"http://box.localhost:{behind.bare.port}/chat")
    assert answer is not None and answer.status == 403
    expect(page.get_by_role("heading")).to_have_text("허용되지 않은 주소예요")
    expect(page.locator("p")).to_contain_text("gateway.allowedHosts")
    context.close()
