"""The PostgreSQL of the tests ends with them, also when they are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.support.postgres import BOUND_S
from tests.support.tools import require

USER = """
import sys, time
from tests.support.postgres import Postgres
server = Postgres()
server.start()
print(server.folder, server._server.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.slow
def test_a_server_is_gone_after_its_tests_were_killed():
    require("postgres")
    root = Path(__file__).parents[1]
    with subprocess.Popen([sys.executable, "-c", USER], cwd=root, stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout is not None
        folder, pid = tests.stdout.readline().split()
        server = psutil.Process(int(pid))
        os.kill(tests.pid, signal.SIGKILL)
    ends = time.monotonic() + BOUND_S
    while Path(folder).exists():
        assert time.monotonic() < ends
        time.sleep(0.05)
    assert not server.is_running() or server.status() == psutil.STATUS_ZOMBIE
