"""Clawdbot's own clients, as installed from its npm package: where they are and how they are started."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.server import GatewayProcess

VERSION = "2026.1.24-3"
"""The version that the recordings, and this suite's expectations, are of."""
CALL_S = 60.0
"""Longest duration of one run of the command line, which loads 600 packages."""


def installed() -> tuple[Path, Path] | None:
    """The package's folder and a Node 22, or ``None``: ``CLAWDBOT_CLIENTS`` and ``CLAWDBOT_NODE`` name them."""
    folder, node = os.environ.get("CLAWDBOT_CLIENTS"), os.environ.get("CLAWDBOT_NODE") or shutil.which("node")
    if not folder or not node:
        return None
    package = Path(folder) / "node_modules" / "clawdbot"
    return (package, Path(node)) if (package / "package.json").exists() else None


class CommandLine:
    """``clawdbot`` against one gateway, with a home of its own."""

    def __init__(self, package: Path, node: Path, gateway: GatewayProcess, home: Path):
        self.package, self.node, self.gateway, self.home = package, node, gateway, home
        state = home / ".clawdbot"
        state.mkdir(parents=True, exist_ok=True)
        (state / "clawdbot.json").write_text(
            json.dumps(
                {
                    "gateway": {
                        "mode": "local",
                        "port": gateway.port,
                        "bind": "loopback",
                        "auth": {"mode": "token", "token": gateway.token},
                    },
                    "agents": {"defaults": {"workspace": str(home / "workspace"), "skipBootstrap": True}},
                    "cron": {"enabled": False},
                    "plugins": {"enabled": False},
                    "update": {"checkOnStart": False},
                }
            )
        )

    @property
    def environment(self) -> Mapping[str, str]:
        kept = {name: os.environ[name] for name in ("LANG", "TERM") if name in os.environ}
        return {
            **kept,
            "HOME": str(self.home),
            "PATH": f"{self.node.parent}:/usr/bin:/bin",
            "NO_COLOR": "1",
            "CLAWDBOT_STATE_DIR": str(self.home / ".clawdbot"),
            "CLAWDBOT_GATEWAY_TOKEN": self.gateway.token,
        }

    def words(self, *arguments: str) -> list[str]:
        """The command as a list for ``subprocess`` or ``tmux``."""
        return [str(self.node), str(self.package / "dist" / "entry.js"), *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        return subprocess.run(
            self.words(*arguments), env=self.environment, cwd=self.home, capture_output=True, text=True, timeout=CALL_S
        )


@contextmanager
def control_ui(package: Path, port: int) -> Iterator[str]:
    """Serve the Control UI on a port of its own as Clawdbot's gateway does: every client route is the page, with three
    values set inline. Gives the page's origin."""
    folder = package / "dist" / "control-ui"
    inline = (
        '<script>window.__CLAWDBOT_CONTROL_UI_BASE_PATH__="";window.__CLAWDBOT_ASSISTANT_NAME__="Assistant";'
        'window.__CLAWDBOT_ASSISTANT_AVATAR__="A";</script>'
    )
    page = (folder / "index.html").read_text().replace("./assets/", "/assets/").replace("</head>", inline + "</head>")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path.startswith("/avatar/"):
                self._send(b'{"avatarUrl":null}', "application/json")
            elif path.startswith("/assets/") or path == "/favicon.ico":
                super().do_GET()
            else:
                self._send(page.encode(), "text/html; charset=utf-8")

        def _send(self, body: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_request(self, *args: object) -> None:
            """Nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), lambda *given: Handler(*given, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
