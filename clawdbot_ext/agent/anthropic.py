"""A provider that speaks the Messages API through the ``anthropic`` SDK: Claude, and every server that offers that API.

The only module that imports the SDK and its HTTP library; imported late and in a thread (``loader``), since that takes
seconds. It makes one attempt per call (``max_retries=0``: the SDK would sleep in silence for however long a
``retry-after`` says) and turns every way of failing into a ``ProviderError``; retries belong to ``turn``.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import anthropic
import httpx2

from . import failures
from .known import Thinking, thinking_of
from .listing import model_infos, next_page, thinking_modes
from .provider import (
    Completed,
    ModelInfo,
    ProviderError,
    ProviderEvent,
    TextDelta,
    ThinkingDelta,
    ThinkingLevel,
    TurnRequest,
    Usage,
)

DEFAULT_BASE_URL = "https://api.anthropic.com"
STALL_S = 60.0
"""Claude's API sends a ping every few seconds, so a silence this long means that the connection is dead."""
LOCAL_STALL_S = 120.0
"""Local servers send nothing while they read the prompt, which takes a slow machine a minute or two."""
LIST_TIMEOUT_S = 10.0
DRAIN_S = 0.25
"""How long the end of a finished stream is waited for, so that the connection can be used again."""

_EFFORT = {"minimal": "low", "low": "low", "medium": "medium", "high": "high"}
_BUDGET = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 24_576}
_FAILURES = (anthropic.AnthropicError, httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL, OSError, ValueError)
"""All that the SDK lets through (anchors/reliability.md §6): its own errors, raw transport errors of a stream that had
begun, and ``ValueError`` for broken JSON or UTF-8."""


class AnthropicProvider:
    """One client of one server. Made in a thread by ``loader.build``; used on one event loop."""

    def __init__(self, name: str, api_key: str, base_url: str = ""):
        """
        Args:
            name: the name in ``models.providers.<name>``.
            api_key: empty for servers without authentication.
            base_url: without ``/v1``; empty for Anthropic's own.
        """
        self.name = name
        self._key = api_key
        self._thinking: dict[str, Thinking] = {}
        base_url = _without_v1(base_url) or DEFAULT_BASE_URL
        host = (urlsplit(base_url).hostname or "").lower()
        self._ours = host == "api.anthropic.com" or host.endswith(".anthropic.com")
        timeout = httpx2.Timeout(connect=5.0, read=STALL_S if self._ours else LOCAL_STALL_S, write=30.0, pool=5.0)
        # A redirect is not followed: it would carry the key to another host.
        options: dict[str, Any] = {"timeout": timeout, "follow_redirects": False}
        if _is_loopback(host):  # a proxy from the environment cannot reach this machine's own servers
            options["transport"] = httpx2.AsyncHTTPTransport(trust_env=False)
        self._client = anthropic.AsyncAnthropic(
            api_key=api_key,
            base_url=base_url,
            max_retries=0,
            timeout=timeout,
            default_headers=_headers(api_key, self._ours),
            http_client=anthropic.DefaultAsyncHttpxClient(**options),
        )
        self._messages = self._client.messages  # imports the resource modules now, in this thread

    async def stream(self, request: TurnRequest) -> AsyncIterator[ProviderEvent]:
        """See ``Provider.stream``."""
        began = False
        try:
            async with await self._messages.create(stream=True, **self._params(request)) as stream:
                _require_event_stream(stream.response)
                began = True
                reply = _Assembly()
                async for event in stream:
                    delta = reply.take(event)
                    if delta is not None:
                        yield delta
                    if event.type == "message_stop":
                        await _drain(stream)
                        break
                if reply.stop_reason:
                    yield reply.completed()
        except _FAILURES as exc:
            raise failures.classify(exc, began=began, secret=self._key) from exc

    async def list_models(self) -> Sequence[ModelInfo]:
        """See ``Provider.list_models``. Limits a server does not give are taken from ``known`` or assumed."""
        rows: list[Mapping[str, Any]] = []
        query: dict[str, Any] = {"limit": 1000}
        try:
            while True:
                page: Any = await self._client.get(
                    "/v1/models", cast_to=object, options={"params": query, "timeout": LIST_TIMEOUT_S})
                data = page.get("data") if isinstance(page, dict) else None
                if not isinstance(data, list):
                    raise ProviderError("protocol", "the server's /v1/models is not a list of models")
                rows += [row for row in data if isinstance(row, dict)]
                after = next_page(page)
                if after is None:
                    break
                query["after_id"] = after
        except _FAILURES as exc:
            raise failures.classify(exc, began=False, secret=self._key) from exc
        self._thinking = thinking_modes(rows)
        return model_infos(self.name, rows)

    async def aclose(self) -> None:
        await self._client.close()

    def _params(self, request: TurnRequest) -> dict[str, Any]:
        params: dict[str, Any] = {
            "model": request.model,
            "max_tokens": request.max_tokens,
            "messages": request.messages,
            **thinking_params(self._thinking.get(request.model) or thinking_of(request.model), request.thinking,
                              request.max_tokens),
        }
        if request.system:
            params["system"] = request.system
        if self._ours or "claude" in request.model.lower():
            # One moving mark at the end of the request: each turn reads the cache that the turn before wrote.
            params["cache_control"] = {"type": "ephemeral"}
        return params


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


