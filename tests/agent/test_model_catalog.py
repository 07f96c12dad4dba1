"""Providers and models: their names, their choice, their prices."""

from __future__ import annotations

import asyncio
import gc
import re
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from clawdbot_ext import config
from clawdbot_ext.agent import model_catalog
from clawdbot_ext.agent.known_models import KNOWN, lookup
from clawdbot_ext.agent.model_catalog import UnknownModel
from clawdbot_ext.agent.providers import sdk_import
from clawdbot_ext.agent.providers.base import ProviderError, Reply, Usage
from clawdbot_ext.agent.providers.registry import Providers
from clawdbot_ext.agent.turn import run_turn
from tests.support.aio import run, until
from tests.support.messages_api import MessagesAPI, claude
from tests.support.turns import request

Env = dict[str, str]


class Source:
    """A configuration that can change, as ``LiveConfig`` is one."""

    def __init__(self, env: Env):
        self.env = env

    def __call__(self) -> config.Config:
        return config.load(self.env)


@pytest.fixture
def env(tmp_path: Path) -> Env:
    return {"CLAWDBOT_STATE_DIR": str(tmp_path), "HOME": str(tmp_path)}


@pytest.fixture
def keyed(env: Env, api: MessagesAPI) -> Env:
    """The environment with a key and the scripted API."""
    return {**env, "ANTHROPIC_API_KEY": "sk-test", "ANTHROPIC_BASE_URL": api.url}


def write(env: Env, text: str) -> None:
    """Our configuration file."""
    path = Path(env["CLAWDBOT_STATE_DIR"]) / "jupyter" / "config.json"  # not by ``load``, which refuses a wrong one
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def local(api_url: str, models: str = "[]") -> str:
    return f'{{models: {{providers: {{ollama: {{baseUrl: "{api_url}", models: {models}}}}}}}}}'


# -- providers ------------------------------------------------------------------------------------------------------
def test_without_a_key_there_is_the_demo_and_nothing_else(env: Env) -> None:
    providers = Providers(Source(env))
    assert list(providers.current()) == ["demo"] and providers.default_name() == "demo"
    assert providers.models.default().spec == "demo/demo"


def test_a_key_set_while_running_switches_to_the_real_provider_and_back(keyed: Env, env: Env, api: MessagesAPI) -> None:
    async def go() -> None:
        source = Source(env)
        providers = Providers(source)
        assert (await providers.get("demo")).name == "demo"
        source.env = keyed
        providers.reload()
        assert list(providers.current()) == ["anthropic"]
        provider = await providers.get("anthropic")
        assert await providers.get("anthropic") is provider, "made once"
        providers.reload()
        assert await providers.get("anthropic") is provider, "kept while its settings stay"
        source.env = {**keyed, "ANTHROPIC_API_KEY": "sk-other"}
        providers.reload()
        assert await providers.get("anthropic") is not provider
        source.env = env
        providers.reload()
        assert providers.default_name() == "demo"
        await providers.aclose()

    run(go(), 15)


def test_a_reply_goes_on_with_the_provider_it_began_with(keyed: Env, env: Env) -> None:
    async def go() -> Reply:
        source, reply, begun = Source(keyed), Reply(), asyncio.Event()
        providers = Providers(source)
        provider = await providers.get("anthropic")
        task = asyncio.create_task(
            run_turn(provider, request("[[tokens=20]][[delay_ms=5]]"), reply, lambda _: begun.set())
        )
        await begun.wait()
        source.env = env
        providers.reload()
        assert (await task).state == "done"
        await providers.aclose()
        return reply

    assert run(go(), 15).text.endswith("t19 ")


def test_a_server_of_ones_own_needs_no_key_and_anthropics_does(env: Env, api: MessagesAPI) -> None:
    write(
        env,
        '{models: {providers: {anthropic: {baseUrl: "https://api.anthropic.com"}, '
        f'ollama: {{baseUrl: "{api.url}"}}}}}}}}',
    )
    assert list(Providers(Source(env)).current()) == ["ollama"]


def test_anthropic_is_the_default_among_several(keyed: Env, api: MessagesAPI) -> None:
    write(keyed, local(api.url))
    assert list(Providers(Source(keyed)).current()) == ["anthropic", "ollama"]


def test_a_provider_that_is_not_there_is_an_error(env: Env) -> None:
    with pytest.raises(ProviderError):
        run(Providers(Source(env)).get("unknown"))


