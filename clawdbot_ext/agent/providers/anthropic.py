"""A provider that speaks the Messages API through the ``anthropic`` SDK: Claude, and every server that offers that API.

The only module that imports the SDK and its HTTP library; imported late and in a thread (``loader``), since that takes
seconds. It makes one attempt per call (``max_retries=0``: the SDK would sleep in silence for however long a
``retry-after`` says) and turns every way of failing into a ``ProviderError``; retries belong to ``turn``.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import anthropic
import httpx2
import msgspec

from ..context.history import is_thinking
from ..known_models import Thinking, takes_temperature, thinking_of
from ..model_listing import model_infos, next_page, thinking_modes
from . import anthropic_errors
from .base import ModelInfo, ProviderError, ProviderEvent, ThinkingLevel, ToolSpec, TurnRequest, WrongEnvironment
from .bounded_body import response_hook
from .http_environment import broken_variables
from .stream_accumulator import Assembly, decode

DEFAULT_BASE_URL = "https://api.anthropic.com"
STALL_S = 60.0
"""Claude's API sends a ping every few seconds, so a silence this long means that the connection is dead."""
LOCAL_STALL_S = 120.0
"""Local servers send nothing while they read the prompt, which takes a slow machine a minute or two."""
LIMITS = httpx2.Limits(max_connections=1000, max_keepalive_connections=100, keepalive_expiry=55.0)
"""An idle connection is kept for most of a minute, not the library's 5 s: people read before they answer, and a new
connection costs the next reply a TCP and TLS handshake."""
LIST_TIMEOUT_S = 10.0
SERVER_TOOL_USES = 8
"""Searches, and pages fetched, in one call of the model."""
LARGE_BYTES = 256 * 1024
"""A message that takes milliseconds to decode: beside the event loop."""
DRAIN_S = 0.25
"""Time to wait for the end of a finished stream, so that the connection can be used again."""

_EFFORT = {"minimal": "low", "low": "low", "medium": "medium", "high": "high"}
_BUDGET = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 24_576}
_FAILURES = (
    anthropic.AnthropicError,
    httpx2.HTTPError,
    httpx2.StreamError,
    httpx2.InvalidURL,
    OSError,
    msgspec.MsgspecError,
    ValueError,
)
"""All that can come out of a call: the SDK's own errors, raw transport errors of a stream that had begun, and broken
JSON or UTF-8."""


