"""The provider's requests, its reading of answers, and its work with servers that are not Anthropic's."""

from __future__ import annotations

from typing import Any

import pytest

from clawdbot_ext.agent.known_models import LOCAL_THINKING, thinking_of
from clawdbot_ext.agent.providers.anthropic import AnthropicProvider, thinking_params
from clawdbot_ext.agent.providers.base import Completed, ModelInfo, ProviderError, Usage
from clawdbot_ext.agent.providers.stream_accumulator import Assembly
from tests.support.aio import run
from tests.support.messages_api import MessagesAPI, claude
from tests.support.turns import ask, request, take


def test_a_reply_streams_and_is_whole(api: MessagesAPI) -> None:
    turn = run(ask(api, "[[tokens=30]]"))
    assert turn.outcome.state == "done" and turn.outcome.stop_reason == "stop" == turn.reply.stop_reason
    assert turn.shown == turn.reply.text == "".join(f"t{i} " for i in range(30))
    assert turn.reply.content == [{"type": "text", "text": turn.shown}]
    assert turn.reply.usage.output == 30 and turn.reply.usage.input > 0
    assert (turn.reply.provider, turn.reply.model, turn.reply.attempts) == ("anthropic", "claude-sonnet-5-5", 1)


def test_thinking_comes_apart_from_the_answer_and_keeps_its_signature(api: MessagesAPI) -> None:
    turn = run(ask(api, "[[thinking=3]][[tokens=2]]", thinking="high"))
    assert (turn.thought, turn.shown) == ("h0 h1 h2 ", "t0 t1 ")
    assert turn.reply.content[0] == {"type": "thinking", "thinking": "h0 h1 h2 ", "signature": "sig"}


def test_the_request_carries_system_limit_and_one_cache_mark(api: MessagesAPI) -> None:
    run(ask(api, "hello", system="Be brief.", max_tokens=77, model="claude-sonnet-4-6"))
    body = dict(api.bodies[0])
    assert body.pop("messages") == [{"role": "user", "content": [{"type": "text", "text": "hello"}]}]
    assert body == {
        "model": "claude-sonnet-4-6",
        "max_tokens": 77,
        "stream": True,
        "system": "Be brief.",
        "cache_control": {"type": "ephemeral"},
    }


@pytest.mark.parametrize(
    ("said", "wire", "noticed"),
    [
        ("end_turn", "stop", False),
        ("stop_sequence", "stop", False),
        ("max_tokens", "length", True),
        ("model_context_window_exceeded", "length", True),
        ("pause_turn", "pause", False),
        ("tool_use", "toolUse", False),
        ("refusal", "refusal", True),
        ("something_new", "stop", False),
    ],
)
def test_stop_reasons_become_the_wires(api: MessagesAPI, said: str, wire: str, noticed: bool) -> None:
    turn = run(ask(api, f"[[tokens=1]][[stop_reason={said}]]"))
    assert turn.outcome.state == "done" and turn.outcome.stop_reason == wire
    assert bool(turn.outcome.message) is noticed


def test_an_empty_reply_is_done_and_said_to_be_empty(api: MessagesAPI) -> None:
    turn = run(ask(api, "[[text=]]"))
    assert turn.outcome.state == "done" and turn.outcome.message == "The model returned an empty reply."


def test_a_connection_is_used_again(api: MessagesAPI) -> None:
    async def go() -> None:
        provider = AnthropicProvider("anthropic", "k", api.url)
        for _ in range(3):
            assert (await take(provider, "[[tokens=5]]")).outcome.state == "done"
        await provider.aclose()

    run(go())
    assert len({logged.peer for logged in api.requests}) == 1


def test_the_key_is_given_in_both_ways_that_servers_look_for(api: MessagesAPI) -> None:
    run(ask(api, "hello", key="sk-mine"))
    headers = api.requests[0].headers
    assert headers["authorization"] == "Bearer sk-mine" and headers["x-api-key"] == "sk-mine"


