"""``models.*``: what can be chosen, the providers with the state of their keys, and whether a key is any good."""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ... import config as settings
from ...agent.model_catalog import Model
from ...agent.model_listing import bare
from ...agent.providers import sdk_import
from ...agent.providers.base import Completed, Provider, ProviderError, TurnRequest
from ...agent.providers.registry import is_anthropic
from ...agent.turn import explain_failure
from ...config.setting_types import split_url
from ...protocol.clock import now_ms
from ...protocol.errors import InvalidRequest, OperatorOnly
from ...protocol.schema import (
    ModelsListResult,
    ModelsProvider,
    ModelsProvidersResult,
    ModelsSetKeyParams,
    ModelsTestParams,
    ModelsTestResult,
    NoParams,
    OkResult,
)
from ..connections.connection import Connection
from ..registry import method
from ..services import Services
from ..wire_forms import wire_usage
from .config import change

KEY = "models.providers.anthropic.apiKey"
REPLY_TOKENS = 64
"""Of the reply that a test of a model asks for."""


@method("models.list")
async def models_list(services: Services, caller: Connection, params: NoParams) -> ModelsListResult:
    """The models of all configured providers, newest first."""
    default = services.providers.models.default()
    return ModelsListResult(
        models=[
            {
                "id": m.id,
                "name": m.name,
                "provider": m.provider,
                "contextWindow": m.context_window,
                "maxTokens": m.max_output,
                "reasoning": m.reasoning,
                "temperature": m.temperature,
                "input": list(m.input),
                "spec": m.spec,
                "isDefault": m.spec == default.spec,
                **_price(services, m.provider, m.id),
            }
            for m in await services.providers.models.list()
        ]
    )


def _price(services: Services, provider: str, model_id: str) -> dict[str, Any]:
    """``price``, USD per million tokens, where it is known."""
    price = services.providers.models.price(provider, model_id)
    if price is None:
        return {}
    return {
        "price": {
            "input": price.input,
            "output": price.output,
            "cacheRead": price.cache_read,
            "cacheWrite": price.cache_write,
        }
    }


@method("models.providers")
async def models_providers(services: Services, caller: Connection, params: NoParams) -> ModelsProvidersResult:
    """The configured providers, usable or not. No key, and no part of one, is in the answer."""
    config, models = services.config(), services.providers.models
    problems, current = models.problems(), services.providers.current()
    counts = Counter(model.provider for model in models.offered())
    rows = []
    for name, each in {**config.providers(), **{name: found for name, found in current.items() if found}}.items():
        key = f"models.providers.{name}.apiKey"
        source = config.source(key)
        row = ModelsProvider(
            name=name,
            api=each.api,
            base_url=_without_password(each.base_url),
            key=bool(each.api_key),
            key_source=source,
            usable=name in current,
            is_default=name == services.providers.default_name(),
            models=counts[name],
        )
        if source == "env" and (named := settings.variables(key)):
            row.key_variable = next((variable for variable in named if os.environ.get(variable, "").strip()), named[0])
        if name in problems:
            row.error = _error(name, problems[name], caller.locale)
        rows.append(row)
    return ModelsProvidersResult(
        providers=rows,
        default_model=models.default().spec,
        configured=config["agents.defaults.model"],
        configured_source=config.source("agents.defaults.model"),
        allowed=config["models.allowed"],
        allowed_source=config.source("models.allowed"),
    )


def _without_password(address: str) -> str:
    """The address without what may stand before the host (``https://user:secret@host/``)."""
    parts = split_url(address)
    if parts is None:
        return ""
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if "@" in parts.netloc else address


