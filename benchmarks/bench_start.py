"""Duration of a start, and memory of an idle gateway: ``python -m benchmarks.bench_start [--runs 7]``.

From ``exec`` of ``python -m clawdbot_ext.app`` to the ``101`` of a WebSocket handshake, and the resident memory 2 s
later, with the demo provider and with the SDK loaded. Each run has a fresh state directory,
so that the first start (secrets, database) is what is measured; ``--again`` measures the second start of one directory.
"""

from __future__ import annotations

import argparse
import base64
import os
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil

from tests.support.server import GatewayProcess

CACHE = Path(tempfile.gettempdir()) / "clawdbot-bench-pycache"
"""Compiled modules, as an installation has them (``pip`` compiles); a checkout need not."""
BUDGET_START_S = 0.6
BUDGET_RSS_MB = {"demo": 60.0, "sdk": 130.0}
PEER_START_S, PEER_RSS_MB = 2.03, 245.0
"""clawdbot 2026.1.24-3 on such a machine: exec to hello-ok, and idle."""


def handshake(port: int, timeout_s: float = 20.0) -> float:
    """Try until a WebSocket is accepted; ``time.monotonic()`` at the 101."""
    request = (
        f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    ends = time.monotonic() + timeout_s
    while time.monotonic() < ends:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout_s) as connection:
                connection.sendall(request.encode())
                received = connection.recv(4096)
                accepted = time.monotonic()
                if not received.startswith(b"HTTP/1.1 101"):
                    raise RuntimeError(received[:200])
                return accepted
        except ConnectionRefusedError:
            time.sleep(0.002)
    raise TimeoutError(f"no answer on port {port}")


def measure(state: Path, kind: str) -> tuple[float, float, float]:
    """Seconds to the 101, CPU seconds until then (what remains of it on a busy machine), resident MB."""
    env = {"ANTHROPIC_API_KEY": "none", "ANTHROPIC_BASE_URL": "http://127.0.0.1:9"} if kind == "sdk" else {}
    gateway = GatewayProcess(state, env={**env, "PYTHONPYCACHEPREFIX": str(CACHE)})
    gateway.environment.pop("PYTHONDONTWRITEBYTECODE", None)
    started = time.monotonic()
    gateway.spawn()
    try:
        accepted = handshake(gateway.port)
        times = psutil.Process(gateway.pid).cpu_times()
        time.sleep(4.0 if kind == "sdk" else 2.0)
        rss = psutil.Process(gateway.pid).memory_info().rss / 2**20
    finally:
        gateway.stop()
    return accepted - started, times.user + times.system, rss


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--again", action="store_true", help="the second start of a state directory")
    given = parser.parse_args()
    missed = False
    for kind in ("demo", "sdk"):
        rows = []
        for _ in range(given.runs + 1):
            with tempfile.TemporaryDirectory() as folder:
                if given.again:
                    measure(Path(folder), "demo")
                rows.append(measure(Path(folder), kind))
        # the first one only compiles and warms the disk cache
        starts, cpu, sizes = (sorted(column) for column in zip(*rows[1:], strict=True))
        start, rss = statistics.median(starts), statistics.median(sizes)
        print(
            f"{kind}: 101 after {start:.3f} s (best {starts[0]:.3f}, worst {starts[-1]:.3f}), "
            f"{statistics.median(cpu):.2f} s of CPU; idle {rss:.1f} MB RSS"
        )
        print(f"  {PEER_START_S / start:.1f}x faster than the real gateway, {PEER_RSS_MB / rss:.1f}x smaller")
        missed |= start > BUDGET_START_S or rss > BUDGET_RSS_MB[kind]
    print("over budget" if missed else "within budget")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
