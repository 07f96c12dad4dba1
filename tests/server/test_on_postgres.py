"""A gateway whose conversations are in PostgreSQL, as a person starts it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from clawdbot_ext.store.postgres.keeper import GATEWAY_LOCK
from tests.support.postgres import Postgres
from tests.support.server import GatewayProcess

BOUND_S = 120
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with Postgres(trust=False) as server:
        yield server


def on(url: str, state: Path, **env: str) -> GatewayProcess:
    return GatewayProcess(state, env={"CLAWDBOT_STORAGE_URL": url, **env})


def refused(gateway: GatewayProcess) -> str:
    """The output of a gateway that does not start."""
    gateway.spawn()
    assert gateway._process is not None and gateway._process.wait(BOUND_S) == 1
    return gateway.output


def command(gateway: GatewayProcess, *words: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "clawdbot_ext", *words]
    return subprocess.run(program, env=gateway.environment, capture_output=True, text=True, timeout=BOUND_S)


def test_a_gateway_keeps_conversations_in_postgresql_and_its_address_to_itself(
    server: Postgres, tmp_path: Path
) -> None:
    url = server.create()
    with psycopg.connect(url) as alone:
        alone.execute("SELECT pg_advisory_lock(%s)", (GATEWAY_LOCK,))
        second = refused(on(url, tmp_path / "b", LC_ALL="ko_KR.UTF-8"))
        assert "다른 게이트웨이가 이 데이터베이스를 사용하고 있어요" in second
    gateway = on(url, tmp_path / "a")
    gateway.start()
    try:
        answer = command(gateway, "agent", "--json", "-m", "hello there")
        assert answer.returncode == 0, answer.stderr
        status = json.loads(command(gateway, "status", "--json").stdout)
        place = url.replace(f"clawdbot:{server.password}@", "")
        assert status["storage"]["path"] == place and status["storage"]["ok"] and status["sessions"]["count"] == 1
        storage = status["storage"]
        assert (storage["engine"], storage["gateways"], storage["mediaBytes"]) == ("postgresql", 1, 0)
        assert storage["bytes"] > 1_000_000 and storage["media"].endswith("media")
        told = [
            command(gateway, *words)
            for words in (("config", "get", "storage.*"), ("backup",), ("doctor",), ("status",))
        ]
        for line in (told[2].stdout, told[3].stdout):
            assert f"PostgreSQL {storage['version']}" in line and " MB" in line, line
        assert "gateways on it now: 1" in told[2].stdout
        assert "(hidden)" in told[0].stdout and "pg_dump" in told[1].stderr and place in told[2].stdout
        shown = "".join(each.stdout + each.stderr for each in (*told, answer)) + second + json.dumps(status)
    finally:
        gateway.stop()
    assert not list((tmp_path / "a").rglob("gateway.sqlite3*"))
    files = "".join(path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file())
    assert server.password not in shown + files


def test_a_start_without_the_server_or_with_a_wrong_password_says_so(server: Postgres, tmp_path: Path) -> None:
    wrong = refused(on(server.url().replace(server.password, "wr0ng-one"), tmp_path / "a"))
    assert "password authentication failed" in wrong and "wr0ng-one" not in wrong
    away = refused(on(f"postgresql://clawdbot:{server.password}@127.0.0.1:1/x", tmp_path / "b"))
    assert "Connection refused" in away and server.password not in away