def test_a_malformed_address_is_reported_and_can_be_mended(env: Env, api: MessagesAPI) -> None:
    async def go() -> None:
        write(env, local("http://127.0.0.1:port"))
        with pytest.raises(config.ConfigError, match=r"ollama\.baseUrl"):
            Providers(Source(env))
        write(env, local(api.url))
        providers = Providers(Source(env))
        assert (await providers.get("ollama")).name == "ollama"
        await providers.aclose()

    run(go(), 15)


def test_loading_the_sdk_leaves_the_garbage_collector_as_it_was() -> None:
    run(sdk_import.warm(), 15)
    assert gc.isenabled() and "anthropic" in sys.modules


# -- choosing -------------------------------------------------------------------------------------------------------
@pytest.fixture
def catalogue(keyed: Env) -> Callable[..., Any]:
    """Run a coroutine function with the catalogue of one Anthropic provider, its models listed."""

    def with_catalogue(use: Callable[[model_catalog.ModelCatalogue], Any], listed: bool = True) -> Any:
        async def go() -> Any:
            providers = Providers(Source(keyed))
            try:
                if listed:
                    await providers.warm()
                result = use(providers.models)
                return await result if asyncio.iscoroutine(result) else result
            finally:
                await providers.aclose()

        return run(go(), 15)

    return with_catalogue


def test_the_default_is_the_newest_active_sonnet(catalogue: Callable[..., Any], api: MessagesAPI) -> None:
    api.models = [
        claude("claude-sonnet-9", "Claude Sonnet 9", "sonnet", "2027-05-01", lifecycle="deprecated"),
        claude("claude-opus-8", "Claude Opus 8", "opus", "2027-04-01"),
        claude("claude-sonnet-7", "Claude Sonnet 7", "sonnet", "2027-01-01"),
        claude("claude-sonnet-8", "Claude Sonnet 8", "sonnet", "2027-03-01"),
    ]
    assert catalogue(lambda c: c.default().spec) == "anthropic/claude-sonnet-8"


def test_before_the_list_came_the_table_decides(catalogue: Callable[..., Any]) -> None:
    assert catalogue(lambda c: c.default().spec, listed=False) == "anthropic/claude-sonnet-5-5"


def test_the_first_turn_waits_for_the_list(catalogue: Callable[..., Any], api: MessagesAPI) -> None:
    api.models = [claude("claude-sonnet-8", "Claude Sonnet 8", "sonnet", "2027-03-01")]
    assert catalogue(lambda c: c.choose(None), listed=False).spec == "anthropic/claude-sonnet-8"


def test_a_configured_model_is_the_default(catalogue: Callable[..., Any], keyed: Env) -> None:
    write(keyed, '{agents: {defaults: {model: "anthropic/claude-opus-5-5"}}}')
    assert catalogue(lambda c: c.default().id) == "claude-opus-5-5"


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ("anthropic/claude-opus-5-5", "claude-opus-5-5"),
        ("claude-sonnet-5", "claude-sonnet-5"),
        ("CLAUDE-SONNET-5", "claude-sonnet-5"),
        ("claude-haiku-4-5", "claude-haiku-4-5-20251001"),
        ("claude-opus-5.5", "claude-opus-5-5"),
        ("anthropic/claude-haiku-4-5", "claude-haiku-4-5-20251001"),
        ("Claude Opus 5.5", "claude-opus-5-5"),
        ("sonnet", "claude-sonnet-5-5"),
        ("opus", "claude-opus-5-5"),
        ("haiku", "claude-haiku-4-5-20251001"),
        ("anthropic/sonnet", "claude-sonnet-5-5"),
        ("claude-sonnet-latest", "claude-sonnet-5-5"),
        ("default", "claude-sonnet-5-5"),
        (" opus ", "claude-opus-5-5"),
    ],
)
def test_a_model_can_be_named_in_several_ways(catalogue: Callable[..., Any], spec: str, found: str) -> None:
    assert catalogue(lambda c: c.resolve(spec).spec) == f"anthropic/{found}"


@pytest.mark.parametrize(
    ("spec", "near"),
    [
        ("sonet", "sonnet"),
        ("claude-opus-5-6", "claude-opus-5-5"),
        ("anthropic/claude-sonet-5", "anthropic/claude-sonnet-5"),
    ],
)
def test_an_unknown_name_is_refused_with_near_ones(catalogue: Callable[..., Any], spec: str, near: str) -> None:
    with pytest.raises(UnknownModel) as caught:
        catalogue(lambda c: c.resolve(spec))
    assert caught.value.reason == "UNKNOWN_MODEL" and near in caught.value.facts["suggestions"]


