"""A server on loopback that speaks OpenAI's transcription API and keeps what it was sent."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from typing_extensions import Self


@dataclass
class Call:
    """One request: its headers, and its form fields by name (the file's as bytes)."""

    path: str
    headers: dict[str, str]
    fields: dict[str, str]
    file: bytes
    file_name: str


@dataclass
class TranscriptionAPI:
    """Answers each request with the next of ``answers``: a status and a JSON body; the last one stays."""

    answers: list[tuple[int, Any]]
    calls: list[Call] = field(default_factory=list)

    def __enter__(self) -> Self:
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                api.calls.append(parsed(self.path, dict(self.headers), body))
                status, answer = api.answers[min(len(api.calls), len(api.answers)) - 1]
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def parsed(path: str, headers: dict[str, str], body: bytes) -> Call:
    message = message_from_bytes(b"Content-Type: " + headers["Content-Type"].encode() + b"\r\n\r\n" + body)
    fields, file, file_name = {}, b"", ""
    for part in message.get_payload():
        content = part.get_payload(decode=True)
        if part.get_filename():
            file, file_name = content, part.get_filename()
        else:
            fields[part.get_param("name", header="content-disposition")] = content.decode()
    return Call(path, headers, fields, file, file_name)
