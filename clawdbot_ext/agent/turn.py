"""One turn: a model call with its retries, and the verdict on how the reply ended.

Above sits the gateway's run, which owns the store and the wire; below one ``Provider``. The rules
(docs/design/0004-agent.md): trouble before any output is retried a few times, visibly and within bounds; trouble after
output is never retried, and a reply is *done* only if the provider said so.
"""

from __future__ import annotations

import asyncio
import random as _random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from ..i18n import catalogue
from .providers.base import (
    Completed,
    Provider,
    ProviderError,
    ProviderEvent,
    Reply,
    TextDelta,
    ThinkingDelta,
    TurnRequest,
    Usage,
    WrongEnvironment,
)

_t = catalogue("agent")

RETRYABLE = frozenset({"rate_limit", "overloaded", "server", "connect", "timeout", "cut"})
"""Kinds of failure that another try may cure. Wrong keys, empty accounts and refused requests are not among them."""

WIRE_STOP_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "pause",
    "tool_use": "toolUse",
    "refusal": "refusal",
}
"""The Messages API's stop reasons as the wire's. ``pause`` never gets there: the loop goes on after it."""
_NOTICED = frozenset({"max_tokens", "model_context_window_exceeded", "refusal"})


@dataclass(frozen=True)
class Retrying:
    """A try failed and another follows: ``attempt`` of ``max_attempts`` begins in ``wait_ms``."""

    attempt: int
    max_attempts: int
    wait_ms: int
    reason: str
    """The kind of failure, a ``ProviderError.kind``."""


@dataclass(frozen=True)
class MediaProgress:
    """An attachment is being read for the model: ``data`` of an ``agent`` event of the stream ``media``."""

    data: Mapping[str, Any]


TurnEvent = TextDelta | ThinkingDelta | Retrying | MediaProgress


@dataclass(frozen=True)
class RetryPolicy:
    """The bounds of a turn before its first output. All times in seconds."""

    max_attempts: int = 4
    base_s: float = 0.5
    """The ``n``-th wait is drawn from 0 … ``base_s``·2ⁿ (full jitter) …"""
    cap_s: float = 8.0
    """… but never more than this."""
    max_retry_after_s: float = 60.0
    """A provider that asks for more patience than this is reported at once."""
    budget_s: float = 120.0
    """Tries after the first get their first output within this since the turn began …"""
    least_s: float = 5.0
    """… and none begins with less than this left of it."""
    first_token_s: float = 120.0
    """Time limit of one attempt, in seconds, until its first output. Where the person set a limit for the whole reply
    (``agents.defaults.timeoutSeconds``) it is that: a local model may read a long prompt for minutes."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of a turn. ``reply`` holds the text, all of it or as much as arrived."""

    state: Literal["done", "interrupted", "failed"]
    stop_reason: str
    """For the wire: ``stop, length, toolUse, refusal``, else ``interrupted`` or ``error``."""
    message: str = ""
    """Explanation for people, in the request's language; empty when there is nothing to explain."""
    error: dict[str, Any] | None = None
    """``{kind, status?, requestId?, retryAfterMs?, hint}`` of a turn that is not done; ``hint`` says what to do."""


async def run_turn(
    provider: Provider,
    request: TurnRequest,
    reply: Reply,
    emit: Callable[[TurnEvent], None],
    *,
    policy: RetryPolicy = RetryPolicy(),
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
    random: Callable[[], float] = _random.random,
) -> Outcome:
    """Answer one request. ``reply`` is up to date whenever ``emit`` is called and however the turn ends.

    Args:
        emit: called with every delta and before every wait; must not block.
        sleep, clock, random: replaced by tests. ``clock`` is monotonic seconds, ``random`` gives 0 … 1.

    Raises:
        asyncio.CancelledError: the caller cancelled; the stream is closed and ``reply`` holds what had come.
    """
    reply.provider, reply.model, reply.digest = provider.name, request.model, request.digest
    started = clock()
    attempt = 0
    while True:
        attempt += 1
        reply.attempts = attempt
        left = policy.first_token_s if attempt == 1 else min(policy.first_token_s, started + policy.budget_s - clock())
        try:
            completed = await _attempt(provider, request, reply, emit, left)
        except ProviderError as exc:
            failure = exc
        else:
            if completed is not None:
                return _done(completed, request, reply)
            failure = ProviderError("cut", "the stream ended without a stop reason")
        if reply.text or reply.thinking:
            return _unfinished("interrupted", failure, provider, request, reply)
        wait = _wait_s(failure, attempt, policy, random)
        if wait is None or clock() + wait > started + policy.budget_s - policy.least_s:
            return _unfinished("failed", failure, provider, request, reply)
        emit(Retrying(attempt + 1, policy.max_attempts, round(wait * 1000), failure.kind))
        await sleep(wait)


async def _attempt(
    provider: Provider, request: TurnRequest, reply: Reply, emit: Callable[[TurnEvent], None], first_token_s: float
) -> Completed | None:
    """One try. Returns ``None`` when the stream ended without saying why."""
    events = provider.stream(request)
    try:
        event: ProviderEvent | None = await _first(events, first_token_s)
        while event is not None:
            if isinstance(event, Completed):
                reply.content, reply.usage = event.content, event.usage
                return event
            if isinstance(event, Usage):
                reply.usage = event
            else:
                if isinstance(event, TextDelta):
                    reply.text += event.text
                else:
                    reply.thinking += event.text
                emit(event)
            event = await anext(events, None)
        return None
    finally:
        close = getattr(events, "aclose", None)
        if close is not None:
            await close()


