"""Frames of a gateway put between a real one and its page: what a test wants to be asked, told or answered.

Everything that a test does not script is the real gateway's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from playwright.sync_api import Page, WebSocketRoute

PATIENCE_MS = 20_000
Answer = Callable[[Mapping[str, Any]], Any]


class WireScript:
    """The page's socket, with some answers and events of the test's own. Made before the page is opened.

    With ``scopes`` the page asks for these rights alone, of those that its login has.
    """

    def __init__(self, page: Page, *, methods: tuple[str, ...] = (), scopes: tuple[str, ...] | None = None) -> None:
        self.answers: dict[str, Answer] = {}
        """Method → the function that makes its result of the parameters."""
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        """The requests that were answered here, in order."""
        self.sessions: dict[str, Mapping[str, Any]] = {}
        """Session key → facts to put into its entries."""
        self._methods, self._scopes = methods, scopes
        self._page = page
        self._socket: WebSocketRoute | None = None
        page.route_web_socket(lambda url: True, self._route)

    def emit(self, event: str, payload: Mapping[str, Any]) -> None:
        """Send an event to the page."""
        assert self._socket is not None
        self._socket.send(json.dumps({"type": "event", "event": event, "payload": payload}))

    def wait_for(self, method: str) -> Mapping[str, Any]:
        """The parameters of the page's only request of a method, as soon as it has come."""
        for _ in range(PATIENCE_MS // 20):
            if self.calls(method):
                break
            self._page.wait_for_timeout(20)  # lets the page's frames in
        [params] = self.calls(method)
        return params

    def calls(self, method: str) -> list[Mapping[str, Any]]:
        return [params for name, params in self.asked if name == method]

    def _route(self, socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        self._socket = socket

        def from_page(message: str | bytes) -> None:
            frame = json.loads(message)
            if frame.get("method") == "connect" and self._scopes is not None:
                frame["params"]["scopes"] = self._scopes
            answer = self.answers.get(frame.get("method"))
            if answer is None:
                server.send(json.dumps(frame))
                return
            self.asked.append((frame["method"], frame["params"]))
            socket.send(json.dumps({"type": "res", "id": frame["id"], "ok": True, "payload": answer(frame["params"])}))

        def from_server(message: str | bytes) -> None:
            frame = json.loads(message)
            payload = frame.get("payload")
            if isinstance(payload, dict):
                if payload.get("type") == "hello-ok":
                    payload["features"]["methods"].extend(self._methods)
                for entry in [*payload.get("sessions", []), payload.get("entry")]:
                    if isinstance(entry, dict):
                        entry.update(self.sessions.get(entry.get("key", ""), {}))
            socket.send(json.dumps(frame))

        socket.on_message(from_page)
        server.on_message(from_server)