def test_nothing_is_near_to_nonsense(catalogue: Callable[..., Any]) -> None:
    with pytest.raises(UnknownModel) as caught:
        catalogue(lambda c: c.resolve("zzzzzz"))
    assert caught.value.facts["suggestions"] == []


def test_a_model_released_after_the_list_was_fetched_is_found(
    catalogue: Callable[..., Any], api: MessagesAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_catalog, "RETRY_S", 0.0)

    async def choose(c: model_catalog.ModelCatalogue) -> str:
        assert api.models is not None
        api.models = [*api.models, claude("claude-opus-9", "Claude Opus 9", "opus", "2027-01-01")]
        return (await c.choose("claude-opus-9")).spec

    assert catalogue(choose) == "anthropic/claude-opus-9"


def test_a_session_of_the_demos_time_gets_the_default(catalogue: Callable[..., Any]) -> None:
    assert catalogue(lambda c: c.choose("demo/demo")).spec == "anthropic/claude-sonnet-5-5"


def test_while_the_provider_cannot_be_asked_names_are_taken_at_their_word(
    catalogue: Callable[..., Any], api: MessagesAPI
) -> None:
    api.models = None

    def look(c: model_catalog.ModelCatalogue) -> tuple[str, str, Any]:
        return c.resolve("claude-future-9").spec, c.default().id, c.problems()["anthropic"].kind

    assert catalogue(look) == ("anthropic/claude-future-9", "claude-sonnet-5-5", "not_found")


def test_old_news_is_served_while_new_is_fetched(
    catalogue: Callable[..., Any], api: MessagesAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_catalog, "FRESH_S", 0.0)

    async def look(c: model_catalog.ModelCatalogue) -> tuple[int, int]:
        api.models = [claude("claude-new", "New", "sonnet", "2027-01-01")]
        monkeypatch.setattr(model_catalog._Listing, "due", lambda self, limit: True)
        before = len(await c.list())
        await until(lambda: len(c.offered()) == 1)
        return before, len(c.offered())

    assert catalogue(look) == (4, 1)


def test_the_list_is_asked_for_once_an_hour(catalogue: Callable[..., Any], api: MessagesAPI) -> None:
    async def look(c: model_catalog.ModelCatalogue) -> None:
        for _ in range(5):
            await c.list()
            await c.choose("opus")
            await c.refresh()

    catalogue(look)
    assert sum(logged.path == "/v1/models" for logged in api.requests) == 1


def test_configured_models_replace_the_list_and_bring_their_limits(env: Env, api: MessagesAPI) -> None:
    write(env, local(api.url, '["qwen3-coder", {id: "gemma", name: "Gemma 3", contextWindow: 8192, maxTokens: 2048}]'))
    catalogue = Providers(Source(env)).models
    assert [(m.spec, m.name, m.context_window, m.max_output) for m in catalogue.offered()] == [
        ("ollama/qwen3-coder", "qwen3-coder", 32_768, 8_192),
        ("ollama/gemma", "Gemma 3", 8192, 2048),
    ]
    assert catalogue.default().spec == "ollama/qwen3-coder"


def test_a_server_without_a_list_still_takes_a_named_model(env: Env, api: MessagesAPI) -> None:
    api.models = None
    write(env, local(api.url))

    async def go() -> str:
        providers = Providers(Source(env))
        await providers.warm()
        spec = (await providers.models.choose("ollama/llama4")).spec
        await providers.aclose()
        return spec

    assert run(go(), 15) == "ollama/llama4"


# -- cost -----------------------------------------------------------------------------------------------------------
MILLION = Usage(input=1_000_000, output=1_000_000, cache_read=1_000_000, cache_write=1_000_000)
SMALL = Usage(input=1000, output=1000)


@pytest.mark.parametrize(
    ("model", "usage", "total"),
    [
        ("claude-sonnet-5-5", MILLION, 2 + 10 + 0.10 + 2.50),
        ("claude-opus-5-5", MILLION, 4 + 20 + 0.20 + 5),
        ("claude-haiku-4-5-20251001", SMALL, 0.006),
        ("claude-haiku-5-5", SMALL, 0.0006),
        ("claude-haiku-5-5", Usage(input=99_000, cache_read=2_000), (99 * 0.50 + 2 * 0.05) / 1000),
    ],
)
def test_a_reply_costs_what_the_price_list_says(env: Env, model: str, usage: Usage, total: float) -> None:
    cost = Providers(Source(env)).models.cost("anthropic", model, usage)
    assert set(cost) == {"input", "output", "cacheRead", "cacheWrite", "total"}
    assert cost["total"] == pytest.approx(total)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("anthropic", "claude-unheard-of"),
        ("ollama", "claude-sonnet-5-5"),
        ("demo", "demo"),
        ("anthropic", "claude-mythos-5-2"),
    ],
)
def test_an_unknown_price_counts_as_nothing(env: Env, provider: str, model: str) -> None:
    catalogue = Providers(Source(env)).models
    assert catalogue.cost(provider, model, MILLION)["total"] == 0