class AnthropicProvider:
    """One client of one server. Made in a thread by ``loader.build``; used on one event loop."""

    def __init__(self, name: str, api_key: str, base_url: str = "", *, stall_s: float | None = None):
        """
        Args:
            name: the name in ``models.providers.<name>``.
            api_key: empty for servers without authentication.
            base_url: without ``/v1``; empty for Anthropic's own.
            stall_s: how long the server may be silent; by default ``STALL_S`` of Anthropic, else ``LOCAL_STALL_S``.

        Raises:
            ProviderError: ``invalid``, when ``base_url`` is no address; ``WrongEnvironment``.
        """
        self.name = name
        self._key = api_key
        self._thinking: dict[str, Thinking] = {}
        base_url = _without_v1(base_url) or DEFAULT_BASE_URL
        try:
            host = httpx2.URL(base_url).host
            self._ours = host == "anthropic.com" or host.endswith(".anthropic.com")
            self._stall_given = stall_s is not None
            self._stall_s = stall_s or (STALL_S if self._ours else LOCAL_STALL_S)
            timeout = httpx2.Timeout(connect=5.0, read=self._stall_s, write=30.0, pool=5.0)
            # A redirect is not followed: it would carry the key to another host.
            options: dict[str, Any] = {
                "timeout": timeout,
                "follow_redirects": False,
                "limits": LIMITS,
                "headers": {"Accept-Encoding": "identity"},  # short pieces, for which packing costs more than it saves
                "event_hooks": {"response": [response_hook]},
            }
            if _is_loopback(host):  # a proxy from the environment cannot reach this machine's own servers
                options["transport"] = httpx2.AsyncHTTPTransport(trust_env=False, limits=LIMITS)
            self._client = anthropic.AsyncAnthropic(
                api_key=api_key,
                base_url=base_url,
                max_retries=0,
                timeout=timeout,
                default_headers=_headers(api_key, self._ours),
                open_telemetry=False,
                http_client=anthropic.DefaultAsyncHttpxClient(**options),
            )
        except (*_FAILURES, ImportError) as exc:
            if wrong := broken_variables():
                raise WrongEnvironment(wrong) from exc
            raise anthropic_errors.classify(exc, began=False, secret=api_key) from exc
        self._streaming = 0
        self._retired = False

    async def stream(self, request: TurnRequest) -> AsyncIterator[ProviderEvent]:
        """See ``Provider.stream``."""
        began = shown = False
        self._streaming += 1
        try:
            async with await self._post(request) as stream:
                response = stream.response
                began = True
                assembly = Assembly()
                if _media_type(response) == "application/json":  # a server that does not stream
                    for whole in assembly.whole(await self._whole_message(response)):
                        yield whole
                    if assembly.stop_reason:
                        yield assembly.completed()
                    return
                _require_event_stream(response)
                # Not the SDK's typed events: a pydantic model for each of them is a third of the cost of a reply.
                events = stream.raw_events(response)
                async for sse in events:
                    event = _event(sse.data)
                    delta = assembly.add(event)
                    if delta is not None:
                        if not shown:
                            shown = True
                            yield assembly.usage()
                        yield delta
                    elif not shown and assembly.calling:  # shows nothing, but it is the answer that is waited for
                        yield assembly.usage()
                    elif event.get("type") == "error":
                        raise anthropic_errors.from_body(event, response.status_code, response.headers, self._key)
                    elif event.get("type") == "message_stop":
                        await _drain(events)
                        break
                if assembly.stop_reason:
                    yield assembly.completed()
        except _FAILURES as exc:
            failure = anthropic_errors.classify(exc, began=began, secret=self._key)
            raise _unseen(failure) if _has_images(request) else failure from exc
        finally:
            self._streaming -= 1
            await self._close_if_retired()

    async def _post(self, request: TurnRequest) -> anthropic.AsyncStream[object]:
        """Send a request for messages, written here: the SDK would copy a long conversation value by value first."""
        return await self._client.post(
            "/v1/messages",
            content=msgspec.json.encode(self._params(request)),
            cast_to=object,
            stream=True,
            stream_cls=anthropic.AsyncStream[object],
            options={"timeout": self._timeout(request)},
        )

    async def list_models(self) -> Sequence[ModelInfo]:
        """See ``Provider.list_models``. Limits a server does not give are taken from ``known`` or assumed."""
        rows: list[Mapping[str, Any]] = []
        query: dict[str, Any] = {"limit": 1000}
        try:
            while True:
                page: Any = await self._client.get(
                    "/v1/models", cast_to=object, options={"params": query, "timeout": LIST_TIMEOUT_S}
                )
                data = page.get("data") if isinstance(page, dict) else None
                if not isinstance(data, list):
                    raise ProviderError("protocol", "the server's /v1/models is not a list of models")
                rows += [row for row in data if isinstance(row, dict)]
                after = next_page(page)
                if after is None:
                    break
                query["after_id"] = after
        except _FAILURES as exc:
            raise anthropic_errors.classify(exc, began=False, secret=self._key) from exc
        self._thinking = thinking_modes(rows)
        return model_infos(self.name, rows)

    async def aclose(self) -> None:
        """Close the client, once the replies that are being written have ended."""
        self._retired = True
        await self._close_if_retired()

    async def _close_if_retired(self) -> None:
        if self._retired and not self._streaming:
            await self._client.close()

    async def _whole_message(self, response: httpx2.Response) -> Mapping[str, Any]:
        """The message that a server gave as JSON. Raises ``ProviderError`` if it is an error or no message."""
        data = await response.aread()
        body = await asyncio.to_thread(decode, data) if len(data) > LARGE_BYTES else decode(data)
        if body.get("type") == "error" or "error" in body:
            raise anthropic_errors.from_body(body, response.status_code, response.headers, self._key)
        if not isinstance(body.get("content"), list):
            raise ProviderError("protocol", "the server answered JSON that is no message", status=response.status_code)
        return body

    def _timeout(self, request: TurnRequest) -> httpx2.Timeout:
        """The limits of one call. Anthropic pings; others may be silent for as long as they read the prompt."""
        read = self._stall_s
        if not self._ours and not self._stall_given:
            read = max(read, request.patience_s)
        return httpx2.Timeout(connect=5.0, read=read, write=30.0, pool=5.0)

    def _params(self, request: TurnRequest) -> dict[str, Any]:
        params: dict[str, Any] = {
            "model": request.model,
            "max_tokens": request.max_tokens,
            "messages": request.messages,
            "stream": True,
            **({"tools": [_tool(tool) for tool in request.tools]} if request.tools else {}),
            **thinking_params(
                self._thinking.get(request.model) or thinking_of(request.model),
                "off" if _thinking_is_missing(request) else request.thinking,
                request.max_tokens,
            ),
        }
        if request.temperature is not None and request.thinking == "off" and takes_temperature(request.model):
            params["temperature"] = request.temperature
        if request.system:
            params["system"] = request.system
        if self._ours or "claude" in request.model.lower():
            # One moving mark at the end of the request: each turn reads the cache that the turn before wrote.
            params["cache_control"] = {"type": "ephemeral"}
            params["messages"] = _marked(request.messages)
        return params


