"""Reading ``GET /v1/models`` of any server: Anthropic's own rows and the plainer ones of OpenAI's style.

Anthropic gives limits, line, lifecycle and capabilities; vLLM ``max_model_len``; OpenRouter ``context_length``;
llama.cpp ``meta``; Ollama and LM Studio only ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from ..protocol.outside_json import keepable
from .known_models import Off, Thinking, lookup, takes_temperature
from .providers.base import ModelInfo

DEFAULT_WINDOW = 32_768
"""Tokens assumed of a model whose server says nothing: what small local models are commonly run with."""
DEFAULT_OUTPUT = 8_192
MAX_TOKENS = 10**12
MAX_S = 253_402_300_800
"""The year 10000, in seconds since the epoch: no model is newer."""
CLAUDE_WINDOW, CLAUDE_OUTPUT = 200_000, 64_000
"""Tokens assumed of a Claude model that is neither listed with limits nor known: the least of the current ones."""


def model_infos(provider: str, rows: Iterable[Mapping[str, Any]]) -> Sequence[ModelInfo]:
    """The rows that can be used, newest first; rows without a date keep the server's order, last."""
    infos = [info for row in rows if (info := model_info(provider, row)) is not None]
    return sorted(infos, key=lambda info: -info.created_at_ms)


def model_info(provider: str, row: Mapping[str, Any]) -> ModelInfo | None:
    """One row, or ``None`` for one without an id, of a retired model, or of a model that does not chat."""
    row = keepable(row)
    model_id = row.get("id")
    if not isinstance(model_id, str) or not model_id or "embed" in model_id.lower():
        return None
    if row.get("lifecycle") == "retired":
        return None
    known = lookup(model_id)
    meta = _mapping(row.get("meta"))
    window = _count(
        row.get("max_input_tokens"),
        row.get("max_model_len"),
        row.get("context_length"),
        meta.get("n_ctx"),
        meta.get("n_ctx_train"),
        known and known.context_window,
    )
    output = _count(
        row.get("max_tokens"),
        row.get("max_output_tokens"),
        _mapping(row.get("top_provider")).get("max_completion_tokens"),
        known and known.max_output,
    )
    return bare(
        provider,
        model_id,
        name=_string(row.get("display_name")) or _string(row.get("name")),
        context_window=window,
        max_output=output,
        line=_string(row.get("line")),
        deprecated=row.get("lifecycle") == "deprecated",
        created_at_ms=_created_ms(row),
        reasoning=_supported(row, "thinking"),
        images=_supported(row, "image_input"),
    )


def bare(
    provider: str,
    model_id: str,
    *,
    name: str = "",
    context_window: int = 0,
    max_output: int = 0,
    line: str = "",
    deprecated: bool = False,
    created_at_ms: int = 0,
    reasoning: bool | None = None,
    images: bool | None = None,
) -> ModelInfo:
    """A ``ModelInfo`` from as much as is known; 0, ``""`` and ``None`` are filled from ``known`` or assumed."""
    known = lookup(model_id)
    claude = "claude" in model_id.lower()
    window = context_window or (known.context_window if known else CLAUDE_WINDOW if claude else DEFAULT_WINDOW)
    output = max_output or (known.max_output if known else CLAUDE_OUTPUT if claude else DEFAULT_OUTPUT)
    if images is None:
        images = claude
    return ModelInfo(
        id=model_id,
        name=name or (known.name if known else model_id),
        provider=provider,
        context_window=window,
        max_output=min(output, window),
        reasoning=claude if reasoning is None else reasoning,
        input=("text", "image") if images else ("text",),
        created_at_ms=created_at_ms,
        line=line or (known.line if known else ""),
        deprecated=deprecated or (known is not None and bool(known.retires)),
        temperature=takes_temperature(model_id),
    )


def thinking_modes(rows: Iterable[Mapping[str, Any]]) -> dict[str, Thinking]:
    """The form of ``thinking`` of each listed model, of those rows that state it."""
    modes = {}
    for row in rows:
        thinking = _mapping(_mapping(row.get("capabilities")).get("thinking"))
        if "supported" not in thinking or not isinstance(row.get("id"), str):
            continue
        types = _mapping(thinking.get("types"))
        accepts = {name for name in types if _mapping(types[name]).get("supported")}
        if not thinking["supported"]:
            modes[row["id"]] = Thinking(adaptive=False, budget=False, off="omit")
        elif accepts:
            modes[row["id"]] = Thinking(adaptive="adaptive" in accepts, budget="enabled" in accepts, off=_off(accepts))
    return modes


def _off(accepts: set[str]) -> Off:
    if "disabled" in accepts:
        return "disabled"
    return "between_tools" if "between_tools" in accepts else "always"


def next_page(page: Mapping[str, Any]) -> str | None:
    """The cursor of the next page of a listing, or ``None`` at its end."""
    last = page.get("last_id")
    return last if page.get("has_more") is True and isinstance(last, str) and last else None


def _supported(row: Mapping[str, Any], capability: str) -> bool | None:
    value = _mapping(_mapping(row.get("capabilities")).get(capability)).get("supported")
    return value if isinstance(value, bool) else None


def _created_ms(row: Mapping[str, Any]) -> int:
    created = row.get("created_at", row.get("created"))
    if isinstance(created, (int, float)) and not isinstance(created, bool) and created < MAX_S:
        return max(0, int(created * 1000))
    if isinstance(created, str):
        try:
            return max(0, int(datetime.fromisoformat(created.replace("Z", "+00:00")).timestamp() * 1000))
        except (ValueError, OverflowError):
            pass
    return 0


def _count(*values: Any) -> int:
    """The first positive whole number that can be one of tokens, else 0."""
    return next((v for v in values if isinstance(v, int) and not isinstance(v, bool) and 0 < v <= MAX_TOKENS), 0)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""
