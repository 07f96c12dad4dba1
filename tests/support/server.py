"""A real gateway in a process of its own: started, asked, stopped, killed and started again by tests and benchmarks."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .unretrieved import check_output

ROOT = Path(__file__).resolve().parent.parent.parent
START_S = 120.0
STOP_S = 60.0
_OURS = ("CLAWDBOT_", "ANTHROPIC_", "JUPYTER_", "OPENAI_", "LC_")


def _ports() -> Iterator[int]:
    """Below those that the system gives to outgoing connections, each of the processes that share the suite its own."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % PORT_RANGES
    first, size = FIRST_PORT + worker * PORTS_EACH, PORTS_EACH
    return (first + (os.getpid() + number) % size for number in itertools.count())


FIRST_PORT, PORT_RANGES, PORTS_EACH = 20_000, 8, 1_500
_candidates = _ports()


def free_port() -> int:
    """A port of loopback that is free now, and that no other test will be given soon."""
    for _ in range(PORTS_EACH):
        port = next(_candidates)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no free port")


def clean_environment(state: Path, **more: str) -> dict[str, str]:
    """This environment without anything that configures a gateway, and with ``state`` as the state directory."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_OURS)}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "CLAWDBOT_STATE_DIR": str(state),
        "HOME": str(state),
        "LANG": "C.UTF-8",
        "JUPYTER_CONFIG_DIR": str(state / "jupyter-config"),
        "JUPYTER_DATA_DIR": str(state / "jupyter-data"),
        "JUPYTER_RUNTIME_DIR": str(state / "jupyter-runtime"),
        **more,
    }


class GatewayProcess:
    """``python -m clawdbot_ext.app`` on a free port with a state directory of its own."""

    program: tuple[str, ...] = ("-m", "clawdbot_ext.app")

    def __init__(
        self,
        state: Path,
        *,
        env: Mapping[str, str] | None = None,
        config: Mapping[str, Any] | None = None,
        arguments: tuple[str, ...] = (),
    ):
        self.state, self.home = state, state / "jupyter"
        self.port, self.address = free_port(), "127.0.0.1"
        self.arguments = arguments
        self.environment = clean_environment(state, **(env or {}))
        self.api_key = self.environment.get("ANTHROPIC_API_KEY", "")
        self.tls = bool(((config or {}).get("gateway") or {}).get("tls"))
        self.browser = False
        """Whether it may open one."""
        self._process: subprocess.Popen[bytes] | None = None
        self._log = state / "output.log"
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        if config is not None:
            self.home.mkdir(mode=0o700, exist_ok=True)
            (self.home / "config.json").write_text(json.dumps(config))

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/"

    @property
    def ws_url(self) -> str:
        return f"{'wss' if self.tls else 'ws'}://127.0.0.1:{self.port}/ws"

    @property
    def token(self) -> str:
        """The token it made at its first start."""
        return (self.home / "secrets" / "token").read_text().strip()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def output(self) -> str:
        """The output so far."""
        return self._log.read_text(errors="replace")

    def spawn(self) -> None:
        """Start it, without waiting for anything."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    *self.program,
                    f"--port={self.port}",
                    *self.arguments,
                    *(() if self.browser else ("--no-browser",)),
                ],
                cwd=self.state,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.spawn()
        self.await_answer()

    def revive(self) -> None:
        """Start it again if it has ended."""
        if self._process is None or self._process.poll() is not None:
            self.start()

    def await_answer(self) -> None:
        """Wait until it answers. Raises ``RuntimeError`` when it ends instead, or takes too long."""
        assert self._process is not None
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"the gateway ended with {self._process.returncode}:\n{self.output}")
            if (self.home / "gateway.json").exists() and self._answers():
                return
            time.sleep(0.02)
        raise RuntimeError(f"the gateway did not answer within {START_S} s:\n{self.output}")

    def _answers(self) -> bool:
        try:
            with contextlib.ExitStack() as open_until_done:
                connection = open_until_done.enter_context(socket.create_connection((self.address, self.port), 1))
                if self.tls:
                    unverified = ssl._create_unverified_context()
                    connection = open_until_done.enter_context(unverified.wrap_socket(connection))
                connection.sendall(b"GET /healthz HTTP/1.0\r\nHost: %b:%d\r\n\r\n" % (self.address.encode(), self.port))
                return b" 200 " in connection.recv(64)
        except OSError:
            return False

    def kill(self) -> None:
        """``kill -9``, if it was ever started."""
        if self._process is not None:
            self._signal(signal.SIGKILL)
            self.wait()
            check_output(self.output)

    def terminate(self) -> None:
        """``SIGTERM``; it ends in its own time."""
        self._signal(signal.SIGTERM)

    def wait(self) -> int:
        """The exit code."""
        assert self._process is not None
        return self._process.wait(STOP_S)

    def stop(self) -> None:
        """End it, whatever state it is in."""
        if self._process is None or self._process.poll() is not None:
            return
        self.terminate()
        try:
            self.wait()
            check_output(self.output)
        except subprocess.TimeoutExpired:
            self.kill()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(number)
