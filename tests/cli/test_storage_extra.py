"""A ``storage.url`` without psycopg: each command says how to install it, and shows no password."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.server import clean_environment, free_port

URL = "postgresql://someone:s3cret-w0rd@127.0.0.1:1/chats"
INSTALL = "pip install 'jupyter-clawdbot[postgres]'"
PROGRAM = """
import runpy, sys
sys.modules["psycopg"] = None  # as where it is not installed
runpy.run_module("clawdbot_ext", run_name="__main__")
"""


@pytest.mark.slow
@pytest.mark.parametrize("language", ["C.UTF-8", "ko_KR.UTF-8"])
@pytest.mark.parametrize("command", ["gateway run --port {port}", "doctor", "storage copy home storage.url"])
def test_without_psycopg_the_command_that_installs_it_is_named(command: str, language: str, tmp_path) -> None:
    environment = {**clean_environment(tmp_path), "CLAWDBOT_STORAGE_URL": URL, "LC_ALL": language}
    words = [sys.executable, "-c", PROGRAM, *command.format(port=free_port()).split()]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 1 and INSTALL in said, said
    assert "Traceback" not in said and "s3cret" not in said
    if command == "doctor":
        assert f"→ {INSTALL}" in said and "whether the server runs" not in said