@method("models.test")
async def models_test(services: Services, caller: Connection, params: ModelsTestParams) -> ModelsTestResult:
    """Ask a provider for its models with a key that is not stored, or one of them for a short reply. A refused key is
    an answer, not an error.

    Raises ``InvalidRequest`` (``NO_KEY``) when there is no key to try, ``OperatorOnly`` for an address of a user's own.
    """
    name = params.provider or "anthropic"
    known = services.config().providers().get(name)
    stored, address = (known.api_key, known.base_url) if known else ("", "")
    if params.base_url is not None and params.base_url.strip() != address:
        if services.host.of_user:  # the server would ask an address of its own network for a user
            raise OperatorOnly("models.test is for the operator of this server", method="models.test")
        stored, address = "", params.base_url.strip()  # the stored key is shown to the stored address alone
    key = stored if params.api_key is None else params.api_key.strip()
    if not key and is_anthropic(address):
        raise InvalidRequest("there is no key to try", reason="NO_KEY")
    if not key.isprintable() or not key.isascii():
        failure = ProviderError("auth", "a key has no such characters")
        return ModelsTestResult(ok=False, error=_error(name, failure, caller.locale))
    provider: Provider | None = None
    ours = params.api_key is None and bool(stored)
    try:
        provider = await sdk_import.build(name, key, address)
        started = time.monotonic()
        if params.model is not None:
            reply = await (_counted if ours else _test)(services, provider, bare(name, params.model))
            return _answered(reply, started)
        result = ModelsTestResult(ok=True)
        try:
            result.models = len(await provider.list_models())
        except ProviderError as exc:
            if exc.kind not in ("not_found", "protocol"):  # a server may serve messages and no list of models
                raise
            await _say_hello(
                provider, next((m.id for m in services.providers.models.offered() if m.provider == name), "default")
            )
        result.ms = _ms_since(started)
        return result
    except ProviderError as exc:
        return ModelsTestResult(ok=False, error=_error(name, exc, caller.locale))
    finally:
        if provider is not None:
            await provider.aclose()


@method("models.setKey")
async def models_set_key(services: Services, caller: Connection, params: ModelsSetKeyParams) -> OkResult:
    """Store the key for Anthropic's models, or delete it. The one thing that the page must be able to write for a user
    without a terminal: it is never read back, and goes to no address but the one that the owner's file has.

    Raises ``InvalidRequest`` (``OWNER_ONLY``) for a login that a device took part in.
    """
    if caller.standing().devices:
        raise InvalidRequest(
            f"{KEY} is changed on the gateway's own machine alone, with clawdbot config set",
            reason="OWNER_ONLY",
            setting=KEY,
        )
    given = (params.api_key or "").strip()

    def write(path: Path, guard: Any) -> str:
        if given:
            return settings.set_value(path, KEY, given, guard=guard)
        return settings.unset_value(path, KEY, guard=guard)

    await change(services, caller, write)
    return OkResult(ok=True)


async def _test(services: Services, provider: Provider, model: Model) -> Completed:
    """A short reply, with a key that is the caller's own. Raises ``ProviderError``."""
    return await _say_hello(provider, model.id, REPLY_TOKENS)


async def _counted(services: Services, provider: Provider, model: Model) -> Completed:
    """A short reply, with the key that is stored: of a model that may be used, and counted as any other.

    Raises ``ProviderError``, ``LimitReached``, ``UnknownModel`` (it may not be used).
    """
    budget, main = services.runs.context.budget, services.sessions.main_key()
    reservation = await budget.admit(model, main, prompt=REPLY_TOKENS, most=REPLY_TOKENS)
    spent: dict[str, Any] | None = None
    try:
        reply = await _say_hello(provider, model.id, REPLY_TOKENS)
        spent = wire_usage(reply.usage, services.providers.models.cost(model.provider, model.id, reply.usage))
        await services.store.add_usage(main, "", provider=model.provider, model=model.id, spent=spent, now=now_ms())
    finally:
        await budget.settle(reservation, spent)
    return reply


def _answered(reply: Completed, started: float) -> ModelsTestResult:
    """The result for a reply of a model."""
    text = "".join(str(block.get("text", "")) for block in reply.content if block.get("type") == "text")
    usage = {name: count for name, count in asdict(reply.usage).items() if name in ("input", "output")}
    return ModelsTestResult(ok=True, reply=text, usage=usage, ms=_ms_since(started))


def _ms_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)


async def _say_hello(provider: Provider, model: str, most: int = 1) -> Completed:
    """A reply of at most so many tokens. Raises ``ProviderError``."""
    hello = {"role": "user", "content": [{"type": "text", "text": "Hi"}]}
    async for event in provider.stream(TurnRequest(model=model, system="", messages=[hello], max_tokens=most)):
        if isinstance(event, Completed):
            return event
    raise ProviderError("cut", "the stream ended without a stop reason")


def _error(name: str, failure: ProviderError, locale: str) -> dict[str, Any]:
    message, hint = explain_failure(failure, name, locale=locale)
    return {"kind": failure.kind, "message": message, "hint": hint}
