"""Time and memory of a user's space: ``python -m benchmarks.bench_spaces [--users 40] [--url postgresql://…]``.

Opens the spaces of new users one after the other, each by one request with the proxy's headers, and then again after a
restart: the time of the first request of a user, and what the process has grown by for each space. Without ``--url``
the conversations are in files; with it the database must be empty.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import psutil

from tests.support.http import ask
from tests.support.server import GatewayProcess

PROOF = "a-secret-of-proxy-and-gateway-0123456789"


def opened(gateway: GatewayProcess, users: int) -> tuple[list[float], float, float]:
    """Seconds of each user's first request; MB, and threads, that the process has grown by for each."""
    process = psutil.Process(gateway.pid)
    headers = [("X-Clawdbot-Proxy-Secret", PROOF), ("X-Forwarded-For", "192.0.2.1")]
    times: list[float] = []
    request(gateway, [*headers, ("X-Forwarded-User", "first")])  # imports what all of them share
    before, threads = process.memory_info().rss, process.num_threads()
    for number in range(users):
        began = time.monotonic()
        request(gateway, [*headers, ("X-Forwarded-User", f"user {number}")])
        times.append(time.monotonic() - began)
    grown = (process.memory_info().rss - before) / users / 1e6
    return times, grown, (process.num_threads() - threads) / users


def request(gateway: GatewayProcess, headers: list[tuple[str, str]]) -> None:
    answer = ask(gateway.port, path="/auth/session", headers=headers)
    if answer.status != 200:
        raise RuntimeError(answer.body.decode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=40)
    parser.add_argument("--url", default="", help="an empty PostgreSQL database")
    given = parser.parse_args()
    config = {
        "users": {"from": "headers", "secret": PROOF, "maxOpen": given.users + 1},
        "gateway": {"trustedProxies": ["127.0.0.1"]},
    }
    env = {"CLAWDBOT_STORAGE_URL": given.url} if given.url else {}
    with tempfile.TemporaryDirectory(prefix="clawdbot-spaces-") as folder:
        for what in ("new", "again"):
            gateway = GatewayProcess(Path(folder) / "state", env=env, config=config)
            gateway.start()
            try:
                times, grown, threads = opened(gateway, given.users)
            finally:
                began = time.monotonic()
                gateway.stop()
            p50, p95 = statistics.median(times), statistics.quantiles(times, n=20)[-1]
            print(
                f"{what}: open p50 {p50 * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms; "
                f"{grown:.2f} MB and {threads:.1f} threads a space; all closed in {time.monotonic() - began:.1f} s"
            )


if __name__ == "__main__":
    main()