def _marked(messages: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """The messages with a second mark where the request before this one ended. The API looks for an entry no more than
    20 blocks back, and a step with many calls side by side has more."""
    replies = [number for number, message in enumerate(messages) if message["role"] == "assistant"]
    ends = [number for number in replies[-1:] if 0 < number < len(messages) - 1]
    if not ends or not isinstance(messages[ends[0] - 1]["content"], list):
        return messages
    before = messages[ends[0] - 1]
    *blocks, last = before["content"]
    marked = {**before, "content": [*blocks, {**last, "cache_control": {"type": "ephemeral"}}]}
    return [*messages[: ends[0] - 1], marked, *messages[ends[0] :]]


def _thinking_is_missing(request: TurnRequest) -> bool:
    """Would models that think within a budget refuse the request, since the reply whose tools have just answered has
    lost its thinking? (It was cut out with what it was bound to.) They take it where thinking is off."""
    if thinking_of(request.model).adaptive or len(request.messages) < 2:
        return False
    reply, last = (request.messages[n].get("content") for n in (-2, -1))
    answered = isinstance(last, list) and any(block.get("type") == "tool_result" for block in last)
    return answered and isinstance(reply, list) and not is_thinking(reply[0])


def _tool(tool: ToolSpec) -> dict[str, Any]:
    if tool.server:
        return {"type": tool.server, "name": tool.name, "max_uses": SERVER_TOOL_USES}
    return {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}


def thinking_params(modes: Thinking, level: ThinkingLevel, max_tokens: int) -> dict[str, Any]:
    """The request parameters for a thinking level, in the form that the model takes; ``{}`` leaves it to the model."""
    if level == "off":
        if modes.off == "always":  # cannot be switched off: think as little as possible and do not send it
            return {"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "low"}}
        return {} if modes.off == "omit" else {"thinking": {"type": modes.off}}
    if modes.adaptive:
        return {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": _EFFORT[level]}}
    budget = min(_BUDGET[level], max_tokens // 2)
    if modes.budget and budget >= 1024:  # the API's minimum; a smaller reply has no room to think
        return {"thinking": {"type": "enabled", "budget_tokens": budget}}
    return {}


async def _drain(events: AsyncIterator[Any]) -> None:
    """Read to the end of the body, briefly: a connection with unread bytes is thrown away, and the next turn pays."""
    try:
        await asyncio.wait_for(anext(events, None), DRAIN_S)
    except (asyncio.TimeoutError, *_FAILURES):
        pass  # the reply is complete; only the connection is lost


def _media_type(response: httpx2.Response) -> str:
    return response.headers.get("content-type", "").split(";")[0].strip().lower()


def _event(data: str) -> dict[str, Any]:
    """The event in a line of data. Raises ``ProviderError`` that may pass: a proxy or a server stumbled."""
    try:
        return decode(data) if data else {}
    except ValueError as exc:
        raise ProviderError("protocol", "the server sent an event that is no JSON", passing=True) from exc


_IMAGES_REFUSED = re.compile(r"image|vision|multi-?modal|mmproj", re.I)


def _unseen(failure: ProviderError) -> ProviderError:
    """A server's own error about images as what it is: the model takes none, and no other try will change that."""
    if failure.kind in ("server", "invalid") and _IMAGES_REFUSED.search(failure.detail):
        return ProviderError(
            "no_vision",
            failure.detail,
            status=failure.status,
            request_id=failure.request_id,
            passing=False,
        )
    return failure


def _has_images(request: TurnRequest) -> bool:
    return any(
        part.get("type") == "image"
        for message in request.messages
        if isinstance(message.get("content"), list)
        for block in message["content"]
        for part in (block["content"] if block.get("type") == "tool_result" else [block])
    )


def _require_event_stream(response: httpx2.Response) -> None:
    """Raises ``ProviderError`` when the answer is something else: a web page, or a server that cannot stream."""
    kind = _media_type(response)
    if kind != "text/event-stream":
        raise ProviderError(
            "protocol",
            f"the server answered {kind or 'something'} instead of an event stream",
            status=response.status_code,
            request_id=response.headers.get("request-id"),
        )


def _headers(api_key: str, ours: bool) -> dict[str, Any]:
    """Headers beside the SDK's own: none for Anthropic."""
    if ours:
        return {}
    # Set for Anthropic, possibly with credentials in them: not for other servers.
    custom = (line.partition(":")[0].strip() for line in os.environ.get("ANTHROPIC_CUSTOM_HEADERS", "").splitlines())
    headers: dict[str, Any] = {name: anthropic.Omit() for name in custom if name}
    if not api_key:
        return {**headers, "Authorization": anthropic.Omit()}
    # Some servers look only at the one, some only at the other.
    return {**headers, "Authorization": f"Bearer {api_key}", "X-Api-Key": api_key}


def _without_v1(base_url: str) -> str:
    """The base URL as the SDK wants it; people often copy it with the ``/v1`` of the OpenAI style."""
    base_url = base_url.strip().rstrip("/")
    return base_url[:-3] if base_url.endswith("/v1") else base_url


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")
