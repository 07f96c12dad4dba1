"""The tabs Sessions and Usage of the Control UI, with 3,000 sessions over 90 days."""

from __future__ import annotations

import csv
import re
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.seeding import seed
from tests.support.server import GatewayProcess

from .control import open_control
from .test_look import problems

MARKUP = "<img src=x onerror=alert(1)> & <b>굵게</b>"
NUMBER = re.compile(r"\d")


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway with many sessions, for all tests of this module."""
    state = tmp_path_factory.mktemp("full") / "state"
    state.mkdir(mode=0o700)
    seed(state, sessions=3000, now=int(time.time() * 1000))
    gateway = GatewayProcess(state, config={"limits": {"monthlyTokens": 10**12}})
    gateway.start()
    yield gateway
    gateway.kill()


def rows(page: Page) -> Locator:
    return page.locator("clawdbot-control-table tr[data-row]")


def test_sessions_are_found_changed_exported_and_deleted_by_many_and_both_people_see_it(visit, full, tmp_path: Path):
    page = open_control(visit, full, "sessions").page
    expect(page.get_by_text("3,000 sessions")).to_be_visible()
    expect(rows(page).filter(has_text="Topic 0").first).to_be_visible()
    # Far down the list the rows come as they are looked at.
    page.locator(".pane:visible").evaluate("pane => pane.scrollTop = pane.scrollHeight")
    expect(rows(page).filter(has_text="Topic 2969").first).to_be_visible()
    # Sorted by the gateway; the address keeps it.
    page.get_by_role("button", name="Tokens").click()
    expect(page).to_have_url(re.compile("sort=tokens"))
    # Found, renamed with markup, pinned: another person sees it, as text.
    page.get_by_label("Search by title or key").fill("topic 1234")
    expect(page.get_by_text("1 session", exact=True)).to_be_visible()
    other = open_control(
        visit, full, "sessions?search=%EA%B5%B5%EA%B2%8C", locale="ko-KR", color_scheme="dark", bypass_csp=True
    )
    expect(other.page.get_by_text("조건에 맞는 세션이 없어요.")).to_be_visible()
    page.get_by_role("button", name="Change Topic 1234").press("Enter")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill(MARKUP)
    dialog.get_by_label("Keep at the top").check()
    dialog.get_by_label("Thinking").select_option("high")
    dialog.get_by_label("Name").press("Enter")
    expect(dialog).to_be_hidden()
    expect(other.page.get_by_role("button", name=MARKUP, exact=True)).to_be_visible()
    expect(other.page.locator("clawdbot-control-table img")).to_have_count(0)
    assert problems(other.chat) == []
    # Selected by the keyboard, exported as one archive, deleted and brought back.
    page.get_by_label("Search by title or key").fill("topic 12")
    expect(
        page.get_by_text("110 sessions", exact=True)
    ).to_be_visible()  # 12, 120 … 129, 1200 … 1299 without the one renamed
    page.get_by_label("Select Topic 12", exact=True).press("Space")
    page.get_by_role("button", name="Select all").click()
    selection = page.get_by_role("group", name="Selection")
    expect(selection.get_by_role("status")).to_have_text("110 selected")
    with page.expect_download() as coming:
        selection.get_by_role("button", name="Export").click()
    coming.value.save_as(tmp_path / "all.zip")
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert len(archive.namelist()) == 110
    selection.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No session matches.")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("110 sessions", exact=True)).to_be_visible()
    # A row opens in the chat.
    page.get_by_role("button", name="Topic 12", exact=True).click()
    expect(page.locator("#composer")).to_be_visible()


def test_usage_is_drawn_read_and_taken_along(visit, full, tmp_path: Path):
    control = open_control(visit, full, "usage?days=7", locale="ko-KR", bypass_csp=True)
    page = control.page
    expect(page.locator("clawdbot-usage-plot canvas")).to_be_visible()
    expect(rows(page)).to_have_count(7)
    expect(page.get_by_text("알 수 없", exact=False).first).to_be_visible()  # a third has no price
    expect(page.get_by_text("이번 달 남은 토큰: 1,000,000,000,000 중")).to_be_visible()
    assert problems(control.chat) == []
    bars = page.get_by_role("slider")
    bars.press("End")
    expect(bars).to_have_attribute("aria-valuenow", "6")
    expect(bars).to_have_attribute("aria-valuetext", NUMBER)
    page.get_by_role("radio", name="모델").check()
    expect(rows(page)).to_have_count(3)
    expect(rows(page).filter(has_text="ollama/qwen3")).to_contain_text("알 수 없음")
    with page.expect_download() as coming:
        page.get_by_role("button", name="CSV로 다운로드").click()
    coming.value.save_as(tmp_path / "usage.csv")
    text = (tmp_path / "usage.csv").read_text(encoding="utf-8")
    assert text.startswith("\ufeff모델,")
    cost = {line[0]: line[7] for line in csv.reader(text.splitlines())}
    assert cost["ollama/qwen3"] == "" and float(cost["anthropic/claude-opus-4-5"]) > 0
    phone = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}
    small = open_control(visit, full, "usage?by=client", bypass_csp=True, **phone)
    expect(rows(small.page).filter(has_text="Command line")).to_be_visible()
    assert problems(small.chat) == []
    assert small.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    small.page.goto(full.url + "#/usage?from=2026-11-02&to=2026-11-01")
    expect(small.page.get_by_role("alert")).to_contain_text("must end after it begins")
