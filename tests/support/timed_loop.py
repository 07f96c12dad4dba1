"""A gateway that times every callback of its event loop, in its own process."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import psutil

from tests.support.server import GatewayProcess

_TIMED = """
import asyncio, json, os, runpy, signal, sys, time

longest = {"wall": 0.0, "cpu": 0.0, "what": ""}
plain = asyncio.events.Handle._run


def timed(handle):
    wall, cpu = time.perf_counter(), time.thread_time()
    plain(handle)
    longest["wall"] = max(longest["wall"], time.perf_counter() - wall)
    took = time.thread_time() - cpu
    if took > longest["cpu"]:
        longest.update(cpu=took, what=repr(handle)[:400])


def tell(number, frame):
    with open(os.environ["LOOP_TIMES"], "w") as file:
        json.dump({**longest, "wall": longest["wall"] * 1000, "cpu": longest["cpu"] * 1000}, file)
    longest.update(wall=0.0, cpu=0.0, what="")


signal.signal(signal.SIGUSR1, tell)
asyncio.events.Handle._run = timed
sys.argv = ["clawdbot_ext.app", *sys.argv[1:]]
runpy.run_module("clawdbot_ext.app", run_name="__main__")
"""
"""The gateway with a clock on every callback of its loop; SIGUSR1 makes it write the longest and begin anew."""


class TimedGateway(GatewayProcess):
    """One that times its loop."""

    program = ("-c", _TIMED)

    def __init__(self, state: Path, **options: Any):
        super().__init__(state, **options)
        self.environment["LOOP_TIMES"] = str(state / "loop-times")

    def longest(self) -> dict[str, Any]:
        """The longest callback since the last call: ``wall`` and ``cpu``, milliseconds, and what it was."""
        file = Path(self.environment["LOOP_TIMES"])
        file.unlink(missing_ok=True)
        psutil.Process(self.pid).send_signal(signal.SIGUSR1)
        for _ in range(500):
            if file.exists() and file.read_text().endswith("}"):
                times: dict[str, Any] = json.loads(file.read_text())
                return times
            time.sleep(0.01)
        raise TimeoutError("the gateway did not tell its times")