def test_without_a_key_none_is_sent_whatever_the_environment_holds(
    api: MessagesAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-not-for-you")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "token-not-for-you")
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Corporate-Secret: not-for-you")
    assert run(ask(api, "hello", key="")).outcome.state == "done"
    assert "not-for-you" not in str(api.requests[0].headers) and "authorization" not in api.requests[0].headers


def test_a_proxy_of_the_environment_is_not_asked_for_a_server_on_this_machine(
    api: MessagesAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert run(ask(api, "hello")).outcome.state == "done"


@pytest.mark.parametrize("suffix", ["/v1", "/v1/", "/"])
def test_an_address_copied_with_its_v1_works(api: MessagesAPI, suffix: str) -> None:
    async def go() -> str:
        provider = AnthropicProvider("lmstudio", "", api.url + suffix)
        turn = await take(provider, "hello", model="qwen3")
        await provider.aclose()
        return turn.shown

    assert run(go()) == "You said: hello"
    assert "cache_control" not in api.bodies[0], "other makers' models get no field of Claude's"


def test_closing_waits_for_the_reply_that_is_being_written(api: MessagesAPI) -> None:
    async def go() -> str:
        provider = AnthropicProvider("anthropic", "k", api.url)
        text = ""
        async for event in provider.stream(request("[[tokens=20]][[delay_ms=2]]")):
            if not text:
                await provider.aclose()
            text += getattr(event, "text", "")
        with pytest.raises(ProviderError):
            await anext(provider.stream(request("hello")))
        return text

    assert run(go()).endswith("t19 ")


# -- models.list ----------------------------------------------------------------------------------------------------
async def _models(api: MessagesAPI, name: str = "anthropic") -> list[ModelInfo]:
    provider = AnthropicProvider(name, "", api.url)
    try:
        return list(await provider.list_models())
    finally:
        await provider.aclose()


def test_models_come_with_their_limits_newest_first(api: MessagesAPI) -> None:
    models = run(_models(api))
    assert [m.id for m in models] == [
        "claude-sonnet-5-5",
        "claude-opus-5-5",
        "claude-sonnet-5",
        "claude-haiku-4-5-20251001",
    ]
    newest, oldest = models[0], models[-1]
    assert (newest.name, newest.line, newest.context_window, newest.max_output) == (
        "Claude Sonnet 5.5",
        "sonnet",
        1_000_000,
        128_000,
    )
    assert (oldest.context_window, oldest.max_output) == (200_000, 64_000)
    assert newest.spec == "anthropic/claude-sonnet-5-5" and newest.created_at_ms == 1_790_553_600_000


def test_every_page_of_the_list_is_read(api: MessagesAPI) -> None:
    api.page_size = 1
    assert len(run(_models(api))) == 4


def test_retired_models_are_left_out_and_deprecated_ones_marked(api: MessagesAPI) -> None:
    api.models = [
        claude("claude-a", "A", "sonnet", "2026-01-01", lifecycle="retired"),
        claude("claude-b", "B", "sonnet", "2026-01-02", lifecycle="deprecated"),
    ]
    assert [(m.id, m.deprecated) for m in run(_models(api))] == [("claude-b", True)]


@pytest.mark.parametrize(
    ("row", "window", "output"),
    [
        ({"id": "qwen3-coder", "object": "model", "created": 1, "owned_by": "library"}, 32_768, 8_192),
        ({"id": "Qwen/Qwen3-8B", "object": "model", "max_model_len": 40_960}, 40_960, 8_192),
        ({"id": "gemma", "meta": {"n_ctx_train": 131_072, "n_ctx": 4096}}, 4096, 4096),
        ({"id": "x/y", "context_length": 500_000, "top_provider": {"max_completion_tokens": 99_000}}, 500_000, 99_000),
        ({"id": "gpt", "max_input_tokens": 400_000, "max_output_tokens": 50_000}, 400_000, 50_000),
        ({"id": "anthropic/claude-opus-5.5"}, 1_000_000, 128_000),
        ({"id": "claude-something-new", "max_input_tokens": None, "max_tokens": None}, 200_000, 64_000),
    ],
)
def test_limits_are_found_in_what_servers_give_or_assumed(
    api: MessagesAPI, row: dict[str, Any], window: int, output: int
) -> None:
    api.models = [row]
    (model,) = run(_models(api, "local"))
    assert (model.context_window, model.max_output) == (window, output)


def test_what_is_no_chat_model_is_left_out(api: MessagesAPI) -> None:
    api.models = [{"id": "text-embedding-nomic"}, {"object": "model"}, {"id": "llama"}]
    assert [m.id for m in run(_models(api, "local"))] == ["llama"]


def test_a_server_without_a_list_says_so(api: MessagesAPI) -> None:
    api.models = None
    with pytest.raises(ProviderError) as caught:
        run(_models(api))
    assert caught.value.kind == "not_found"


# -- thinking -------------------------------------------------------------------------------------------------------
SUMMARIZED = {"type": "adaptive", "display": "summarized"}


@pytest.mark.parametrize(
    ("model", "level", "expected"),
    [
        ("claude-sonnet-5-5", "off", {"thinking": {"type": "between_tools"}}),
        ("claude-haiku-5-5", "off", {"thinking": {"type": "disabled"}}),
        (
            "claude-opus-5-5",
            "off",
            {"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "low"}},
        ),
        ("claude-opus-4-8", "off", {}),
        ("claude-sonnet-5-5", "high", {"thinking": SUMMARIZED, "output_config": {"effort": "high"}}),
        ("claude-sonnet-4-6", "minimal", {"thinking": SUMMARIZED, "output_config": {"effort": "low"}}),
        ("anthropic/claude-opus-5.5", "medium", {"thinking": SUMMARIZED, "output_config": {"effort": "medium"}}),
        ("claude-haiku-4-5-20251001", "medium", {"thinking": {"type": "enabled", "budget_tokens": 8192}}),
        ("qwen3-coder", "off", {}),
        ("qwen3-coder", "low", {"thinking": {"type": "enabled", "budget_tokens": 2048}}),
    ],
)
def test_thinking_levels_take_the_form_the_model_accepts(model: str, level: Any, expected: dict[str, Any]) -> None:
    assert thinking_params(thinking_of(model), level, 32_000) == expected


def test_a_reply_too_short_to_think_in_has_no_budget() -> None:
    assert thinking_params(LOCAL_THINKING, "high", 2000) == {}
    assert thinking_params(LOCAL_THINKING, "high", 3000) == {"thinking": {"type": "enabled", "budget_tokens": 1500}}


def test_what_the_list_says_of_thinking_counts_more_than_the_table(api: MessagesAPI) -> None:
    types = {"adaptive": {"supported": True}, "enabled": {"supported": False}, "disabled": {"supported": True}}
    api.models = [
        claude(
            "claude-opus-5-5",
            "Opus",
            "opus",
            "2026-09-21",
            capabilities={"thinking": {"supported": True, "types": types}},
        )
    ]

    async def go() -> None:
        provider = AnthropicProvider("anthropic", "k", api.url)
        await provider.list_models()
        await take(provider, "hello", model="claude-opus-5-5", thinking="off")
        await provider.aclose()

    run(go())
    assert api.bodies[0]["thinking"] == {"type": "disabled"}


# -- events ---------------------------------------------------------------------------------------------------------
def test_events_and_blocks_of_unknown_kinds_are_passed_over() -> None:
    assembly = Assembly()
    shown = [
        assembly.add(event)
        for event in (
            {"type": "message_start", "message": {"usage": {"input_tokens": 5, "output_tokens": 1}}},
            {"type": "new_in_2027", "delta": 3},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "hologram", "beam": 1}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "beam_delta", "beam": 2}},
            {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "no start came"}},
            {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": None}},
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn"},
                "usage": {"output_tokens": 9, "cache_read_input_tokens": 4, "input_tokens": None},
            },
            {},
        )
    ]
    assert [event.text for event in shown if event is not None] == ["no start came"]
    assert assembly.completed() == Completed(
        "end_turn",
        [{"type": "hologram", "beam": 1}, {"type": "text", "text": "no start came"}],
        Usage(input=5, output=9, cache_read=4),
    )


def test_a_block_that_starts_with_text_loses_none_of_it() -> None:
    assembly = Assembly()
    first = assembly.add({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "Hel"}})
    second = assembly.add({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "lo"}})
    assert first is not None and second is not None and first.text + second.text == "Hello"
    assert assembly.completed().content == [{"type": "text", "text": "Hello"}]
