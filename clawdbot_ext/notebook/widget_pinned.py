"""Limits of what a page may send and receive through a kernel where its readers are strangers: the chat of one session
and no more.

Voila and its like show a notebook to visitors, with a kernel that has the owner's credential. Such a page says what it
likes, whatever script we gave it, so the kernel looks at every frame: methods that are not listed are refused here, the
session is ours whatever is named, and nothing of another session goes out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

SCOPES = ["operator.read", "operator.write"]
METHODS = {"connect", "chat.send", "chat.history", "chat.abort", "sessions.subscribe"}
SENT = {"message", "idempotencyKey", "attachments"}
"""Parameters of ``chat.send`` that a visitor may set."""
FILE = {"content", "fileName", "mimeType"}
"""Fields of an attachment that a visitor may set: its content, never a place at the gateway."""
EVENTS = {"agent", "chat", "connect.challenge", "session.message", "session.queue", "shutdown", "tick"}
GREETED = {"type", "protocol", "server", "policy", "features"}
"""Fields of the gateway's ``hello`` that a visitor gets."""


class Pinned:
    """The frames of one widget. ``session`` gives the key of the session on show."""

    def __init__(self, session: Callable[[], str]):
        self._session = session
        self.offered: set[str] = set()
        """Ids of files that the notebook offers to go along."""

    def to_gateway(self, text: str) -> tuple[str | None, str | None]:
        """The frame as it may go on, and what to answer in the gateway's place; either may be ``None``."""
        try:
            frame = json.loads(text)
        except (ValueError, RecursionError):
            return None, None
        if not isinstance(frame, dict) or frame.get("type") != "req" or not isinstance(frame.get("params", {}), dict):
            return None, None
        method, params = frame.get("method"), frame.get("params", {})
        if method not in METHODS or (method == "chat.send" and str(params.get("message", "")).lstrip().startswith("/")):
            error = {"code": "INVALID_REQUEST", "message": "not in this view", "details": {"reason": "PINNED"}}
            return None, json.dumps({"type": "res", "id": frame.get("id"), "ok": False, "error": error})
        kept = {"type": "req", "id": frame.get("id"), "method": method, "params": self._params(method, params)}
        return json.dumps(kept), None

    def _params(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        if method == "connect":
            # Only events of sessions that it subscribed to come then.
            return {**params, "scopes": SCOPES, "caps": sorted({*params.get("caps", ()), "sessions.subscribe"})}
        if method == "sessions.subscribe":
            return {"keys": [self._session()]}
        if method == "chat.send":
            params = {name: value for name, value in params.items() if name in SENT}
            if "attachments" in params:
                params["attachments"] = [self._file(each) for each in params["attachments"] if isinstance(each, dict)]
        return {**params, "sessionKey": self._session()}

    def _file(self, given: Mapping[str, Any]) -> dict[str, Any]:
        kept = {name: value for name, value in given.items() if name in FILE}
        return {**kept, "mediaId": given["mediaId"]} if given.get("mediaId") in self.offered else kept

    def to_page(self, text: str | bytes) -> str | None:
        """A frame of the gateway as the visitor may see it; ``None`` for what is none of theirs."""
        frame = json.loads(text)
        payload = frame.get("payload")
        if frame.get("type") == "event":
            key = payload.get("sessionKey") if isinstance(payload, dict) else None
            ours = key is None or key in (self._session(), f"agent:main:{self._session()}")
            return json.dumps(frame) if frame.get("event") in EVENTS and ours else None
        if isinstance(payload, dict) and payload.get("type") == "hello-ok":
            frame["payload"] = {name: value for name, value in payload.items() if name in GREETED}
        return json.dumps(frame)
