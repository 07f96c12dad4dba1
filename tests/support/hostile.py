"""The hostile replies of ``static/test/hostile.json``, and the server that they would like to reach."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from typing_extensions import Self

from .server import ROOT

FAR = "http://canary.invalid/"


def corpus(canary: str = FAR) -> list[str]:
    """All of them, with addresses at ``canary``."""
    entries = json.loads((ROOT / "static" / "test" / "hostile.json").read_text(encoding="utf-8"))
    texts = [entry if isinstance(entry, str) else "".join(piece * times for piece, times in entry) for entry in entries]
    return [text.replace(FAR, canary).replace("//canary.invalid/", canary.removeprefix("http:")) for text in texts]


class Canary:
    """A server on loopback that nothing should ask. ``with Canary() as canary: …; assert canary.asked == []``"""

    def __init__(self) -> None:
        self.asked: list[str] = []
        """The paths of the requests that came."""
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_response(204)
                self.end_headers()

            do_POST = do_GET  # noqa: N815 - the base class looks for the name

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._server.server_close()
