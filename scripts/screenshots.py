"""Takes the pictures in ``docs/images`` of the real thing: ``python -m scripts.screenshots``.

A gateway with the demo and an empty state directory is started and asked a few questions; Chromium opens the page, tmux
runs ``clawdbot chat``. Needs the ``test`` extra and the programs ``chromium`` and ``tmux`` (CONTRIBUTING.md), and for
the Korean picture a Korean font.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect, sync_playwright
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from clawdbot_ext.client.endpoint import Endpoint
from clawdbot_ext.client.sync import connect
from tests.support.seeding import seed
from tests.support.server import GatewayProcess
from tests.support.tools import TOOLS

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
WIDE, PHONE = ViewportSize(width=1280, height=860), ViewportSize(width=390, height=844)
PHONE_WIDTH = 600
"""A window narrower than this is a phone's: touch, no mouse."""
Scheme = Literal["light", "dark"]
COLUMNS, LINES = 100, 46
WAIT_S = 60.0
"""The longest that anything may take to appear."""

QUESTIONS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "en": {
        "Outliers in the sensor data": ("Some math please: which formula is the mean?",),
        "Reading a large CSV file": ("How do I read it in chunks? Show me code",),
        "main": ("How do I count words? Code, please", "And which of three models is best? As a table"),
    },
    "ko": {
        "센서 데이터의 이상값": ("평균 수식을 보여 주세요",),
        "큰 CSV 파일 읽기": ("나눠서 읽는 코드를 보여 주세요",),
        "main": ("단어를 세는 코드를 보여 주세요", "세 모델을 표로 비교해 주세요"),
    },
}
COLOURS = TerminalTheme(
    (22, 24, 29),
    (214, 217, 224),
    [
        (58, 62, 72),
        (240, 113, 120),
        (143, 203, 126),
        (235, 191, 107),
        (110, 168, 240),
        (199, 146, 234),
        (94, 198, 196),
        (214, 217, 224),
    ],
)
TERMINAL = """<body style="margin:0"><pre id="screen" style="display:inline-block;margin:0;padding:18px 22px;
background:rgb(22,24,29);color:rgb(214,217,224);font:15px/1.35 monospace">{code}</pre>"""


def main() -> int:
    """Take all pictures. Returns the exit code."""
    chromium = TOOLS["chromium"].find()
    if chromium is None or TOOLS["tmux"].find() is None:
        print("needs chromium and tmux, see CONTRIBUTING.md", file=sys.stderr)
        return 1
    IMAGES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        with gateway("en") as english:
            photograph_login(browser, english)
            photograph_chat(browser, english, "chat-light", "light")
            photograph_chat(browser, english, "chat-dark", "dark")
            photograph_chat(browser, english, "chat-390", "light", viewport=PHONE)
            photograph_parts(browser, english)
            photograph_terminal(browser, english)
            photograph_control(browser, english, "overview", "models", "devices", "config", "logs")
            photograph_offline(browser, english)
        with gateway("ko") as korean:
            photograph_chat(browser, korean, "chat-ko", "light", locale="ko-KR")
        with busy_gateway() as busy:
            photograph_control(browser, busy, "sessions", "usage?days=90")
            photograph_phone(browser, busy)
        browser.close()
    return 0


@contextlib.contextmanager
def gateway(language: str) -> Iterator[GatewayProcess]:
    """A running gateway in which the questions of ``language`` have been asked."""
    with tempfile.TemporaryDirectory() as folder:
        process = GatewayProcess(Path(folder, "state"))
        process.start()
        try:
            with connect(Endpoint(process.ws_url, process.url, process.token), locale=language) as client:
                for title, questions in QUESTIONS[language].items():
                    key = title
                    if title != "main":
                        key = client.request("sessions.new", {"label": title})["key"]
                    for question in questions:
                        for _ in client.ask(question, session_key=key):
                            pass  # until its end
            yield process
        finally:
            process.stop()


