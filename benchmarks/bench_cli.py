"""Duration of a call of the command line, against an interpreter that does nothing.

    python benchmarks/bench_cli.py [--rounds N]

Each command runs as a process, in turn with ``python -c pass``, in an empty state directory; ``health`` and ``agent``
run against a real gateway with the demo provider, so they include a connection, a login and an answer. Prints medians
and the fastest run; exits 1 if the fastest run of a client command takes longer than its budget (0.3 s, issue 2): what
the rest take beyond it is what else the machine was doing. About half a minute.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.server import GatewayProcess  # noqa: E402

BUDGET_MS = 300.0
CLI = ("-m", "clawdbot_ext")
NOTHING = ("-c", "pass")
WHOLE = "clawdbot agent -m /status (with its answer)"
"""For comparison: more than a start, so without a budget."""
WAYS: Mapping[str, tuple[str, ...]] = {
    "python -c pass": NOTHING,
    "clawdbot --version": (*CLI, "--version"),
    "clawdbot --help": (*CLI, "--help"),
    "clawdbot status --help": (*CLI, "status", "--help"),
    "clawdbot config get gateway.port": (*CLI, "config", "get", "gateway.port"),
    "clawdbot chat --help": (*CLI, "chat", "--help"),
    "clawdbot health (connects, asks)": (*CLI, "health"),
    WHOLE: (*CLI, "agent", "-m", "/status"),
}


def seconds(arguments: tuple[str, ...], environment: Mapping[str, str]) -> float:
    """The wall-clock time of one process."""
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments],
        env=dict(environment),
        check=True,
        stdout=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        timeout=30,
    )
    return time.perf_counter() - started


def main(rounds: int) -> int:
    """Measure all ways in turn; 1 if one is over its budget."""
    with tempfile.TemporaryDirectory() as folder:
        gateway = GatewayProcess(Path(folder) / "state")
        gateway.start()
        try:
            took: dict[str, list[float]] = {name: [] for name in WAYS}
            for number in range(rounds + 1):
                for name, arguments in WAYS.items():
                    elapsed = seconds(arguments, gateway.environment)
                    if number:  # the first round fills the caches
                        took[name].append(elapsed * 1000)
        finally:
            gateway.stop()
    base = median(took["python -c pass"])
    over = []
    for name, times in took.items():
        middle = median(times)
        print(f"{name:45} {middle:6.0f} ms  [{min(times):.0f}–{max(times):.0f}]  {middle / base:5.1f}×")
        if min(times) > BUDGET_MS and name != WHOLE:
            over.append(name)
    print(f"budget {BUDGET_MS:.0f} ms: {'missed by ' + ', '.join(over) if over else 'kept'}")
    return 1 if over else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    sys.exit(main(parser.parse_args().rounds))
