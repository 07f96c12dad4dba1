"""Every way in which a provider can fail, over real HTTP: what is retried, what the person is told, what is kept."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from typing import Any

import pytest

from clawdbot_ext.agent.providers.anthropic import AnthropicProvider
from clawdbot_ext.agent.providers.base import ProviderError, Reply
from clawdbot_ext.agent.turn import Outcome, RetryPolicy, run_turn
from tests.support.aio import run, until
from tests.support.messages_api import MessagesAPI
from tests.support.strict_api import StrictAPI
from tests.support.turns import Turn, ask, request, take


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid"),
        (401, "auth"),
        (402, "billing"),
        (403, "auth"),
        (404, "not_found"),
        (413, "too_large"),
    ],
)
def test_an_error_that_another_try_cannot_cure_is_reported_at_once(api: MessagesAPI, status: int, kind: str) -> None:
    turn = run(ask(api, f"[[error={status}]]"))
    assert turn.outcome.state == "failed" and turn.outcome.stop_reason == "error"
    assert turn.outcome.error is not None
    assert (turn.kind, turn.outcome.error["status"], turn.outcome.error["requestId"]) == (kind, status, "req_test_1")
    assert len(api.bodies) == 1 and not turn.retries


@pytest.mark.parametrize(("status", "kind"), [(429, "rate_limit"), (500, "server"), (529, "overloaded")])
def test_trouble_at_the_provider_is_retried_visibly_and_then_reported(api: MessagesAPI, status: int, kind: str) -> None:
    turn = run(ask(api, f"[[error={status}]]"))
    assert turn.outcome.state == "failed" and turn.kind == kind
    assert len(api.bodies) == 4
    assert [(r.attempt, r.max_attempts, r.reason) for r in turn.retries] == [(n, 4, kind) for n in (2, 3, 4)]
    assert [r.wait_ms for r in turn.retries] == [500, 1000, 2000], "half of 1, 2, 4 s: the jitter was drawn as 0.5"


def test_an_error_that_passes_is_followed_by_the_answer(api: MessagesAPI) -> None:
    turn = run(ask(api, "[[error=529]][[times=2]] hello"))
    assert turn.outcome.state == "done" and turn.shown == "You said: hello"
    assert turn.reply.attempts == 3 == len(api.bodies)


def test_the_wait_a_provider_asks_for_is_kept(api: MessagesAPI) -> None:
    turn = run(ask(api, "[[error_once=429]][[retry_after=7]]"))
    assert turn.outcome.state == "done"
    assert [r.wait_ms for r in turn.retries] == [7500] and turn.clock.slept == [7.5]


def test_milliseconds_are_the_finer_wish(api: MessagesAPI) -> None:
    turn = run(ask(api, "[[error_once=529]][[retry_after=9]][[retry_after_ms=1500]]", random=0.0))
    assert turn.clock.slept == [1.5]


def test_a_provider_that_asks_for_too_much_patience_is_reported_with_the_time_to_come_back(api: MessagesAPI) -> None:
    turn = run(ask(api, "[[error=429]][[retry_after=300]]"))
    assert turn.outcome.state == "failed" and len(api.bodies) == 1
    assert turn.outcome.error is not None
    assert turn.outcome.error["retryAfterMs"] == 300_000 and "5 min" in turn.outcome.error["hint"]


def test_no_try_begins_after_the_time_for_retries_is_over(api: MessagesAPI) -> None:
    turn = run(ask(api, "[[error=429]][[retry_after=50]]"))
    assert len(api.bodies) == 3, "at 0, 50 and 100 s; the next would be at 150"
    assert turn.clock.now <= RetryPolicy().budget_s


@pytest.mark.parametrize(
    "text",
    [
        "[[error=429]][[code=enforced_spend_limit_reached]]",
        "[[error=400]][[message=Your credit balance is too low to access the API]]",
    ],
)
def test_an_account_without_means_is_told_so_and_not_retried(api: MessagesAPI, text: str) -> None:
    turn = run(ask(api, text))
    assert turn.kind == "billing" and len(api.bodies) == 1


def test_a_conversation_that_is_too_long_is_named_as_that(api: MessagesAPI) -> None:
    turn = run(ask(api, "[[error=400]][[message=prompt is too long: 1000042 tokens > 1000000 maximum]]"))
    assert turn.kind == "too_large"


def test_the_type_in_the_body_counts_more_than_the_status(api: MessagesAPI) -> None:
    assert run(ask(api, "[[error=400]][[type=overloaded_error]][[times=1]]")).outcome.state == "done"


def test_a_key_never_shows_even_if_the_server_echoes_it(api: MessagesAPI) -> None:
    echo = "invalid key my-secret-0042, header Authorization: Bearer abc.def sk-ant-zzz-999"
    turn = run(ask(api, f"[[error=401]][[message={echo}]]", key="my-secret-0042"))
    said = f"{turn.outcome.message} {turn.outcome.error}"
    assert "my-secret-0042" not in said and "abc.def" not in said and "sk-ant-zzz-999" not in said


def test_a_person_is_told_in_their_language_what_to_do(api: MessagesAPI) -> None:
    turn = run(ask(api, "[[error=401]]", locale="ko-KR"))
    assert "API 키" in turn.outcome.message
    assert turn.outcome.error is not None and "설정 화면" in turn.outcome.error["hint"]


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ("fin", "cut"),
        ("rst", "cut"),
        ("clean", "cut"),
        ("close", "cut"),
        ("error_event", "overloaded"),
        ("bad_json", "protocol"),
        ("bad_utf8", "protocol"),
    ],
)
@pytest.mark.parametrize("thinking", [0, 1])
def test_a_reply_that_is_cut_is_interrupted_with_its_text_kept(
    api: MessagesAPI, shape: str, kind: str, thinking: int
) -> None:
    turn = run(ask(api, f"[[cut={shape}]][[after={3 + thinking}]][[thinking={thinking}]]"))
    assert turn.outcome.state == "interrupted" == turn.outcome.stop_reason == turn.reply.stop_reason
    assert turn.reply.text == turn.shown == "t0 t1 t2 " and turn.reply.thinking == "h0 " * thinking
    assert turn.kind == kind and turn.outcome.message and turn.outcome.error is not None and turn.outcome.error["hint"]
    assert len(api.bodies) == 1, "never again once something was shown"


def test_thinking_that_was_shown_counts_as_output(api: MessagesAPI) -> None:
    turn = run(ask(api, "[[thinking=5]][[cut=rst]][[after=2]]"))
    assert turn.outcome.state == "interrupted" and turn.reply.thinking == "h0 h1 " and len(api.bodies) == 1


@pytest.mark.slow
def test_a_stall_interrupts_the_reply_and_says_so(api: MessagesAPI) -> None:
    turn = run(ask(api, "[[cut=stall]][[after=2]]", stall_s=0.3))
    assert turn.outcome.state == "interrupted" and turn.kind == "timeout" and turn.reply.text == "t0 t1 "
    assert "stopped responding" in turn.outcome.message


@pytest.mark.parametrize("shape", ["refuse", "fin", "rst", "clean", "close", "error_event"])
def test_a_cut_before_any_output_is_retried(api: MessagesAPI, shape: str) -> None:
    turn = run(ask(api, f"[[cut={shape}]][[after=0]][[times=2]][[text=here at last]]"))
    assert turn.outcome.state == "done" and turn.reply.text == "here at last" and len(api.bodies) == 3


@pytest.mark.parametrize("shape", ["refuse", "clean", "rst"])
def test_a_cut_before_any_output_that_stays_is_a_failure(api: MessagesAPI, shape: str) -> None:
    turn = run(ask(api, f"[[cut={shape}]][[after=0]]"))
    assert turn.outcome.state == "failed" and turn.reply.text == "" and len(api.bodies) == 4


def test_silence_before_any_output_is_retried(api: MessagesAPI) -> None:
    turn = run(ask(api, "[[cut=stall]][[after=0]][[times=1]][[text=late]]", stall_s=0.2))
    assert turn.outcome.state == "done" and [r.reason for r in turn.retries] == ["timeout"]


def test_the_first_output_has_a_time_limit_of_its_own(api: MessagesAPI) -> None:
    turn = run(ask(api, "[[first_ms=2000]]", policy=RetryPolicy(first_token_s=0.1, max_attempts=2)))
    assert turn.outcome.state == "failed" and turn.kind == "timeout" and len(api.bodies) == 2


def test_a_message_as_json_in_answer_to_a_stream_is_taken(api: MessagesAPI) -> None:
    turn = run(ask(api, "[[cut=json]]"))
    assert (turn.outcome.state, turn.outcome.stop_reason, turn.shown, turn.reply.text) == (
        "done",
        "stop",
        "whole",
        "whole",
    )


def test_an_answer_that_is_no_event_stream_points_to_the_address(api: MessagesAPI) -> None:
    turn = run(ask(api, "[[cut=html]]"))
    assert turn.outcome.state == "failed" and turn.kind == "protocol" and len(api.bodies) == 1
    assert turn.outcome.error is not None and "baseUrl" in turn.outcome.error["hint"]


def test_a_server_that_is_not_there_is_reported_after_the_retries() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        provider = AnthropicProvider("ollama", "", f"http://127.0.0.1:{free.getsockname()[1]}")

        async def go() -> Turn:
            return await take(provider, "hello")

        turn = run(go())
    assert turn.outcome.state == "failed" and turn.kind == "connect" and turn.reply.attempts == 4
    assert "connection refused" in turn.outcome.message and "models.providers.ollama.baseUrl" in str(turn.outcome.error)


def test_an_address_that_is_none_is_refused_when_the_provider_is_made() -> None:
    with pytest.raises(ProviderError) as caught:
        AnthropicProvider("broken", "", "http://127.0.0.1:port")
    assert caught.value.kind == "invalid"


@pytest.mark.parametrize("address", ["no-scheme.example", "ftp://127.0.0.1/"])
def test_an_address_of_another_kind_fails_without_retries(address: str) -> None:
    async def go() -> Turn:
        return await take(AnthropicProvider("broken", "", address), "hello")

    turn = run(go())
    assert turn.outcome.state == "failed" and turn.kind == "invalid" and turn.reply.attempts == 1


def test_cancelling_in_mid_reply_keeps_the_text_and_closes_the_stream(api: MessagesAPI) -> None:
    reply, begun = Reply(), asyncio.Event

    async def go() -> None:
        shown = begun()
        provider = AnthropicProvider("anthropic", "k", api.url)
        task = asyncio.create_task(
            run_turn(provider, request("[[tokens=1000]][[delay_ms=5]]"), reply, lambda _: shown.set())
        )
        await shown.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: api.open_streams == 0)
        await provider.aclose()

    run(go())
    assert reply.text.startswith("t0 ") and len(reply.text) < 1000


def test_cancelling_ends_the_wait_before_a_retry(api: MessagesAPI) -> None:
    async def go() -> None:
        waiting = asyncio.Event()
        provider = AnthropicProvider("anthropic", "k", api.url)
        task = asyncio.create_task(
            run_turn(provider, request("[[error=429]][[retry_after=50]]"), Reply(), lambda _: waiting.set())
        )
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await provider.aclose()

    run(go())
    assert len(api.bodies) == 1


def test_cancelling_before_the_first_output_ends_the_request(api: MessagesAPI) -> None:
    async def go() -> None:
        provider = AnthropicProvider("anthropic", "k", api.url)
        task = asyncio.create_task(run_turn(provider, request("[[cut=stall]][[after=0]]"), Reply(), lambda _: None))
        await until(lambda: api.open_streams == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: api.open_streams == 0)
        await provider.aclose()

    run(go())


# -- over the strict API ----------------------------------------------------------------------------------------------
def strictly(text: str, *, content: list[dict[str, Any]] | None = None, **fields: Any) -> tuple[Turn, StrictAPI]:
    """A turn over the strict API, in which waiting takes no time."""

    async def main(api: StrictAPI) -> Turn:
        provider = AnthropicProvider("anthropic", "k", api.url, stall_s=3.0)
        asked = request(text, **fields)
        if content:
            asked = replace(asked, messages=[{"role": "user", "content": content}])
        turn = Turn(Outcome("failed", "error"), Reply())
        turn.outcome = await run_turn(
            provider, asked, turn.reply, turn.events.append, sleep=turn.clock.sleep, clock=turn.clock
        )
        await provider.aclose()
        return turn

    with StrictAPI() as api:
        return run(main(api)), api


def test_a_broken_event_before_any_output_is_tried_again() -> None:
    turn, api = strictly("[[bad=malformed]][[times=1]] hello")
    assert (turn.outcome.state, len(api.seen), len(turn.retries)) == ("done", 2, 1)


def test_a_broken_event_every_time_is_named() -> None:
    turn, api = strictly("[[bad=malformed]] hello")
    assert (turn.outcome.state, turn.kind, len(api.seen)) == ("failed", "protocol", 4)


PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="


def test_images_for_a_server_without_vision_end_at_once_and_it_is_said() -> None:
    source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    turn, api = strictly("", content=[{"type": "image", "source": source}], model="claude-blind")
    assert (turn.outcome.state, turn.kind, len(api.seen)) == ("failed", "no_vision", 1)
    assert "takes no images" in turn.outcome.message and turn.outcome.error and "/model" in turn.outcome.error["hint"]


def test_why_a_model_declined_is_said() -> None:
    turn, _ = strictly("[[stop=refusal]] hello")
    assert turn.outcome.stop_reason == "refusal" and "This may enable cyber harm." in turn.outcome.message


def test_a_server_of_ones_own_may_be_silent_for_as_long_as_a_reply_may_take() -> None:
    async def main() -> tuple[float | None, ...]:
        own, ours = AnthropicProvider("ollama", "", "http://127.0.0.1:9"), AnthropicProvider("anthropic", "k")
        asked = request("hello", patience_s=500.0)
        limits = own._timeout(asked).read, own._timeout(request("hello")).read, ours._timeout(asked).read
        await own.aclose()
        await ours.aclose()
        return limits

    assert run(main()) == (500.0, 120.0, 60.0)


@pytest.mark.parametrize("case", ["unknown", "redacted", "emptythink", "search", "splitjson", "nousage", "json"])
def test_whatever_the_api_answers_is_understood(case: str) -> None:
    turn, api = strictly(f"[[bad={case}]][[text=hello]]")
    assert (turn.outcome.state, turn.reply.text, api.refusals) == ("done", "hello", [])