@contextlib.contextmanager
def busy_gateway() -> Iterator[GatewayProcess]:
    """A running gateway that has been used for 90 days."""
    with tempfile.TemporaryDirectory() as folder:
        process = GatewayProcess(Path(folder, "state"))
        process.home.mkdir(mode=0o700)
        seed(process.state, sessions=400, now=int(time.time() * 1000))
        process.start()
        try:
            yield process
        finally:
            process.stop()


def photograph_login(browser: Browser, process: GatewayProcess) -> None:
    """The page for visitors who have only the address."""
    with window(browser) as context:
        page = context.new_page()
        page.goto(process.url)
        expect(page.locator("input[name=secret]")).to_be_focused()
        page.screenshot(path=IMAGES / "login.png")


def photograph_chat(
    browser: Browser,
    process: GatewayProcess,
    name: str,
    scheme: Scheme,
    *,
    locale: str = "en-US",
    viewport: ViewportSize = WIDE,
) -> None:
    """The conversation, in the theme ``scheme``."""
    with window(browser, scheme=scheme, locale=locale, viewport=viewport) as context:
        open_chat(context, process).screenshot(path=IMAGES / f"{name}.png")


def photograph_parts(browser: Browser, process: GatewayProcess) -> None:
    """The search over all sessions, the settings, the palette, and a tool call that waits to be allowed."""
    with window(browser) as context:
        page = open_chat(context, process)
        page.get_by_role("searchbox").fill("formula")
        expect(page.locator(".hit").first).to_be_visible()
        page.screenshot(path=IMAGES / "search.png")
        page.get_by_role("searchbox").fill("")
        page.keyboard.press("Control+k")
        expect(page.locator("dialog.palette [role=option]").first).to_be_visible()
        page.screenshot(path=IMAGES / "palette.png")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Settings").click()
        expect(page.get_by_role("dialog", name="Settings")).to_be_visible()
        page.screenshot(path=IMAGES / "settings.png")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="New session").first.click()
        expect(page.locator(".greeting")).to_be_visible()
        page.screenshot(path=IMAGES / "greeting.png")
        page.locator("#composer").fill("Please try a tool")
        page.locator("#composer").press("Enter")
        page.get_by_role("button", name=re.compile("Allow once")).click()
        expect(page.locator("article[aria-busy]")).to_have_count(0)
        page.screenshot(path=IMAGES / "tool.png")


def photograph_control(
    browser: Browser,
    process: GatewayProcess,
    *addresses: str,
) -> None:
    """Tabs of the Control UI, by their addresses."""
    with window(browser) as context:
        page = log_in(context, process)
        for address in addresses:
            page.goto(f"{process.url}#/{address}")
            pane = page.locator(".pane:visible")
            expect(pane.locator("h1")).to_be_visible()
            expect(pane.locator("h2, table, .log-list").first).to_be_visible()
            expect(pane.locator(".none[role=status], .usage-wait")).to_have_count(0)
            expect(pane.locator("button[disabled]", has_text="Check again")).to_have_count(0)
            page.screenshot(path=IMAGES / f"control-{address.split('?')[0]}.png")


def photograph_phone(browser: Browser, process: GatewayProcess) -> None:
    """The usage on a Korean phone at night."""
    with window(browser, scheme="dark", locale="ko-KR", viewport=PHONE) as context:
        page = log_in(context, process)
        page.goto(f"{process.url}#/usage?days=90")
        expect(page.locator(".pane:visible canvas")).to_be_visible()
        page.screenshot(path=IMAGES / "control-usage-390.png")


def photograph_offline(browser: Browser, process: GatewayProcess) -> None:
    """The conversation while the gateway is away. Stops ``process``."""
    with window(browser) as context:
        page = open_chat(context, process)
        process.stop()
        expect(page.locator(".banner .countdown")).to_be_visible()
        page.screenshot(path=IMAGES / "offline.png")


