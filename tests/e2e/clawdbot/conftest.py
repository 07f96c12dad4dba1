"""Clawdbot's real clients against a real gateway of ours; skipped unless installed (``tests/README.md``)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.clawdbot.clients import CommandLine, control_ui, installed
from tests.support.server import GatewayProcess, free_port

HERE = Path(__file__).parent
PAGE = HERE.parent.parent / "docs" / "clawdbot-clients.md"
BEGIN, END = "<!-- table: written by the suite -->", "<!-- end of table -->"
ROWS: list[tuple[str, str, str]] = []
"""Client, what was done, and what came of it: printed at the end, and what the documentation shows."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.clawdbot)
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.timeout(180))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    report = (yield).get_result()
    if HERE in item.path.parents and report.when == "call" and not report.skipped:
        client = item.path.stem.removeprefix("test_").replace("_", " ")
        name = item.name.removeprefix("test_").partition("[")[0].replace("_", " ")
        case = next((str(value) for key, value in _parameters(item).items() if key in ("command", "tab")), "")
        what = f"{name}: `{case}`" if case else name
        ROWS.append((client, what, "works" if report.passed else "FAILS"))


def _parameters(item: pytest.Item) -> dict[str, object]:
    callspec = getattr(item, "callspec", None)
    return dict(callspec.params) if callspec else {}


def pytest_terminal_summary(terminalreporter) -> None:
    if not ROWS:
        return
    lines = ["| client | what | |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in ROWS)]
    terminalreporter.section("Clawdbot's clients")
    for line in lines:
        terminalreporter.write_line(line)
    if "CLAWDBOT_REPORT" in os.environ:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{rest.partition(END)[2]}")


@pytest.fixture(scope="session")
def clients() -> tuple[Path, Path]:
    """The package's folder and Node."""
    found = installed()
    if found is None:
        pytest.skip("set CLAWDBOT_CLIENTS to a folder with the npm package clawdbot (tests/README.md)")
    return found


@pytest.fixture(scope="module")
def page_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def running(clients, page_port, tmp_path_factory) -> Iterator[GatewayProcess]:
    """A gateway whose one special setting is the origin that the Control UI is served from."""
    process = GatewayProcess(
        tmp_path_factory.mktemp("gateway"), config={"gateway": {"allowedOrigins": [f"http://127.0.0.1:{page_port}"]}}
    )
    process.start()
    yield process
    process.stop()


@pytest.fixture(scope="module")
def claw(clients, running, tmp_path_factory) -> CommandLine:
    return CommandLine(*clients, running, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def page_url(clients, running, page_port) -> Iterator[str]:
    """The Control UI, told which gateway to use."""
    with control_ui(clients[0], page_port) as origin:
        yield f"{origin}/chat?gatewayUrl=ws://127.0.0.1:{running.port}/&token={running.token}"


@pytest.fixture(scope="session")
def pictures() -> Path | None:
    """Folder of pictures, where the documentation is to be renewed (``CLAWDBOT_REPORT=1``); it shows some of them."""
    if "CLAWDBOT_REPORT" not in os.environ:
        return None
    path = PAGE.parent / "images" / "clawdbot"
    path.mkdir(parents=True, exist_ok=True)
    return path
