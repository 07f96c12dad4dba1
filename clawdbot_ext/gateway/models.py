"""``models.list`` and ``models.test``: what can be chosen, and whether a key is any good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..agent import loader
from ..agent.provider import Completed, Provider, ProviderError, TurnRequest
from ..agent.registry import is_anthropic
from ..agent.turn import explain_failure
from ..protocol.errors import InvalidRequest
from ..protocol.schema import ModelsListResult, ModelsTestParams, ModelsTestResult, NoParams
from .methods import method

if TYPE_CHECKING:
    from .client import Client
    from .core import Gateway


@method("models.list")
async def models_list(gw: Gateway, client: Client, params: NoParams) -> ModelsListResult:
    """What can be chosen, of all configured providers, newest first."""
    default = gw.models.default()
    return ModelsListResult(models=[
        {"id": m.id, "name": m.name, "provider": m.provider, "contextWindow": m.context_window,
         "maxTokens": m.max_output, "reasoning": m.reasoning, "temperature": m.temperature, "input": list(m.input),
         "spec": m.spec, "isDefault": m.spec == default.spec}
        for m in await gw.models.list()])


@method("models.test")
async def models_test(gw: Gateway, client: Client, params: ModelsTestParams) -> ModelsTestResult:
    """Ask a provider for its models with a key that is not stored. A refused key is an answer, not an error.

    Raises ``InvalidRequest`` (``NO_KEY``) when there is no key to try.
    """
    name = params.provider or "anthropic"
    known = gw.live().providers().get(name)
    key = (known.api_key if known else "") if params.api_key is None else params.api_key.strip()
    address = (known.base_url if known else "") if params.base_url is None else params.base_url.strip()
    if not key and is_anthropic(address):
        raise InvalidRequest("there is no key to try", reason="NO_KEY")
    if not key.isprintable() or not key.isascii():
        failure = ProviderError("auth", "a key has no such characters")
        return ModelsTestResult(ok=False, error=_error(name, failure, client.locale))
    provider: Provider | None = None
    try:
        provider = await loader.build(name, key, address)
        result = ModelsTestResult(ok=True)
        try:
            result.models = len(await provider.list_models())
        except ProviderError as exc:
            if exc.kind not in ("not_found", "protocol"):  # a server may serve messages and no list of models
                raise
            await _say_hello(provider, next((m.id for m in gw.models.offered() if m.provider == name), "default"))
        return result
    except ProviderError as exc:
        return ModelsTestResult(ok=False, error=_error(name, exc, client.locale))
    finally:
        if provider is not None:
            await provider.aclose()


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