class _Assembly:
    """The reply of one stream: its blocks as the provider wants them back, its usage, its stop reason."""

    def __init__(self) -> None:
        self.stop_reason: str | None = None
        self._blocks: dict[int, dict[str, Any]] = {}
        self._parts: dict[int, list[str]] = {}
        self._usage: dict[str, int] = {}

    def take(self, event: Any) -> TextDelta | ThinkingDelta | None:
        """Note one event; returns what is to be shown of it. Events and blocks of unknown types are passed over."""
        kind = event.type
        if kind == "content_block_delta":
            return self._delta(event.index, event.delta)
        if kind == "content_block_start":
            return self._start(event.index, event.content_block)
        if kind == "message_delta":
            self.stop_reason = event.delta.stop_reason or self.stop_reason
            self._count(event.usage)
        elif kind == "message_start":
            self._count(event.message.usage)
        return None

    def _start(self, index: int, block: Any) -> TextDelta | ThinkingDelta | None:
        self._blocks[index] = block.to_dict(mode="json", exclude_none=True)
        self._parts[index] = []
        if block.type == "text":
            return self._show(index, TextDelta, block.text)
        return self._show(index, ThinkingDelta, block.thinking) if block.type == "thinking" else None

    def _delta(self, index: int, delta: Any) -> TextDelta | ThinkingDelta | None:
        if delta.type == "text_delta":
            return self._show(index, TextDelta, delta.text)
        if delta.type == "thinking_delta":
            return self._show(index, ThinkingDelta, delta.thinking)
        if delta.type == "signature_delta" and index in self._blocks:
            self._blocks[index]["signature"] = delta.signature
        return None

    def _show(
        self, index: int, kind: type[TextDelta | ThinkingDelta], text: str | None
    ) -> TextDelta | ThinkingDelta | None:
        if not text:
            return None
        self._parts.setdefault(index, []).append(text)
        return kind(text)

    def _count(self, usage: Any) -> None:
        """Keep the newest figures: those of ``message_delta`` are cumulative, and some servers give all there."""
        for name in ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"):
            value = getattr(usage, name, None)
            if isinstance(value, int) and (value or name not in self._usage):
                self._usage[name] = value

    def completed(self) -> Completed:
        content = []
        for index, block in sorted(self._blocks.items()):
            if block["type"] in ("text", "thinking"):
                block[block["type"]] = "".join(self._parts[index])
            content.append(block)
        usage = self._usage.get
        return Completed(self.stop_reason or "", content, Usage(
            input=usage("input_tokens", 0), output=usage("output_tokens", 0),
            cache_read=usage("cache_read_input_tokens", 0), cache_write=usage("cache_creation_input_tokens", 0)))


async def _drain(stream: anthropic.AsyncStream[Any]) -> None:
    """Read to the end of the body, briefly: a connection with unread bytes is thrown away, and the next turn pays."""
    try:
        await asyncio.wait_for(anext(stream, None), DRAIN_S)
    except (asyncio.TimeoutError, *_FAILURES):
        pass  # the reply is complete; only the connection is lost


def _require_event_stream(response: httpx2.Response) -> None:
    """Raises ``ProviderError`` when the answer is something else: a web page, or a server that cannot stream."""
    kind = response.headers.get("content-type", "").split(";")[0].strip()
    if kind != "text/event-stream":
        raise ProviderError("protocol", f"the server answered {kind or 'something'} instead of an event stream",
                            status=response.status_code, request_id=response.headers.get("request-id"))


def _headers(api_key: str, ours: bool) -> dict[str, Any]:
    """Headers beside the SDK's own bearer token."""
    if ours:
        return {}
    # Set for Anthropic, possibly with credentials in them: not for other servers.
    custom = (line.partition(":")[0].strip() for line in os.environ.get("ANTHROPIC_CUSTOM_HEADERS", "").splitlines())
    headers: dict[str, Any] = {name: anthropic.Omit() for name in custom if name}
    if api_key:
        headers["X-Api-Key"] = api_key  # some servers look only here
    else:
        headers["Authorization"] = anthropic.Omit()
    return headers


def _without_v1(base_url: str) -> str:
    """The base URL as the SDK wants it; people often copy it with the ``/v1`` of the OpenAI style."""
    base_url = base_url.strip().rstrip("/")
    return base_url[:-3] if base_url.endswith("/v1") else base_url


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")
