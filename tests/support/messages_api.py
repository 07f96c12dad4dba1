"""A Messages API on loopback that does what the last user text tells it to, over real HTTP and server-sent events.

In a test (its own thread and event loop, so that it is another party on the network as the real one is)::

    with MessagesAPI() as api:
        provider = AnthropicProvider("anthropic", "key", api.url)
        ...
        assert api.requests[-1].body["max_tokens"] == 100

By hand: ``python -m tests.support.messages_api 9911``.

Directives (``clawdbot_ext.agent.providers.demo_directives``; without any, it answers ``You said: …``):

=====================  =================================================================================================
``tokens=N``           answer ``t0 t1 … `` of N tokens; ``text=…`` answers exactly that
``thinking=N``         think N tokens first
``delay_ms``           between tokens; ``first_ms`` before the first, headers sent; ``wait_ms`` before the headers
``stop_reason=…``      instead of ``end_turn``
``continue=…``         what to write when asked to go on with a reply that was cut
``error=STATUS``       an error instead of an answer; ``times=N``: only for the first N requests with this text
``error_once=STATUS``  the same as ``error=STATUS`` and ``times=1``
``type``, ``message``, ``code``  of that error; ``retry_after=S`` its header, ``retry_after_ms`` too
``call=NAME,NAME``     call these tools, each with ``args=JSON`` (sent in pieces of 4 characters); once there are
                       results, answer ``The tools said: …``
``cut=SHAPE``          see ``CUTS``; ``after=N`` tokens (default 1); ``drop=N`` is ``cut=fin`` ``after=N``
=====================  =================================================================================================
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import socket
import struct
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tornado.iostream import IOStream, StreamClosedError
from tornado.web import RequestHandler

from clawdbot_ext.agent.context.token_estimate import estimate
from clawdbot_ext.agent.known_models import takes_prefill
from clawdbot_ext.agent.providers import demo_directives
from tests.support.loopback_server import LoopbackServer

CUTS = {
    "refuse": "the connection is reset before any answer",
    "fin": "the connection ends inside a chunk",
    "rst": "the connection is reset",
    "clean": "the body ends as it should, without message_stop",
    "close": "a body without length ends with the connection, without message_stop",
    "stall": "silence, until the client goes away",
    "error_event": "an overloaded error event",
    "bad_json": "an event whose data is broken JSON",
    "bad_utf8": "an event whose data is broken UTF-8",
    "html": "a web page instead of an event stream",
    "json": "a whole message as JSON instead of an event stream",
}
STALL_S = 30.0
"""An upper bound, so that nothing hangs for ever."""
ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def claude(model_id: str, name: str, line: str, created: str, **more: Any) -> dict[str, Any]:
    """A row of Anthropic's ``/v1/models``."""
    return {
        "type": "model",
        "id": model_id,
        "display_name": name,
        "created_at": f"{created}T00:00:00Z",
        "line": line,
        "lifecycle": "active",
        "max_input_tokens": 1_000_000,
        "max_tokens": 128_000,
        **more,
    }


MODELS: Sequence[Mapping[str, Any]] = (
    claude("claude-sonnet-5-5", "Claude Sonnet 5.5", "sonnet", "2026-09-28"),
    claude("claude-opus-5-5", "Claude Opus 5.5", "opus", "2026-09-21"),
    claude("claude-sonnet-5", "Claude Sonnet 5", "sonnet", "2026-06-30"),
    claude(
        "claude-haiku-4-5-20251001",
        "Claude Haiku 4.5",
        "haiku",
        "2025-10-01",
        max_input_tokens=200_000,
        max_tokens=64_000,
    ),
)