def test_a_price_can_be_configured(env: Env, api: MessagesAPI) -> None:
    write(env, local(api.url, '[{id: "hosted", cost: {input: 1, output: 2, cacheRead: 0, cacheWrite: 0}}]'))
    assert Providers(Source(env)).models.cost("ollama", "hosted", MILLION)["total"] == 3


@pytest.mark.parametrize(
    "spelling",
    [
        "claude-opus-4-5",
        "claude-opus-4-5-20251101",
        "anthropic/claude-opus-4.5",
        "claude-opus-4-5@20251101",
        "anthropic.claude-opus-4-5-20251101-v1:0",
        "Claude-Opus-4-5-latest",
        "claude-opus-4-5[1m]",
    ],
)
def test_a_model_is_known_by_every_spelling_of_its_id(spelling: str) -> None:
    row = lookup(spelling)
    assert row is not None and row.id == "claude-opus-4-5"


def test_the_table_knows_every_model_the_sdk_names() -> None:
    from typing import get_args

    from anthropic.types import model

    literal = next(part for part in get_args(model.Model) if get_args(part))
    missing = {name for name in get_args(literal) if lookup(name) is None}
    assert missing <= {"claude-mythos-preview", "claude-sonnet-4-5", "claude-sonnet-4-5-20250929"}, "retired in 2026"
    assert len({row.id for row in KNOWN}) == len(KNOWN)


def sdk_retirements() -> dict[str, str]:
    """The SDK's list of deprecated models: id → the day (ISO) of its end."""
    from anthropic.resources.messages.messages import DEPRECATED_MODELS

    days = {name: re.sub(r"(\d)(st|nd|rd|th)", r"\1", day) for name, day in DEPRECATED_MODELS.items()}
    return {name: datetime.strptime(day, "%B %d, %Y").date().isoformat() for name, day in days.items()}  # noqa: DTZ007


def test_the_table_follows_the_sdks_list_of_deprecated_models() -> None:
    known = sdk_retirements()
    assert {row.id: row.retires for row in KNOWN if row.retires} == {
        row.id: known[row.id] for row in KNOWN if row.id in known
    }
    offered = {model.id: model.deprecated for model in model_catalog._builtin()}
    assert all(offered[name] for name in known if name in offered)
    assert "claude-sonnet-4-5" not in offered


def test_no_text_of_ours_names_a_model_that_is_gone() -> None:
    gone = [name for name, day in sdk_retirements().items() if day <= "2026-11-30"]
    root = Path(config.__file__).parents[2]
    texts = [*root.glob("clawdbot_ext/**/*.py"), *root.glob("clawdbot_ext/locale/*.json"), *root.glob("docs/**/*.md")]
    named = [path.name for path in texts if any(name in path.read_text("utf-8") for name in gone)]
    assert named == []


def test_the_id_of_a_routers_model_may_begin_with_the_name_of_another_provider(keyed: Env, api: MessagesAPI) -> None:
    write(keyed, local(api.url, '[{id: "anthropic/some-finetune"}, {id: "meta/llama-4/scout"}]'))
    models = Providers(Source(keyed)).models
    for spec in ("anthropic/some-finetune", "ollama/anthropic/some-finetune"):
        found = models.find(spec)
        assert found is not None and found.spec == "ollama/anthropic/some-finetune"
    for spec in ("meta/llama-4/scout", "ollama/meta/llama-4/scout"):
        found = models.find(spec)
        assert found is not None and found.spec == "ollama/meta/llama-4/scout"


def test_little_requests_go_to_the_small_model_of_the_same_provider(catalogue: Callable[..., Any]) -> None:
    small = catalogue(lambda models: models.small("anthropic", "claude-opus-5-5"))
    assert small.id == "claude-haiku-4-5-20251001"
    assert catalogue(lambda models: models.small("elsewhere", "qwen")).id == "qwen"