def photograph_terminal(browser: Browser, process: GatewayProcess) -> None:
    """``clawdbot chat`` on the same conversation, in a real terminal."""
    chat = [sys.executable, "-m", "clawdbot_ext", "chat"]
    socket = f"clawdbot-screenshots-{process.pid}"
    tmux = ["tmux", "-L", socket, "-f", "/dev/null"]
    env = {**process.environment, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    size = ["-x", str(COLUMNS), "-y", str(LINES)]
    subprocess.run([*tmux, "new-session", "-d", *size, shlex.join(chat)], check=True, env=env)
    try:
        screen_with(tmux, "\n›\n")  # an empty prompt: what is typed earlier is not the prompt's
        subprocess.run([*tmux, "send-keys", "-l", "And that code again, please"], check=True)
        screen_with(tmux, "And that code")
        subprocess.run([*tmux, "send-keys", "Enter"], check=True)
        screen_with(tmux, "And that code", "uniq -c")
        drawn = settled(tmux)
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)
    with window(browser, viewport=ViewportSize(width=1400, height=1000)) as context:
        page = context.new_page()
        page.set_content(TERMINAL.format(code=as_html(drawn)))
        page.locator("#screen").screenshot(path=IMAGES / "cli.png")


def screen_with(tmux: list[str], *texts: str) -> str:
    """The terminal's screen once all of ``texts`` are on it. Raises ``TimeoutError``."""
    deadline, screen = time.monotonic() + WAIT_S, ""
    while time.monotonic() < deadline:
        screen = capture(tmux)
        plain = "\n".join(line.rstrip() for line in Text.from_ansi(screen).plain.splitlines())
        if all(text in plain for text in texts):
            return screen
        time.sleep(0.1)
    raise TimeoutError(f"{texts} did not appear in:\n{screen}")


def settled(tmux: list[str]) -> str:
    """The terminal's screen once it has been the same for half a second."""
    screen, since = capture(tmux), time.monotonic()
    while time.monotonic() - since < 0.5:
        time.sleep(0.1)
        if (now := capture(tmux)) != screen:
            screen, since = now, time.monotonic()
    return screen


def capture(tmux: list[str]) -> str:
    return subprocess.run([*tmux, "capture-pane", "-p", "-e"], check=True, capture_output=True, text=True).stdout


def as_html(screen: str) -> str:
    """A captured screen with its colours as HTML."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi(screen.rstrip("\n"), no_wrap=True), soft_wrap=True)
    return console.export_html(theme=COLOURS, inline_styles=True, code_format="{code}")


@contextlib.contextmanager
def window(
    browser: Browser, *, scheme: Scheme = "light", locale: str = "en-US", viewport: ViewportSize = WIDE
) -> Iterator[BrowserContext]:
    """A fresh browser profile."""
    touch = viewport["width"] < PHONE_WIDTH
    context = browser.new_context(
        color_scheme=scheme, locale=locale, viewport=viewport, reduced_motion="reduce", is_mobile=touch, has_touch=touch
    )
    context.set_default_timeout(WAIT_S * 1000)
    try:
        yield context
    finally:
        context.close()


def open_chat(context: BrowserContext, process: GatewayProcess) -> Page:
    """The chat with its conversation drawn to its end."""
    page = log_in(context, process)
    expect(page.locator("article.turn.assistant pre code span").first).to_be_attached()  # loaded and highlighted
    expect(page.locator("article.turn.assistant").last).to_be_in_viewport()
    page.evaluate("document.fonts.ready")
    return page


def log_in(context: BrowserContext, process: GatewayProcess) -> Page:
    """Log in to the chat as a person does."""
    page = context.new_page()
    page.goto(f"{process.url}chat")
    page.locator("input[name=secret]").fill(process.token)
    page.locator("button[type=submit]").click()
    expect(page.locator("#composer")).to_be_visible()
    return page


if __name__ == "__main__":
    sys.exit(main())
