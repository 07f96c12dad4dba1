"""Clawdbot's own gateway as another process, for benchmarks that compare with it in one run."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from typing_extensions import Self

from tests.support.server import free_port

START_S = 60.0


class RealGateway:
    """A context manager that runs the npm package ``clawdbot`` with everything off but chat.

    Args:
        prefix: the folder with ``node_modules/clawdbot``.
        node: the program, version 22 or newer.
        api: the base URL of a Messages API.
    """

    def __init__(self, prefix: Path, node: str, api: str, token: str):
        self.port = free_port()
        self.url = f"ws://127.0.0.1:{self.port}/"
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        state = Path(self._folder.name)
        model = {"id": "claude-sonnet-5-5", "name": "Sonnet", "contextWindow": 200_000, "maxTokens": 8_192}
        provider = {"baseUrl": api, "apiKey": "sk-bench", "api": "anthropic-messages", "models": [model]}
        config = {
            "gateway": {"mode": "local", "port": self.port, "bind": "loopback", "auth": {"mode": "token"}},
            "models": {"mode": "replace", "providers": {"mock": provider}},
            "agents": {
                "defaults": {
                    "model": {"primary": "mock/claude-sonnet-5-5"},
                    "maxConcurrent": 40,
                    "heartbeat": {"every": "0m"},
                    "workspace": str(state / "workspace"),
                }
            },
            "browser": {"enabled": False},
            "canvasHost": {"enabled": False},
            "cron": {"enabled": False},
        }
        (state / "clawdbot.json").write_text(json.dumps(config))
        entry = prefix / "node_modules" / "clawdbot" / "dist" / "entry.js"
        self._command = [node, str(entry), "gateway", "run", "--port", str(self.port), "--token", token]
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(state),
            "CLAWDBOT_STATE_DIR": str(state),
            "CLAWDBOT_CONFIG_PATH": str(state / "clawdbot.json"),
            "CLAWDBOT_NO_RESPAWN": "1",
            "CLAWDBOT_SKIP_CHANNELS": "1",
            "CLAWDBOT_GATEWAY_TOKEN": token,
            "CLAWDBOT_DISABLE_BONJOUR": "1",
        }
        self._log = state / "output.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self._environment, stdout=log, stderr=subprocess.STDOUT, cwd=self._folder.name
            )
        ends = time.monotonic() + START_S
        while time.monotonic() < ends and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return self
        output = self._log.read_text(errors="replace")[-2000:]
        self.__exit__()
        raise RuntimeError(f"the real gateway did not start:\n{output}")

    def __exit__(self, *exc_info: object) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()
