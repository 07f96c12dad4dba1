"""One session, seen live in Clawdbot's Control UI and terminal, and in our own page and command line at once."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing

import pytest

from tests.e2e.clawdbot.test_control_ui import Page, browser  # noqa: F401  a fixture
from tests.e2e.clawdbot.test_terminal import tui  # noqa: F401  a fixture

WORDS = "words for four clients at once"


@pytest.fixture
def ours(browser, running):  # noqa: F811
    """Our own page, logged in."""
    context = browser.new_context(viewport={"width": 1000, "height": 800})
    answer = context.request.post(
        f"{running.url}auth/login", data={"token": running.token}, headers={"Origin": running.url.rstrip("/")}
    )
    assert answer.status == 204
    page = context.new_page()
    page.goto(f"{running.url}chat")
    yield page
    context.close()


def test_the_same_session_is_live_in_all_four_clients(browser, page_url, tui, ours, running, pictures):  # noqa: F811
    command = [sys.executable, "-m", "clawdbot_ext", "events", "--only", "chat", "--session", "main"]
    opened = subprocess.run(
        [sys.executable, "-m", "clawdbot_ext", "agent", "-m", "[[text=opened]]"],
        env=dict(running.environment),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert opened.returncode == 0, opened.stderr
    theirs = Page(browser, page_url)
    with closing(theirs.page):
        cli = subprocess.Popen(
            command, env=dict(running.environment), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            assert running.ws_url.rpartition("/")[0] in cli.stderr.readline()
            ours.get_by_text("opened").last.wait_for()
            theirs.shows("opened")
            tui.shows("opened")
            theirs.send(f"say it [[text={WORDS}]]")
            theirs.shows(WORDS)
            tui.shows(WORDS)
            ours.get_by_text(WORDS).last.wait_for()
            for line in cli.stdout:
                event = json.loads(line)["payload"]
                if event["state"] == "final" and WORDS in str(event["message"]):
                    break
            else:
                pytest.fail("our command line was not told")
            tui.write("from the terminal [[text=and back again]]")
            theirs.shows("and back again")
            ours.get_by_text("and back again").last.wait_for()
            theirs.picture(pictures, "together")
            if pictures:
                ours.screenshot(path=pictures / "webchat-together.png")
                (pictures / "tui-together.txt").write_text(tui.screen())
        finally:
            cli.terminate()
            cli.wait(10)
            cli.stdout.close()
            cli.stderr.close()
