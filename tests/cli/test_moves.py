"""A gateway that moves from a Jupyter server to a process of its own: the terminal goes with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.terminal import Terminal
from tests.support.http import ask
from tests.support.jupyter import JupyterProcess
from tests.support.server import GatewayProcess

MOUNT_ONLY = {"gateway": {"listenWithJupyter": "off"}}


@pytest.mark.slow
def test_the_terminal_follows_the_gateway_to_another_address(tmp_path: Path) -> None:
    lab = JupyterProcess(tmp_path / "state", config=MOUNT_ONLY)
    own = GatewayProcess(lab.state)
    lab.start()
    terminal = Terminal(["chat"], lab.environment)
    try:
        terminal.ready()
        terminal.send("/status\r")
        terminal.expect("Demo")
        terminal.ready()

        # who starts one meanwhile is told where it is, and led there, logged in
        browser = tmp_path / "browser"
        browser.write_text(f"#!/bin/sh\ncat \"${{1#file://}}\" > '{tmp_path}/opened'\n")
        browser.chmod(0o755)
        again = subprocess.run(
            [sys.executable, "-m", "clawdbot_ext.app"],
            text=True,
            capture_output=True,
            timeout=60,
            env={**own.environment, "BROWSER": f"{browser} %s"},
        )
        assert (again.returncode, "in your Jupyter server" in again.stdout) == (0, True), again
        assert lab.url in again.stdout and "code=" not in again.stdout
        opened = (tmp_path / "opened").read_text().partition('href="')[2].partition('"')[0]
        assert opened.startswith(f"{lab.url}chat?code=")
        page = ask(lab.port, path=opened.removeprefix(f"http://127.0.0.1:{lab.port}"))
        assert page.status == 303 and "code=" not in page.headers["Location"]

        lab.terminate()
        terminal.expect("Connection lost, reconnecting")
        lab.wait()
        own.start()
        terminal.expect(f"The chat has moved to {own.url}", timeout_s=90)
        terminal.ready()
        terminal.send("/status\r")
        terminal.expect("Demo", times=2)
        terminal.ready()
    finally:
        terminal.close()
        lab.kill()
        own.kill()
