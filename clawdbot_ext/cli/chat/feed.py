"""The way of a reply from the gateway to the screen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from ...client.reply import Chunk, Notice, ReplyEnd
from ..printing import say
from . import view
from .markdown import GrowingReply

FRAME_S = 1 / 15
"""Between two drawings of a growing reply."""


async def feed(
    items: AsyncIterator[Chunk | Notice | ReplyEnd],
    reply: GrowingReply,
    stopping: Callable[[], bool],
    on_folded: Callable[[str], None],
) -> ReplyEnd | None:
    """Give ``reply`` what comes, drawn at a steady pace however it comes, and return its end.

    ``on_folded`` is told the run that has read the message, where it was for a running reply.
    """
    before = ""
    reply.status = say("chat.asking")
    reply.show()
    frames = asyncio.ensure_future(_draw(reply))
    try:
        async for item in items:
            if isinstance(item, ReplyEnd):
                frames.cancel()
                whole = before + item.text
                reply.end(reply.newest if reply.newest.startswith(whole) else whole)  # what was seen stays
                return item
            if isinstance(item, Chunk):
                reply.status = say("chat.stopping") if stopping() else say("chat.stop")
                if item.part == "text":
                    reply.newest = (before if item.replaces else reply.newest) + item.text
                else:
                    reply.thinking += item.text
            elif item.kind in ("approval", "resolved"):
                reply.status = say("chat.asks" if item.kind == "approval" else "chat.stop")
            elif item.kind == "folded":
                reply.run_id = str(item.facts["into"])
                on_folded(reply.run_id)
            else:
                reply.status = view.status(item)
                reply.plan = view.plan(item.facts) or reply.plan
                if item.kind == "tool" and item.facts.get("phase") == "start":
                    before = reply.newest = f"{reply.newest.rstrip()}\n\n`{view.tool_line(item)}`\n\n".lstrip()
        return None
    finally:
        frames.cancel()


async def _draw(reply: GrowingReply) -> None:
    while True:
        await asyncio.sleep(FRAME_S)
        reply.show(reply.newest)
