"""A real server of S3's protocol over HTTP (moto), in a process of its own, so that it can go away and come back."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from typing_extensions import Self

from tests.support.server import free_port

START_S = 120.0
KEY = ("test-key-id", "s3cret-key-of-the-bucket")
"""moto takes any; it must appear nowhere."""
BUCKET = "attachments"


class S3Server:
    """Its objects are gone when it is stopped."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it with an empty bucket."""
        program = [sys.executable, "-c", "from moto.server import main; main()", "-p", str(self.port)]
        self._process = subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        ends = time.monotonic() + START_S
        while True:
            try:
                with urlopen(Request(f"{self.url}/{BUCKET}", method="PUT"), timeout=START_S):
                    return
            except URLError:
                if time.monotonic() > ends or self._process.poll() is not None:
                    raise
                time.sleep(0.05)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(START_S)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def settings(self, **more: Any) -> dict[str, Any]:
        """``storage.media`` of a gateway that keeps its attachments here."""
        id_, secret = KEY
        return {
            "url": f"s3://{BUCKET}/lab",
            "endpoint": self.url,
            "region": "us-east-1",
            "accessKeyId": id_,
            "secretAccessKey": secret,
            **more,
        }
