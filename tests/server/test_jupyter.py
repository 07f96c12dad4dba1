"""The extension in a real Jupyter server: processes, lock, signals."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from clawdbot_ext import config
from clawdbot_ext.runtime import server_info
from clawdbot_ext.runtime.paths import info_path
from clawdbot_ext.runtime.secrets import local_token
from tests.server.test_process import BUSY, start, wait_for
from tests.support.http import ask, upgrade
from tests.support.pace import promptly
from tests.support.server import ROOT, clean_environment, free_port

pytestmark = pytest.mark.slow  # each starts a process
TOKEN = "the-token-of-the-lab"
BASE = "/lab%20here/clawdbot/"


@contextlib.contextmanager
def jupyter(state, port):
    """``jupyter server`` with the package's own configuration file, as after an installation."""
    environment = clean_environment(state, JUPYTER_TOKEN=TOKEN, CLAWDBOT_GATEWAY_PORT=str(free_port()))
    environment["JUPYTER_CONFIG_PATH"] = str(ROOT / "jupyter-config")
    state.mkdir(exist_ok=True)
    with open(state / "jupyter.log", "ab") as log:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "jupyter_server",
                f"--port={port}",
                "--ServerApp.port_retries=0",
                "--no-browser",
                "--ServerApp.base_url=/lab%20here/",
                "--allow-root",
            ],
            cwd=state,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
    try:
        wait_for(lambda: process.poll() is not None or _status(port, f"{BASE}healthz"), timeout=60)
        assert process.poll() is None, (state / "jupyter.log").read_text()
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(20)


def _status(port, path):
    try:
        return ask(port, path=path).status
    except OSError:
        return 0


def loaded(state):
    return config.load({"CLAWDBOT_STATE_DIR": str(state)})


def test_the_first_server_of_a_state_directory_is_its_gateway_and_gives_it_up_at_its_end(tmp_path):
    port = free_port()
    with jupyter(tmp_path, port) as process:
        wait_for(lambda: _status(port, f"{BASE}healthz") == 200)
        info = server_info.find_running_gateway(loaded(tmp_path))
        assert (info.pid, info.host) == (process.pid, "jupyter") and info.server_url.endswith(f":{port}/lab%20here/")
        assert ask(int(info.url.rstrip("/").rpartition(":")[2]), path="/chat").status == 200
        token = local_token(loaded(tmp_path))
        assert upgrade(port, f"{BASE}ws", [("Authorization", f"Bearer {token}")]).status == 101
        assert upgrade(port, f"{BASE}ws", [("Authorization", f"token {TOKEN}")]).status == 101
        assert upgrade(port, f"{BASE}ws").status == 403
        assert ask(port, path=f"{BASE}chat").status == 302

        asked = subprocess.run(
            [sys.executable, "-m", "clawdbot_ext", "agent", "-m", "[[text=from the lab]]"],
            cwd=ROOT,
            env=clean_environment(tmp_path),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert "from the lab" in asked.stdout, asked.stderr

        second = start(tmp_path)  # prints the Lab's page and succeeds
        assert second.returncode == 0 and info.url in second.stdout
        forced = start(tmp_path, "--force")
        assert forced.returncode == BUSY and info.url in forced.stderr
        assert process.poll() is None and _status(port, f"{BASE}healthz") == 200

        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0 and time.monotonic() - began < promptly(5)
    assert server_info.find_running_gateway(loaded(tmp_path)) is None and not info_path(loaded(tmp_path)).exists()
    assert TOKEN not in "".join(p.read_text(errors="replace") for p in (tmp_path / "jupyter").rglob("*") if p.is_file())


def test_jupyter_lists_the_extension_as_good(tmp_path):
    environment = clean_environment(tmp_path)
    shutil.copytree(ROOT / "jupyter-config", environment["JUPYTER_CONFIG_DIR"])
    done = subprocess.run(
        [sys.executable, "-m", "jupyter", "server", "extension", "list"],
        env=environment,
        timeout=60,
        capture_output=True,
        text=True,
    )
    shown = re.sub(r"\x1b\[\d+m", "", done.stdout + done.stderr)
    assert re.search(r"clawdbot_ext\s+enabled", shown), shown
    assert re.search(r"clawdbot_ext \d\S+ OK", shown), shown