@dataclass(frozen=True)
class Logged:
    """A request as it came. Header names are lower case; ``peer`` tells one connection from another."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    peer: tuple[str, int]


class MessagesAPI(LoopbackServer):
    """The server. Attributes may be changed while it runs."""

    def __init__(self, *, key: str | None = None, models: Sequence[Mapping[str, Any]] | None = MODELS):
        """
        Args:
            key: if given, other keys are refused with 401.
            models: the rows of ``/v1/models``; ``None`` makes that path a 404, as on servers without it.
        """
        super().__init__()
        self.key, self.models = key, models
        self.page_size = 1000
        self.says: str | Callable[[str], str] | None = None
        """The answer where no directive asks for another, or what makes it of the question."""
        self.requests: list[Logged] = []
        self.keeps_requests = True
        self.open_streams = 0
        """Answers being written now: back to 0 when a client that went away was noticed."""
        self.seen: Counter[str] = Counter()

    @property
    def bodies(self) -> list[Mapping[str, Any]]:
        """The bodies of the requests for messages, in order."""
        return [r.body for r in self.requests if r.path == "/v1/messages"]

    def routes(self) -> list[Any]:
        routes = [(r"/v1/messages", _Messages), (r"/v1/messages/count_tokens", _CountTokens), (r"/v1/models", _Models)]
        return [(path, handler, {"api": self}) for path, handler in routes]


class _Handler(RequestHandler):
    def initialize(self, api: MessagesAPI) -> None:
        self.api = api

    def prepare(self) -> None:
        body = json.loads(self.request.body) if self.request.body else {}
        self.body: dict[str, Any] = body
        stream: IOStream = self.request.connection.stream  # type: ignore[union-attr]
        stream.set_nodelay(True)
        if not self.api.keeps_requests:
            self.api.requests.clear()
        self.api.requests.append(
            Logged(
                self.request.method or "",
                self.request.path,
                {k.lower(): v for k, v in self.request.headers.get_all()},
                body,
                stream.socket.getpeername(),
            )
        )
        self.set_header("request-id", f"req_test_{len(self.api.requests)}")
        given = {
            self.request.headers.get("Authorization", "").removeprefix("Bearer "),
            self.request.headers.get("X-Api-Key", ""),
        }
        if self.api.key is not None and self.api.key not in given:
            self.fail(401, message="invalid x-api-key")

    def fail(self, status: int, *, kind: str = "", message: str = "", code: str = "") -> None:
        error: dict[str, Any] = {
            "type": kind or ERROR_TYPES.get(status, "api_error"),
            "message": message or f"scripted {status}",
        }
        if code:
            error["details"] = {"error_code": code}
        self.set_status(status, "Scripted")
        self.finish({"type": "error", "error": error, "request_id": f"req_test_{len(self.api.requests)}"})


class _Models(_Handler):
    def get(self) -> None:
        if self.api.models is None:
            return self.fail(404)
        rows = list(self.api.models)
        after = self.get_query_argument("after_id", "")
        if after:
            rows = rows[[row["id"] for row in rows].index(after) + 1 :]
        page, more = rows[: self.api.page_size], len(rows) > self.api.page_size
        self.finish(
            {
                "data": page,
                "has_more": more,
                "first_id": page[0]["id"] if page else None,
                "last_id": page[-1]["id"] if page else None,
            }
        )
        return None


class _CountTokens(_Handler):
    def post(self) -> None:
        self.finish({"input_tokens": _input_tokens(self.body)})


class _Messages(_Handler):
    async def post(self) -> None:
        messages = self.body["messages"]
        begun = messages[-1]["role"] == "assistant"
        if begun and not takes_prefill(self.body["model"]):
            return self.fail(400, message="This model does not support assistant message prefill.")
        text = demo_directives.last_user_text(messages)
        if asked_on := "<end>" in text:  # to go on with a cut reply: what to write is in the message before
            text = demo_directives.last_user_text(messages[:-1])
        wishes = demo_directives.parse(text)
        if (begun or asked_on) and "continue" in wishes:
            wishes = {"text": wishes["continue"]}
        self.api.seen[text] += 1
        await asyncio.sleep(demo_directives.number(wishes, "wait_ms", 0) / 1000)
        status = int(demo_directives.number(wishes, "error", 0) or demo_directives.number(wishes, "error_once", 0))
        times = 1 if "error_once" in wishes else demo_directives.number(wishes, "times", 1e9)
        if status and self.api.seen[text] <= times:
            for header in ("retry_after", "retry_after_ms"):
                if header in wishes:
                    self.set_header(header.replace("_", "-"), wishes[header])
            return self.fail(
                status, kind=wishes.get("type", ""), message=wishes.get("message", ""), code=wishes.get("code", "")
            )
        cut = wishes.get("cut", "fin" if "drop" in wishes else "")
        if self.api.seen[text] > times:
            cut = ""
        if cut == "refuse":
            return _reset(self.detach())
        if cut in ("html", "json"):
            return self._not_a_stream(cut)
        self.api.open_streams += 1
        try:
            await self._stream(text, wishes, cut)
        except StreamClosedError:
            pass  # the client went away, as an aborting one does
        finally:
            self.api.open_streams -= 1
        return None

    def _not_a_stream(self, kind: str) -> None:
        if kind == "html":
            self.set_header("Content-Type", "text/html")
            self.finish("<html><body>Please log in to the hotel network</body></html>")
        else:
            self.finish({"type": "message", "role": "assistant", "content": [{"type": "text", "text": "whole"}]})

    async def _stream(self, text: str, wishes: Mapping[str, str], cut: str) -> None:
        out: _Events = _Events(self, until_close=cut == "close")
        await out.head()
        delay = demo_directives.number(wishes, "delay_ms", 0) / 1000
        after = int(demo_directives.number(wishes, "after", demo_directives.number(wishes, "drop", 1)))
        await out.event(
            "message_start",
            message={
                "id": "msg_test",
                "type": "message",
                "role": "assistant",
                "model": self.body["model"],
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "usage": {
                    "input_tokens": _input_tokens(self.body),
                    "output_tokens": 1,
                    "cache_read_input_tokens": 0,
                    "cache_creation_input_tokens": 0,
                },
            },
        )
        await out.event("ping")
        await asyncio.sleep(demo_directives.number(wishes, "first_ms", 0) / 1000)
        parts = [("thinking", f"h{i} ") for i in range(int(demo_directives.number(wishes, "thinking", 0)))]
        parts += [("text", token) for token in _answer(text, wishes, self.api.says)]
        index, open_kind = -1, ""
        results = _results(self.body)
        if results:
            parts = [("text", "The tools said: "), ("text", " | ".join(results))]
        elif "call" in wishes:
            args = wishes.get("args", "{}")
            pieces = [args[i : i + 4] for i in range(0, len(args), 4)]
            parts += [(f"tool_use {name}", piece) for name in wishes["call"].split(",") for piece in pieces]
            wishes = {"stop_reason": "tool_use", **wishes}
        for number, (kind, token) in enumerate(parts):
            if cut and number == after:
                return await self._cut(out, cut)
            if kind != open_kind:
                await out.close_block(index, open_kind)
                index, open_kind = index + 1, kind
                await out.event("content_block_start", index=index, content_block=_block(kind, index))
            await out.event("content_block_delta", index=index, delta=_delta(kind, token))
            if delay:
                await asyncio.sleep(delay)
        if cut:
            return await self._cut(out, cut)
        await out.close_block(index, open_kind)
        stop = {"stop_reason": wishes.get("stop_reason", "end_turn"), "stop_sequence": None}
        await out.event("message_delta", delta=stop, usage={"output_tokens": len(parts)})
        await out.event("message_stop")
        return await out.end()

    async def _cut(self, out: _Events, shape: str) -> None:
        """End the answer in one of the ways of ``CUTS``."""
        if shape in ("clean", "close"):
            return await out.end()
        if shape == "error_event":
            await out.event("error", error={"type": "overloaded_error", "message": "Overloaded"})
            return await out.end()
        if shape == "bad_json":
            await out.raw(b'event: content_block_delta\ndata: {"type": "content_block_delta", "ind\n\n')
            return await out.end()
        if shape == "bad_utf8":
            await out.raw(b'event: content_block_delta\ndata: {"type": "\xff\xfe"}\n\n')
            return await out.end()
        stream = out.take_over()
        if shape == "stall":
            closed = asyncio.Event()
            stream.set_close_callback(closed.set)
            if not stream.closed():  # Tornado never calls back for a stream that is closed already
                await asyncio.wait_for(closed.wait(), STALL_S)
        elif shape == "rst":
            _reset(stream)
        else:
            await stream.write(b"400\r\nevent: content_block_de")  # announces a kilobyte and gives two dozen bytes
            stream.close()
        return None


class _Events:
    """An answer's server-sent events, through Tornado until the connection is taken over to end it some other way."""

    def __init__(self, handler: _Messages, *, until_close: bool):
        self._handler, self._until_close = handler, until_close

    async def head(self) -> None:
        self._handler.set_header("Content-Type", "text/event-stream; charset=utf-8")
        if not self._until_close:
            return await self._handler.flush()
        self._raw = self.take_over()
        return await self._raw.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")

    def take_over(self) -> IOStream:
        """The connection itself, which Tornado then leaves alone."""
        return self._handler.detach()

    async def event(self, name: str, **data: Any) -> None:
        await self.raw(f"event: {name}\ndata: {json.dumps({'type': name, **data}, ensure_ascii=False)}\n\n".encode())

    async def raw(self, data: bytes) -> None:
        if self._until_close:
            await self._raw.write(data)
        else:
            self._handler.write(data)
            await self._handler.flush()

    async def close_block(self, index: int, kind: str) -> None:
        if kind == "thinking":
            await self.event("content_block_delta", index=index, delta={"type": "signature_delta", "signature": "sig"})
        if kind:
            await self.event("content_block_stop", index=index)

    async def end(self) -> None:
        """The proper end of the body; the connection can be used again unless its end is the body's."""
        if self._until_close:
            self._raw.close()
        else:
            await self._handler.finish()


