"""Messages and short names for the store's tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from clawdbot_ext.store.api import Accepted, HistoryPage, Message, Store

MAIN = "agent:main:main"
OTHER = "agent:main:other"


def said(role: str, text: str, **fields: Any) -> dict[str, Any]:
    return {"role": role, "content": [{"type": "text", "text": text}], "timestamp": 1, **fields}


def user(text: str) -> dict[str, Any]:
    return said("user", text)


def reply(text: str, *, read: int = 0, cached: int = 0, written: int = 0, cost: float = 0.0) -> dict[str, Any]:
    usage = {
        "input": read,
        "output": written,
        "cacheRead": cached,
        "cacheWrite": 0,
        "totalTokens": read + cached + written,
        "cost": {"total": cost},
    }
    return said("assistant", text, usage=usage, stopReason="stop")


async def send(
    store: Store,
    run_id: str,
    text: str = "question",
    *,
    key: str = MAIN,
    start: bool = True,
    now: int = 1,
    request_hash: str = "hash",
) -> Accepted:
    return await store.accept_run(
        run_id=run_id, session_key=key, request_hash=request_hash, message=user(text), options={}, start=start, now=now
    )


async def finish(store: Store, run_id: str, text: str = "answer", *, now: int = 2) -> None:
    await store.finish_run(run_id, state="done", message=reply(text), result={"status": "ok"}, now=now)


async def say(store: Store, *texts: str, key: str = MAIN, now: int = 1) -> None:
    for text in texts:
        await store.append(session_key=key, message=user(text), now=now, create=True)


def body(message: Message) -> dict[str, Any]:
    """The wire JSON, decoded."""
    decoded: dict[str, Any] = msgspec.json.decode(message.body)
    return decoded


def text_of(message: Mapping[str, Any]) -> str:
    return "".join(block.get("text", "") for block in message["content"])


def texts(page: HistoryPage) -> Sequence[str]:
    return [text_of(body(message)) for message in page.messages]


async def read(store: Store, key: str = MAIN, limit: int = 100, **where: Any) -> Sequence[str]:
    return texts(await store.history(session_key=key, limit=limit, **where))


async def sweep(store: Store, now: int) -> int | None:
    """Let the store remove all that is due; returns when something will be again."""
    while (due := await store.sweep(now=now)) is not None and due <= now:
        pass
    return due
