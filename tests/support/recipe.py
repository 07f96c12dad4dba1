"""The compose file of the documentation, read as Docker reads it, and followed with processes instead of containers.

What a service is given stays as it is written: its command, its environment, nginx's configuration, the health check.
Only addresses, ports and paths are others, since all processes share one machine.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import yaml
from typing_extensions import Self

from .postgres import USER, Postgres
from .server import ROOT, GatewayProcess, free_port
from .tools import require

FOLDER = ROOT / "docs" / "deploy" / "compose"
PROGRAM = ("-m", "clawdbot_ext")
"""The entry point of the image."""
GATEWAYS = ("gateway-a", "gateway-b")
HEALTHY_S, STOP_S = 120.0, 40.0
_VARIABLE = re.compile(r"\$\{(\w+)(:\?|:-)?([^}]*)\}")


def example() -> dict[str, str]:
    """The lines of the environment file that people copy."""
    lines = (FOLDER / ".env.example").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def compose(values: Mapping[str, str]) -> dict[str, Any]:
    """The compose file with the variables put in. Raises ``KeyError``: one that must be given is empty."""

    def value(found: re.Match[str]) -> str:
        name, kind, default = found.groups()
        if kind == ":?" and not values.get(name):
            raise KeyError(name)
        return values.get(name) or (default if kind == ":-" else "")

    def fill(part: Any) -> Any:
        if isinstance(part, str):
            return _VARIABLE.sub(value, part)
        if isinstance(part, list):
            return [fill(each) for each in part]
        return {name: fill(each) for name, each in part.items()} if isinstance(part, dict) else part

    filled: dict[str, Any] = fill(yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8")))
    return filled


class Recipe:
    """Everything that the compose file names, in one folder. ``start`` starts it; ``gateways`` are by service."""

    def __init__(self, folder: Path, values: Mapping[str, str]):
        self.folder = folder
        services = compose(values)["services"]
        self.token = values["CLAWDBOT_GATEWAY_TOKEN"]
        self.port = free_port()
        self._services = services
        self._open = ExitStack()
        self._database = services["postgres"]["environment"]
        self._postgres = Postgres(trust=False)
        self._postgres.password = self._database["POSTGRES_PASSWORD"]
        assert self._database["POSTGRES_USER"] == USER
        self.gateways = {name: self._gateway(name) for name in GATEWAYS}

    @property
    def url(self) -> str:
        """The balancer, under the name that browsers use."""
        return f"http://localhost:{self.port}/"

    @property
    def ws_url(self) -> str:
        return f"ws://localhost:{self.port}/ws"

    def _volume(self, name: str) -> Path:
        path = self.folder / name
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path

    def _gateway(self, name: str) -> GatewayProcess:
        service = self._services[name]
        mounts = dict(reversed(each.split(":")[:2]) for each in service["volumes"])
        places = {target: self._volume(source) for target, source in mounts.items()}
        given = {key: self._elsewhere(value, places) for key, value in service["environment"].items()}
        state = Path(given["CLAWDBOT_STATE_DIR"])
        (state / "jupyter").mkdir(mode=0o700, exist_ok=True)
        (state / "jupyter" / "secrets").symlink_to(places["/state/jupyter/secrets"])
        gateway = GatewayProcess(state, env=given)
        gateway.program = (*PROGRAM, *("loopback" if word == "lan" else word for word in service["command"]))
        gateway.browser = True  # the command itself says that it opens none
        return gateway

    def _elsewhere(self, text: str, places: Mapping[str, Path]) -> str:
        """A value with the addresses and paths of this machine in the place of those of the containers."""
        for target, path in places.items():
            text = re.sub(rf"(^|file://){target}(?=/|$)", rf"\g<1>{path}", text)
        text = text.replace("@postgres:5432/", f"@127.0.0.1:{self._postgres.port}/")
        return re.sub(r"^172\.30\.18\.2$", "127.0.0.1", text)

    # -- nginx --------------------------------------------------------------------------------------------------------
    def write_nginx(self) -> list[str]:
        """Write the balancer's configuration; the command that starts it."""
        program = require("nginx")
        folder = self._volume("nginx")
        text = (FOLDER / "nginx.conf").read_text(encoding="utf-8")
        for name, gateway in self.gateways.items():
            address = self._services[name]["networks"]["inner"]["ipv4_address"]
            text = text.replace(f"{address}:18789", f"127.0.0.1:{gateway.port}")
        text = text.replace("listen 80;", f"listen 127.0.0.1:{self.port};")
        temporary = "".join(
            f"{kind}_temp_path {folder}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        text = text.replace("http {\n", f"http {{ {temporary}\n")
        (folder / "nginx.conf").write_text(text, encoding="utf-8")
        return [program, "-e", "stderr", "-c", f"{folder}/nginx.conf", "-g", f"daemon off; pid {folder}/nginx.pid;"]

    # -- life ---------------------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Start the services, each when those are healthy on which it depends."""
        self._postgres.start()
        self._open.callback(self._postgres.close)
        with psycopg.connect(self._postgres.url(), autocommit=True) as conn:
            conn.execute(f"CREATE DATABASE {self._database['POSTGRES_DB']}")  # as the image does
        self.await_healthy("postgres")
        for gateway in self.gateways.values():
            gateway.spawn()
            self._open.callback(gateway.kill)
        nginx = subprocess.Popen(self.write_nginx(), stdin=subprocess.DEVNULL)
        self._open.callback(nginx.wait, STOP_S)
        self._open.callback(nginx.terminate)
        self.await_healthy(*self.gateways, "nginx")

    def await_healthy(self, *services: str) -> None:
        """Wait until the health checks of services succeed."""
        ends = time.monotonic() + HEALTHY_S
        for name in services:
            while (done := self._check(name)).returncode != 0:
                if time.monotonic() > ends:
                    raise RuntimeError(f"{name} is not healthy: {done.stderr}")
                time.sleep(0.1)

    def _check(self, name: str) -> subprocess.CompletedProcess[str]:
        kind, *command = self._services[name]["healthcheck"]["test"]
        assert kind == "CMD"
        return subprocess.run(self._here(name, command), capture_output=True, text=True, timeout=HEALTHY_S)

    def _here(self, name: str, command: Sequence[str]) -> list[str]:
        """The command of a health check with the programs and ports of this machine."""
        if name == "postgres":
            return [str(self._postgres.programs / command[0]), f"--port={self._postgres.port}", *command[1:]]
        if name == "nginx":
            program = shutil.which(command[0]) or os.devnull
            return [program, *(word.replace(":80/", f":{self.port}/") for word in command[1:])]
        port = self.gateways[name].port
        return [sys.executable, *(word.replace(":18789/", f":{port}/") for word in command[1:])]

    def close(self) -> None:
        """End and remove everything."""
        self._open.close()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
