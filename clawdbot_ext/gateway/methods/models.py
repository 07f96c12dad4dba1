"""``models.list`` and ``models.test``: what can be chosen, and whether a key is any good."""

from __future__ import annotations

from typing import Any

from ... import config as settings
from ...agent.providers import sdk_import
from ...agent.providers.base import Completed, Provider, ProviderError, TurnRequest
from ...agent.providers.registry import is_anthropic
from ...agent.turn import explain_failure
from ...protocol.errors import InvalidRequest
from ...protocol.schema import (
    ModelsListResult,
    ModelsSetKeyParams,
    ModelsTestParams,
    ModelsTestResult,
    NoParams,
    OkResult,
)
from ..connections.connection import Connection
from ..registry import method
from ..services import Services
from .config import change

KEY = "models.providers.anthropic.apiKey"


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
            }
            for m in await services.providers.models.list()
        ]
    )


@method("models.test")
async def models_test(services: Services, caller: Connection, params: ModelsTestParams) -> ModelsTestResult:
    """Ask a provider for its models with a key that is not stored. A refused key is an answer, not an error.

    Raises ``InvalidRequest`` (``NO_KEY``) when there is no key to try.
    """
    name = params.provider or "anthropic"
    known = services.config().providers().get(name)
    stored, address = (known.api_key, known.base_url) if known else ("", "")
    if params.base_url is not None and params.base_url.strip() != address:
        stored, address = "", params.base_url.strip()  # the stored key is shown to the stored address alone
    key = stored if params.api_key is None else params.api_key.strip()
    if not key and is_anthropic(address):
        raise InvalidRequest("there is no key to try", reason="NO_KEY")
    if not key.isprintable() or not key.isascii():
        failure = ProviderError("auth", "a key has no such characters")
        return ModelsTestResult(ok=False, error=_error(name, failure, caller.locale))
    provider: Provider | None = None
    try:
        provider = await sdk_import.build(name, key, address)
        result = ModelsTestResult(ok=True)
        try:
            result.models = len(await provider.list_models())
        except ProviderError as exc:
            if exc.kind not in ("not_found", "protocol"):  # a server may serve messages and no list of models
                raise
            await _say_hello(
                provider, next((m.id for m in services.providers.models.offered() if m.provider == name), "default")
            )
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
    await change(
        services,
        caller,
        lambda path: settings.set_value(path, KEY, given) if given else settings.unset_value(path, KEY),
    )
    return OkResult(ok=True)


async def _say_hello(provider: Provider, model: str) -> None:
    """The smallest possible reply. Raises ``ProviderError``."""
    hello = {"role": "user", "content": [{"type": "text", "text": "Hi"}]}
    async for event in provider.stream(TurnRequest(model=model, system="", messages=[hello], max_tokens=1)):
        if isinstance(event, Completed):
            return
    raise ProviderError("cut", "the stream ended without a stop reason")


def _error(name: str, failure: ProviderError, locale: str) -> dict[str, Any]:
    message, hint = explain_failure(failure, name, locale=locale)
    return {"kind": failure.kind, "message": message, "hint": hint}
