"""``prompts.*``: the user's own prompts, which a composer offers behind ``/``."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from ...protocol.clock import now_ms
from ...protocol.errors import InvalidRequest, NotFound
from ...protocol.schema import (
    NoParams,
    OkResult,
    Prompt,
    PromptsDeleteParams,
    PromptsListResult,
    PromptsSetParams,
    PromptsSetResult,
)
from ..connections.connection import Connection
from ..registry import method
from ..services import Services

KIND = "prompt"
MAX_PROMPTS = 500


async def library(services: Services) -> list[Prompt]:
    """All prompts, by name."""
    stored = [msgspec.convert(record, Prompt) for record in await services.store.list_records(KIND)]
    return sorted(stored, key=lambda prompt: (prompt.name.casefold(), prompt.id))


@method("prompts.list")
async def prompts_list(services: Services, caller: Connection, params: NoParams) -> PromptsListResult:
    return PromptsListResult(prompts=await library(services))


@method("prompts.set")
async def prompts_set(services: Services, caller: Connection, params: PromptsSetParams) -> PromptsSetResult:
    """Keep a prompt; names are unique, so that ``/name`` means one.

    Raises:
        InvalidRequest: an empty name or text (``EMPTY_PROMPT``), a name that is taken (``NAME_TAKEN``), more than
            ``MAX_PROMPTS`` (``TOO_MANY_PROMPTS``).
        NotFound: ``id`` is given and there is none.
    """
    name, prompts = " ".join(params.name.split()), await library(services)
    if not name or not params.text.strip():
        raise InvalidRequest("a prompt needs a name and a text", reason="EMPTY_PROMPT")
    if params.id is not None and all(prompt.id != params.id for prompt in prompts):
        raise NotFound(f"no prompt {params.id}")
    if any(prompt.name.casefold() == name.casefold() and prompt.id != params.id for prompt in prompts):
        raise InvalidRequest(f"there is a prompt named {name}", reason="NAME_TAKEN", name=name)
    if params.id is None and len(prompts) >= MAX_PROMPTS:
        raise InvalidRequest(f"there are {MAX_PROMPTS} prompts already", reason="TOO_MANY_PROMPTS")
    now = now_ms()
    prompt = Prompt(id=params.id or uuid.uuid4().hex, name=name, text=params.text, updated_at=now)
    body: Mapping[str, Any] = msgspec.to_builtins(prompt)

    def replaced(known: Mapping[str, Any] | None) -> Mapping[str, Any]:
        if known is None and params.id is not None:  # deleted in between
            raise NotFound(f"no prompt {prompt.id}")
        return body

    await services.store.change_record(KIND, prompt.id, replaced, now=now)
    return PromptsSetResult(prompt=prompt)


@method("prompts.delete")
async def prompts_delete(services: Services, caller: Connection, params: PromptsDeleteParams) -> OkResult:
    """Raises ``NotFound``."""
    if (await services.store.change_record(KIND, params.id, lambda _: None, now=now_ms())).before is None:
        raise NotFound(f"no prompt {params.id}")
    return OkResult(ok=True)
