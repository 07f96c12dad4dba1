"""One reply from a script instead of a network, so that what the SDK builds at its first use is built beforehand.

It is 0.1 s of imports and pydantic schemas, which would else stop the event loop in the first real reply. Run once, by
``loader``, in its thread.
"""

from __future__ import annotations

import contextlib
import json
from typing import Any

import anthropic
import anyio.lowlevel
import httpx2

_START: dict[str, Any] = {
    "id": "",
    "type": "message",
    "role": "assistant",
    "model": "",
    "content": [],
    "stop_reason": None,
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 1},
}
_EVENTS: tuple[dict[str, Any], ...] = (
    {"type": "message_start", "message": _START},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "."}},
    {"type": "message_stop"},
)


def _answer(_: httpx2.Request) -> httpx2.Response:
    script = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in _EVENTS)
    return httpx2.Response(200, headers={"content-type": "text/event-stream"}, text=script)


async def rehearse() -> None:
    """Stream the scripted reply. Whatever goes wrong here will be said by the first real one."""
    await anyio.lowlevel.checkpoint()  # what the real transport waits through: its asyncio part is imported now
    transport = httpx2.MockTransport(_answer)
    client = anthropic.AsyncAnthropic(
        api_key="-",
        base_url="http://127.0.0.1",
        max_retries=0,
        open_telemetry=False,
        http_client=httpx2.AsyncClient(transport=transport),
    )
    with contextlib.suppress(anthropic.AnthropicError, httpx2.HTTPError, ValueError):
        async with (
            client,
            await client.post(
                "/v1/messages", content=b"{}", cast_to=object, stream=True, stream_cls=anthropic.AsyncStream[object]
            ) as stream,
        ):
            async for _ in stream.raw_events(stream.response):
                pass
