"""Going on with a reply that was cut: both ways of asking, and a seam that does not show."""

from __future__ import annotations

import pytest

from clawdbot_ext.agent.context.continuation import Continuing, Joint
from tests.support.turns import AnthropicProvider, take
from tests.support.wire import run


def joined(kept: str, space: str, answer: str, size: int = 3) -> str:
    """The output when the model's answer arrives in pieces."""
    joint = Joint(kept, space)
    pieces = [joint.append(answer[at : at + size]) for at in range(0, len(answer), size)]
    return "".join([kept, *pieces, joint.end()])


@pytest.mark.parametrize("size", [1, 4, 1000])
@pytest.mark.parametrize(
    ("kept", "space", "answer", "whole"),
    [
        ("The quick brown fox", "", "brown fox jumps over", "The quick brown fox jumps over"),
        ("The quick brown fox", " ", "The quick brown fox jumps", "The quick brown fox jumps"),
        ("an eleph", "", "an elephant", "an elephant"),
        ("def f(x):\n    return x", "", "    return x + 1\n", "def f(x):\n    return x + 1\n"),
        ("a first line of it", "\n\n", "first line of it\n\nand a second", "a first line of it\n\nand a second"),
        ("데이터를 그려 보겠습", "", "그려 보겠습니다.", "데이터를 그려 보겠습니다."),
        ("The end of it all is", "", "here, without repeating", "The end of it all is here, without repeating"),
        ("The end of it all is", " ", "here", "The end of it all is here"),
        ("이렇게 하면 됩", "", "니다.", "이렇게 하면 됩니다."),
        ("one two three four", "", ", five", "one two three four, five"),
        ("a list:\n- one", "\n", "- two", "a list:\n- one\n- two"),
        ("nothing follows this", "", "nothing follows this", "nothing follows this"),
        ("nothing follows this", "", "", "nothing follows this"),
    ],
)
def test_the_seam_is_not_seen(kept, space, answer, whole, size):
    assert joined(kept, space, answer, size) == whole


@pytest.mark.parametrize(
    ("model", "prefill", "fields", "answer"),
    [
        ("claude-haiku-4-5-20251001", True, {}, " jumps over"),
        ("claude-haiku-4-5-20251001", False, {"thinking": "low", "max_tokens": 4000}, "brown fox jumps over"),
        ("claude-sonnet-5-5", False, {}, "brown fox jumps over"),
    ],
)
def test_a_model_that_takes_the_beginning_of_its_reply_gets_it_and_any_other_is_asked(
    messages_api, model, prefill, fields, answer
):
    async def main():
        provider = AnthropicProvider("anthropic", "key", messages_api.url)
        going_on = Continuing(provider, "The quick brown fox", "")
        turn = await take(going_on, f"[[continue={answer}]]", model=model, **fields)
        await provider.aclose()
        return turn

    turn = run(main())
    assert (turn.outcome.state, turn.shown) == ("done", " jumps over"), turn.outcome
    sent = messages_api.bodies[-1]["messages"]
    roles = [message["role"] for message in sent]
    assert roles == (["user", "assistant"] if prefill else ["user", "assistant", "user"])
    assert sent[1]["content"][0]["text"] == "The quick brown fox"
    assert sent[0]["content"][0]["text"] == f"[[continue={answer}]]", "what was sent before is the beginning: cached"
