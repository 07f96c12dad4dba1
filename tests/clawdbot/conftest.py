"""Clawdbot's real clients against a real gateway of ours; skipped unless installed (``tests/README.md``)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clawdbot.clients import CommandLine, control_ui, installed
from tests.support.server import GatewayProcess, free_port

HERE = Path(__file__).parent
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
        what = item.name.removeprefix("test_").replace("_", " ")
        ROWS.append((client, what, "works" if report.passed else "FAILS"))


def pytest_terminal_summary(terminalreporter) -> None:
    if ROWS:
        terminalreporter.section("Clawdbot's clients")
        for client, what, came in ROWS:
            terminalreporter.write_line(f"| {client} | {what} | {came} |")


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
    process = GatewayProcess(tmp_path_factory.mktemp("gateway"),
                             config={"gateway": {"allowedOrigins": [f"http://127.0.0.1:{page_port}"]}})
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
    """Where screenshots go, if anybody wants them: the folder that ``CLAWDBOT_SCREENSHOTS`` names."""
    folder = os.environ.get("CLAWDBOT_SCREENSHOTS")
    if folder is None:
        return None
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    return path
