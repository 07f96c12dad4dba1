"""Built-in facts about models: limits, prices, how each takes thinking. No I/O, no SDK.

``models.list`` is asked first wherever there is one; this table is for the time before its answer, for servers that
give no limits, and for prices, which no API gives. Source: the models overview and the pricing page of
platform.claude.com (USD per million tokens; cache writes are those of 5 minutes), read 2026-11. A price that is not
known is ``None``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Off = Literal["omit", "disabled", "between_tools", "always"]
"""Ways to switch thinking off: by leaving the parameter out, by a ``type``, or not at all."""


@dataclass(frozen=True)
class Thinking:
    """Return the forms of ``thinking`` that a model accepts; anything else is answered with a 400."""

    adaptive: bool
    """``{"type": "adaptive"}`` with ``output_config.effort``."""
    budget: bool
    """``{"type": "enabled", "budget_tokens": …}``."""
    off: Off


@dataclass(frozen=True)
class Price:
    """USD per million tokens."""

    input: float
    output: float
    cache_read: float
    cache_write: float


@dataclass(frozen=True)
class Known:
    """One model of Anthropic's."""

    id: str
    name: str
    line: str
    context_window: int
    max_output: int
    thinking: Thinking
    price: Price | None
    long_price: Price | None = None
    """The price of every token of a request whose prompt exceeds ``long_prompt`` tokens, where that differs."""
    long_prompt: int = 0
    temperature: bool = False
    """A request with a ``temperature`` is taken. The models since Opus 4.7 answer one with a 400."""
    prefill: bool = False
    """It goes on from an assistant message at the end of a request; Claude 4.6 and newer answer that with a 400."""
    retires: str = ""
    """The day (ISO) from which it does not answer any more, as the SDK's list of deprecated models says."""


_ALWAYS = Thinking(adaptive=True, budget=False, off="always")
_ADAPTIVE = Thinking(adaptive=True, budget=False, off="disabled")
_BETWEEN = Thinking(adaptive=True, budget=False, off="between_tools")
_ON_REQUEST = Thinking(adaptive=True, budget=False, off="omit")
_BUDGET = Thinking(adaptive=False, budget=True, off="omit")
LOCAL_THINKING = Thinking(adaptive=False, budget=True, off="omit")
"""For models of other makers behind the Messages API: Ollama, LM Studio, vLLM and OpenRouter know the budget form."""

_OPUS_4_PRICE = Price(5, 25, 0.50, 6.25)
_FABLE_5_2_PRICE = Price(8, 40, 0.20, 10)
_FABLE_5_1_PRICE = Price(10, 50, 0.25, 12.50)
_FABLE_5_PRICE = Price(10, 50, 1.00, 12.50)
_M = 1_000_000

KNOWN: tuple[Known, ...] = (  # newest first
    Known("claude-sonnet-5-5", "Claude Sonnet 5.5", "sonnet", _M, 128_000, _BETWEEN, Price(2, 10, 0.10, 2.50)),
    Known("claude-opus-5-5", "Claude Opus 5.5", "opus", _M, 128_000, _ALWAYS, Price(4, 20, 0.20, 5)),
    Known(
        "claude-haiku-5-5",
        "Claude Haiku 5.5",
        "haiku",
        _M,
        128_000,
        _ADAPTIVE,
        Price(0.10, 0.50, 0.01, 0.125),
        long_price=Price(0.50, 2.50, 0.05, 0.625),
        long_prompt=100_000,
    ),
    Known("claude-fable-5-2", "Claude Fable 5.2", "fable", _M, 128_000, _ALWAYS, _FABLE_5_2_PRICE),
    Known("claude-mythos-5-2", "Claude Mythos 5.2", "mythos", _M, 128_000, _ALWAYS, None),
    Known("claude-fable-5-1", "Claude Fable 5.1", "fable", _M, 128_000, _ALWAYS, _FABLE_5_1_PRICE),
    Known("claude-mythos-5-1", "Claude Mythos 5.1", "mythos", _M, 128_000, _ALWAYS, _FABLE_5_1_PRICE),
    Known("claude-sonnet-5", "Claude Sonnet 5", "sonnet", _M, 128_000, _ADAPTIVE, Price(2, 10, 0.20, 2.50)),
    Known("claude-opus-5", "Claude Opus 5", "opus", _M, 128_000, _ADAPTIVE, _OPUS_4_PRICE),
    Known("claude-fable-5", "Claude Fable 5", "fable", _M, 128_000, _ALWAYS, _FABLE_5_PRICE),
    Known("claude-mythos-5", "Claude Mythos 5", "mythos", _M, 128_000, _ALWAYS, _FABLE_5_PRICE),
    Known("claude-opus-4-8", "Claude Opus 4.8", "opus", _M, 128_000, _ON_REQUEST, _OPUS_4_PRICE),
    Known("claude-opus-4-7", "Claude Opus 4.7", "opus", _M, 128_000, _ON_REQUEST, _OPUS_4_PRICE),
    Known("claude-opus-4-6", "Claude Opus 4.6", "opus", _M, 128_000, _ON_REQUEST, _OPUS_4_PRICE, temperature=True),
    Known(
        "claude-sonnet-4-6",
        "Claude Sonnet 4.6",
        "sonnet",
        _M,
        64_000,
        _ON_REQUEST,
        Price(3, 15, 0.30, 3.75),
        temperature=True,
    ),
    Known(
        "claude-haiku-4-5",
        "Claude Haiku 4.5",
        "haiku",
        200_000,
        64_000,
        _BUDGET,
        Price(1, 5, 0.10, 1.25),
        temperature=True,
        prefill=True,
    ),
    Known(
        "claude-opus-4-5",
        "Claude Opus 4.5",
        "opus",
        200_000,
        64_000,
        _BUDGET,
        _OPUS_4_PRICE,
        temperature=True,
        prefill=True,
        retires="2027-01-22",
    ),
)
_BY_ID = {model.id: model for model in KNOWN}

_DECORATION = re.compile(
    r"(^.*/)|(^anthropic\.)|([@-]\d{8}$)|(-latest$)|(-v\d{1,4}:\d{1,4}$)|(\[[^\[\]]{0,40}\]$)|(:[a-z]{1,40}$)"
)
LONGEST_ID = 200


def lookup(model_id: str) -> Known | None:
    """The row of a model id as any server spells it: ``anthropic/claude-opus-5.5``, ``claude-haiku-4-5-20251001`` …"""
    name = model_id.lower() if len(model_id) <= LONGEST_ID else ""
    while (shorter := _DECORATION.sub("", name)) != name:
        name = shorter
    return _BY_ID.get(name.replace(".", "-"))


def thinking_of(model_id: str) -> Thinking:
    """The form in which a model takes ``thinking``; for unlisted Claude models the newest one is assumed."""
    known = lookup(model_id)
    if known is not None:
        return known.thinking
    return _ALWAYS if "claude" in model_id.lower() else LOCAL_THINKING


def takes_temperature(model_id: str) -> bool:
    """Report whether a request may carry a ``temperature``. Other makers' models take one; of unlisted Claude models it
    is not known, and a request without it is always right."""
    known = lookup(model_id)
    return known.temperature if known is not None else "claude" not in model_id.lower()


def takes_prefill(model_id: str) -> bool:
    """Return whether a request can end with the beginning of the reply; ``False`` of models that are not listed."""
    known = lookup(model_id)
    return known is not None and known.prefill
