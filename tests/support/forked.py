"""A gateway in a process that is forked off one with everything imported: started in a fraction of the time.

For tests that start many. It is the same server (``server.launch.main``), on a port, over real sockets and files; what
a fork shares with its parent, and an ``exec`` would not, is the modules as they were imported.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Mapping
from multiprocessing.context import ForkServerContext, ForkServerProcess

from .server import STOP_S, GatewayProcess

MODULES = (
    "anthropic",
    "clawdbot_ext.server.process",
    "clawdbot_ext.server.launch",
    "clawdbot_ext.gateway.gateway",
    "clawdbot_ext.server.handlers.routes",
    "clawdbot_ext.server.metrics",
    "clawdbot_ext.store.router",
    "clawdbot_ext.agent.providers.anthropic",
    "clawdbot_ext.agent.providers.demo",
    "clawdbot_ext.agent.media.api",
)


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(MODULES))
    return context


def _serve(arguments: list[str], environment: Mapping[str, str], folder: str, log: str) -> None:
    """Be the gateway. Called in the new process."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    with open(log, "ab", 0) as output, open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    from clawdbot_ext.server.launch import main
    from clawdbot_ext.store import failpoints

    failpoints.arm(environment.get(failpoints.VARIABLE, ""))
    sys.orig_argv = [sys.executable, "-m", "clawdbot_ext.app", *arguments]
    sys.exit(main(arguments))


class ForkedGateway(GatewayProcess):
    """``GatewayProcess``, forked instead of executed."""

    _forked: ForkServerProcess | None = None

    def spawn(self) -> None:
        arguments = [f"--port={self.port}", "--no-browser", *self.arguments]
        given = (arguments, self.environment, str(self.state), str(self._log))
        self._forked = _context().Process(target=_serve, args=given, daemon=True)
        self._forked.start()
        self._process = _Popen(self._forked)  # type: ignore[assignment]  # as much of one as is used


class _Popen:
    """The part of ``subprocess.Popen`` that ``GatewayProcess`` uses."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float = STOP_S) -> int:
        self._process.join(timeout)
        assert self._process.exitcode is not None, "it does not end"
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)
