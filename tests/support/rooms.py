"""A page that has a document open in a room, as far as the server can tell: one client of the shared document."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from jupyter_ydoc import YNotebook, YUnicode
from jupyter_ydoc.ybasedoc import YBaseDoc
from pycrdt import YMessageType, create_sync_message, create_update_message, handle_sync_message
from websockets.asyncio.client import connect

from tests.support.http import ask
from tests.support.jupyter import TOKEN, JupyterProcess

LIMIT_S = 20.0


class Page:
    """The page's copy of the document. Its own changes are sent, the others' taken."""

    def __init__(self, document: YBaseDoc):
        self.document = document
        self.subscription: Any = None
        self.news = asyncio.Condition()

    async def until(self, condition: Any) -> None:
        """Wait until the page shows something."""

        async def look() -> None:
            async with self.news:
                await self.news.wait_for(condition)

        await asyncio.wait_for(look(), LIMIT_S)


@asynccontextmanager
async def opened(server: JupyterProcess, path: str, *, notebook: bool = True) -> AsyncIterator[Page]:
    """A page with the document at ``path`` open."""
    kind = {"format": "json", "type": "notebook"} if notebook else {"format": "text", "type": "file"}
    address = f"{server.base_url}api/collaboration/session/{path}"
    headers = [("Authorization", f"token {TOKEN}"), ("Content-Type", "application/json")]
    answer = await asyncio.to_thread(ask, server.port, "PUT", address, headers, json.dumps(kind).encode())
    session = json.loads(answer.body)
    room = f"{session['format']}:{session['type']}:{session['fileId']}"
    url = f"ws://127.0.0.1:{server.port}{server.base_url}api/collaboration/room/{room}?sessionId={session['sessionId']}"
    page = Page(YNotebook() if notebook else YUnicode())
    async with connect(url, max_size=None, proxy=None, additional_headers=dict(headers)) as socket:
        sent: set[asyncio.Task[None]] = set()
        taking = False

        def changed(event: Any) -> None:
            if not taking:
                sent.add(asyncio.ensure_future(socket.send(create_update_message(event.update))))

        page.subscription = page.document.ydoc.observe(changed)
        await socket.send(create_sync_message(page.document.ydoc))

        async def read() -> None:
            nonlocal taking
            async for message in socket:
                if isinstance(message, bytes) and message and message[0] == YMessageType.SYNC:
                    taking = True
                    reply = handle_sync_message(message[1:], page.document.ydoc)
                    taking = False
                    if reply is not None:
                        await socket.send(reply)
                    async with page.news:
                        page.news.notify_all()

        reader = asyncio.create_task(read())
        try:
            yield page
        finally:
            reader.cancel()
            await asyncio.gather(reader, *sent, return_exceptions=True)
