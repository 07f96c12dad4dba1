"""Access from another machine: two machines and a cable, in network namespaces (``two_hosts.py``)."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support.server import ROOT, clean_environment


def may_have_networks() -> bool:
    """Whether this account may make network namespaces and cables between them, which many containers forbid."""
    inside = ["unshare", "--map-root-user", "--net", "ip", "link", "add", "one", "type", "veth", "peer", "name", "two"]
    try:
        return subprocess.run(inside, capture_output=True, timeout=60, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


@pytest.mark.slow
def test_a_gateway_answers_at_the_addresses_of_its_bind_mode_and_at_no_other(tmp_path):
    if not may_have_networks():
        pytest.skip("network namespaces need util-linux, iproute2, and a system that lets this account have them")
    inside = ["unshare", "--map-root-user", "--net", sys.executable, "-m", "tests.e2e.two_hosts", str(tmp_path)]
    done = subprocess.run(
        inside, cwd=ROOT, env=clean_environment(tmp_path), capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    reached = {who: {place for place, result in found[who].items() if result == "in"} for who in ("other", "own")}
    lan, tailnet = "192.0.2.1", "100.64.0.1"
    assert reached["other"] == {f"tailnet {tailnet}", f"lan {lan}", f"lan {tailnet}"}
    assert reached["own"] == {
        "loopback 127.0.0.1",
        f"tailnet {tailnet}",
        "lan 127.0.0.1",
        f"lan {lan}",
        f"lan {tailnet}",
    }
    assert {result for who in ("other", "own") for result in found[who].values()} == {"in", "unreachable"}
    assert found["stranger"] == ["UNAUTHORIZED", "UNAUTHORIZED", "untrusted", "untrusted"]
