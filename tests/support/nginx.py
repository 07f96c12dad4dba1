"""Debian's nginx on loopback as a reverse proxy, with TLS by a self-signed certificate."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tests.support.http import ask
from tests.support.server import free_port
from tests.support.tools import require

START_S, STOP_S = 60.0, 40.0
FORWARDED = """
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $http_host;"""
SOCKETS = """
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;"""
HOST = """
            proxy_set_header Host $http_host;"""
_CONFIG = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 2048; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;
    {servers}
}}
"""


class Nginx:
    """``serve`` says what it passes on, ``start`` starts it."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._servers: list[str] = []
        self._ports: list[int] = []
        self._process: subprocess.Popen[bytes] | None = None

    def serve(self, upstream: int, *, path: str = "/", tls: bool = True, headers: str = SOCKETS) -> str:
        """Pass ``path`` on to the port ``upstream``; the address of it, with a slash at the end."""
        port = free_port()
        self._ports.append(port)
        self._servers.append(f"""
    server {{
        listen 127.0.0.1:{port}{" ssl" if tls else ""};
        location {path} {{
            proxy_pass http://127.0.0.1:{upstream};{headers}
        }}
    }}""")
        return f"{'https' if tls else 'http'}://127.0.0.1:{port}{path}"

    def balance(self, upstreams: Sequence[int]) -> str:
        """Share the connections among several ports, without TLS; one that cannot be reached is left out a while."""
        port = free_port()
        self._ports.append(port)
        members = "".join(f" server 127.0.0.1:{upstream} max_fails=1 fail_timeout=1s;" for upstream in upstreams)
        self._servers.append(f"""
    upstream all{port} {{{members} }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://all{port};{SOCKETS}{HOST}
        }}
    }}""")
        return f"http://127.0.0.1:{port}/"

    def start(self) -> None:
        program = require("nginx")
        subprocess.run(
            [
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=box",
                "-addext",
                "subjectAltName=IP:127.0.0.1",
                "-keyout",
                "key.pem",
                "-out",
                "cert.pem",
            ],
            cwd=self.folder,
            check=True,
            capture_output=True,
        )
        (self.folder / "nginx.conf").write_text(_CONFIG.format(folder=self.folder, servers="".join(self._servers)))
        self._process = subprocess.Popen(
            [program, "-e", "stderr", "-c", str(self.folder / "nginx.conf")], cwd=self.folder, stdin=subprocess.DEVNULL
        )
        ends = time.monotonic() + START_S
        while True:
            try:
                for port in self._ports:
                    ask(port)  # plain http to a TLS port is answered, too
                return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > ends:
                    raise RuntimeError("nginx does not answer") from None
                time.sleep(0.05)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(STOP_S)