async def _first(events: AsyncIterator[ProviderEvent], limit_s: float) -> ProviderEvent | None:
    """The first event, or ``None`` at the end of the stream. Raises ``ProviderError("timeout")`` after ``limit_s``.

    Not ``asyncio.wait_for``: before Python 3.12 it can lose a cancellation that arrives together with the result.
    """
    step = asyncio.ensure_future(_next(events))
    try:
        await asyncio.wait({step}, timeout=limit_s)
        if not step.done():
            raise ProviderError("timeout", f"no output within {limit_s:.0f} s")
        return step.result()
    finally:
        if not step.done():
            step.cancel()
            await asyncio.wait({step})


async def _next(events: AsyncIterator[ProviderEvent]) -> ProviderEvent | None:
    return await anext(events, None)


def _wait_s(failure: ProviderError, attempt: int, policy: RetryPolicy, random: Callable[[], float]) -> float | None:
    """Seconds to wait before the next try, or ``None`` when there is to be none."""
    may_pass = failure.kind in RETRYABLE if failure.passing is None else failure.passing
    if not may_pass or attempt >= policy.max_attempts:
        return None
    jitter = random() * min(policy.cap_s, policy.base_s * 2.0**attempt)
    if failure.retry_after_s is None:
        return jitter
    if failure.retry_after_s > policy.max_retry_after_s:
        return None
    # The provider's wish is a lower bound; a little jitter on top keeps many gateways from coming back at once.
    return failure.retry_after_s + min(jitter, 0.5)


def _done(completed: Completed, request: TurnRequest, reply: Reply) -> Outcome:
    stop_reason = WIRE_STOP_REASONS.get(completed.stop_reason, "stop")
    reply.stop_reason = stop_reason
    if completed.stop_reason == "refusal" and completed.explanation:
        return Outcome("done", stop_reason, _t(request.locale, "notice.refusal.why", why=completed.explanation))
    if completed.stop_reason in _NOTICED:
        return Outcome("done", stop_reason, _t(request.locale, f"notice.{completed.stop_reason}"))
    if not reply.text and stop_reason not in ("toolUse", "pause"):
        return Outcome("done", stop_reason, _t(request.locale, "notice.empty"))
    return Outcome("done", stop_reason)


def _unfinished(
    state: Literal["interrupted", "failed"],
    failure: ProviderError,
    provider: Provider,
    request: TurnRequest,
    reply: Reply,
) -> Outcome:
    """The verdict on a turn that did not end well, with a text for people and data for programs."""
    locale = request.locale
    if state == "interrupted":
        how = {"timeout": "stall", "cut": "cut", "connect": "cut"}.get(failure.kind, "error")
        facts = {"provider": _shown(provider.name), "detail": failure.detail}
        message, hint = _t(locale, f"interrupted.{how}", **facts), _t(locale, "interrupted.hint")
    else:
        message, hint = explain_failure(
            failure, provider.name, model=request.model, attempts=reply.attempts, locale=locale
        )
    reply.stop_reason = "interrupted" if state == "interrupted" else "error"
    error: dict[str, Any] = {"kind": failure.kind, "hint": hint}
    if failure.status is not None:
        error["status"] = failure.status
    if failure.request_id is not None:
        error["requestId"] = failure.request_id
    if failure.retry_after_s is not None:
        error["retryAfterMs"] = round(failure.retry_after_s * 1000)
    return Outcome(state, reply.stop_reason, message, error)


def explain_failure(
    failure: ProviderError, provider: str, *, model: str = "", attempts: int = 1, locale: str = "en"
) -> tuple[str, str]:
    """Explanation of the failure, and its remedy, for people."""
    facts = {
        "provider": _shown(provider),
        "name": provider,
        "model": model,
        "detail": failure.detail,
        "attempts": attempts,
    }
    if isinstance(failure, WrongEnvironment):
        facts["detail"] = "; ".join(f"{variable} {_t(locale, why)}" for variable, why in failure.problems)
    if failure.kind == "auth" and provider == "demo":  # an error on request: there is no key to check
        return _t(locale, "error.auth.message", **facts), _t(locale, "error.auth.demo")
    hint = _t(locale, f"error.{failure.kind}.hint", **facts)
    if failure.retry_after_s is not None:
        hint = _retry_hint(locale, failure.retry_after_s)
    return _t(locale, f"error.{failure.kind}.message", **facts), hint


def _shown(provider: str) -> str:
    """A provider's name for people."""
    return {"anthropic": "Anthropic", "demo": "Demo"}.get(provider, provider)


def _retry_hint(locale: str, seconds: float) -> str:
    """When to try again, as a clock time of this machine and a span."""
    at = datetime.now().astimezone() + timedelta(seconds=seconds)
    if seconds < 90:
        return _t(locale, "retry.seconds", seconds=round(seconds), at=f"{at:%H:%M:%S}")
    return _t(locale, "retry.minutes", minutes=round(seconds / 60), at=f"{at:%H:%M}")
