"""``/now``: messages that the reply which is being written reads before its next step.

While the reply grows, a line that begins with ``/now`` is sent at once; other lines wait in the field. A message that
the reply did not come to is answered after it, like any that waits; one that is stopped with the reply comes back to
the field.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from ...client.errors import ClientError
from ...client.interface import ConnectedClient
from ...escapes import clean, one_line
from ...protocol.errors import GatewayError
from .. import exit_codes
from ..printing import say

COMMAND = "/now"


def wish(line: str) -> str | None:
    """The text of a line that begins with ``/now``, empty where there is none; ``None`` for any other line."""
    word, _, rest = line.strip().partition(" ")
    return rest.strip() if word == COMMAND else None


class Steering:
    """The messages that were sent for a running reply and that it has not read yet."""

    def __init__(
        self,
        client: ConnectedClient,
        session_key: Callable[[], str],
        own: set[str],
        show: Callable[[Sequence[RenderableType]], None],
        start: Callable[[Awaitable[None]], asyncio.Future[None]],
    ):
        """``own`` are the runs that were started here; ``start`` does something beside the conversation."""
        self._client, self._key, self._own, self._show, self._start = client, session_key, own, show, start
        self._waiting: dict[str, str] = {}
        """Run id → the text."""
        self._sending: set[asyncio.Future[None]] = set()
        self.given_back = ""
        """The texts that were stopped before they were read."""

    def take(self, line: str) -> bool:
        """Send a line that was typed while a reply is written, if it is for that."""
        text = wish(line)
        if text is None:
            return False
        if not text:
            self._say(say("chat.nowUsage"), "yellow")
            return True
        from .input import PROMPT

        run_id = str(uuid.uuid4())
        self._own.add(run_id)
        self._waiting[run_id] = text
        self._show([Text.assemble((PROMPT, "bold cyan"), (f"{COMMAND} ", "dim"), clean(text)), Text()])
        sending = self._start(self._send(run_id, text))
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)
        return True

    async def _send(self, run_id: str, text: str) -> None:
        wanted = {"sessionKey": self._key(), "message": text, "idempotencyKey": run_id, "when": "now"}
        try:
            await self._client.request("chat.send", wanted)
        except (GatewayError, ClientError) as exc:
            self._say(exit_codes.explain(exc)[1], "red")
            self._give_back(run_id)

    def heard(self, name: str, payload: Mapping[str, Any]) -> bool:
        """Apply the end of a message's run before its reply; ``False`` for any other event."""
        run_id = str(payload.get("runId"))
        if name != "chat" or run_id not in self._waiting:
            return False
        if payload.get("foldedInto"):
            self._say(say("chat.nowRead", text=one_line(self._waiting.pop(run_id))))
        elif payload.get("state") == "aborted" and "message" not in payload:
            self._give_back(run_id)
        return True

    async def stop(self, abort: Callable[[str], Awaitable[None]]) -> None:
        """Take back what was not read: the reply that it was for is stopped."""
        await asyncio.gather(*self._sending)
        for run_id in list(self._waiting):
            await abort(run_id)

    async def pop_unread(self) -> Sequence[str]:
        """The runs of those that no reply has read: they are answered next."""
        await asyncio.gather(*self._sending)
        unread = list(self._waiting)
        self._waiting.clear()
        return unread

    def _give_back(self, run_id: str) -> None:
        if text := self._waiting.pop(run_id, ""):
            self.given_back = f"{self.given_back}\n{text}".strip()

    def _say(self, text: str, style: str = "dim") -> None:
        self._show([Text(text, style=style)])