def _block(kind: str, index: int) -> dict[str, Any]:
    if kind.startswith("tool_use"):
        return {"type": "tool_use", "id": f"toolu_{index}", "name": kind.split()[1], "input": {}}
    return {"type": kind, kind: "", **({"signature": ""} if kind == "thinking" else {})}


def _delta(kind: str, token: str) -> dict[str, str]:
    if kind.startswith("tool_use"):
        return {"type": "input_json_delta", "partial_json": token}
    return {"type": f"{kind}_delta", kind: token}


def _results(body: Mapping[str, Any]) -> list[str]:
    """The results of the tools, if the request is about that."""
    content = body["messages"][-1]["content"]
    results = [b for b in content if b["type"] == "tool_result"] if isinstance(content, list) else []
    return ["".join(part.get("text", "") for part in result["content"]) for result in results]


def _answer(text: str, wishes: Mapping[str, str], says: str | Callable[[str], str] | None) -> list[str]:
    if "text" in wishes:
        return [wishes["text"]]
    if "tokens" in wishes:
        return [f"t{i} " for i in range(int(wishes["tokens"]))]
    if "call" in wishes:
        return []
    if "cut" in wishes or "drop" in wishes:
        return [f"t{i} " for i in range(20)]
    if says is None:
        return ["You said: ", demo_directives.strip(text)]
    return re.findall(r"\S*\s*", says(text) if callable(says) else says)


def _input_tokens(body: Mapping[str, Any]) -> int:
    return estimate(json.dumps([body.get("system", ""), body.get("messages", [])], ensure_ascii=False))


def _reset(stream: IOStream) -> None:
    """Close with RST instead of FIN."""
    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A scripted Messages API on loopback.")
    parser.add_argument("port", type=int, nargs="?", default=0)
    parser.add_argument("--key", help="refuse other keys")
    arguments = parser.parse_args()
    api = MessagesAPI(key=arguments.key)
    api.keeps_requests = False  # a benchmark's are long, and many
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(api.serve(arguments.port, lambda url: print(url, flush=True)))  # noqa: T201
