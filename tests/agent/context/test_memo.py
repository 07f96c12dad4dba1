"""A request made with the memo of the one before is the one that is made without."""

from __future__ import annotations

from datetime import timezone
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from clawdbot_ext.agent.context.attachments import AttachmentContent, placeholder
from clawdbot_ext.agent.context.builder import Fitted, PromptMemo, build
from clawdbot_ext.agent.context.pieces import PieceMemo, pieces_of

CALL_IDS = ("call-1", "call-2", "call-3")  # so few that they come again, as from some local servers
MEDIA = {id_: placeholder(f"the file {id_}") for id_ in ("m1", "m2")}


def text(*texts: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": each} for each in texts]


def calls(*ids: str) -> list[dict[str, Any]]:
    return [{"type": "toolCall", "id": id_, "name": "look", "arguments": {}} for id_ in ids]


SAID = st.sampled_from(["", "a word", "a longer sentence " * 30])
USER = st.builds(
    lambda said, media, at: {
        "role": "user",
        "timestamp": at * 20 * 60_000,
        "content": [*text(said), *({"type": "image", "mediaId": id_, "name": id_} for id_ in media)],
    },
    SAID,
    st.lists(st.sampled_from([*MEDIA, "gone"]), max_size=1),
    st.integers(0, 9),
)
REPLY = st.builds(
    lambda said, asked, own, thinks, **fields: {
        "role": "assistant",
        "content": [
            *([{"type": "thinking", "thinking": "hm", "thinkingSignature": "sig"}] if thinks else ()),
            *text(said),
            *calls(*asked),
            *({"type": "serverBlock", "block": {"type": kind, field: "own-1"}} for kind, field in own),
        ],
        **fields,
    },
    SAID,
    st.lists(st.sampled_from(CALL_IDS), max_size=2, unique=True),
    st.lists(st.sampled_from([("server_tool_use", "id"), ("web_search_tool_result", "tool_use_id")]), max_size=1),
    st.booleans(),
    stopReason=st.sampled_from(["stop", "stop", "toolUse", "aborted", "refusal"]),
    provider=st.sampled_from(["anthropic", "other"]),
    demo=st.sampled_from([False, False, False, True]),
    usage=st.sampled_from([None, {"input": 900}]),
    runId=st.sampled_from(["r1", "r2"]),
)
RESULT = st.builds(
    lambda id_, said: {"role": "toolResult", "toolCallId": id_, "content": text(said * 3)},
    st.sampled_from(CALL_IDS),
    SAID,
)


def made(stored: list[dict[str, Any]], memo: PromptMemo | None = None, **how: Any) -> Fitted:
    how = {"window": 20_000, "max_output": 1000, "model": "m", "provider": "anthropic", "shown": MEDIA, **how}
    return build(stored, zone=timezone.utc, memo=memo, **how)


@given(
    st.lists(st.lists(st.one_of(USER, REPLY, RESULT), min_size=1, max_size=4), max_size=8),
    st.sampled_from([400, 1500, 20_000]),
    st.lists(st.sampled_from(["", "", "", "other provider", "no files", "branch", "tighter", "system"]), max_size=8),
)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_each_request_of_a_growing_conversation_is_the_same_with_the_memo(
    turns: list[list[dict[str, Any]]], window: int, changes: list[str]
) -> None:
    memo, stored = PromptMemo(), list[dict[str, Any]]()
    for number, turn in enumerate(turns):
        change = changes[number] if number < len(changes) else ""
        how: dict[str, Any] = {"window": window}
        if change == "other provider":
            how["provider"] = "other"
        elif change == "no files":
            how["shown"] = {}
        elif change == "branch":
            stored = stored[: len(stored) // 2]
        elif change == "tighter":
            how["tighter"] = 0.5
        elif change == "system":
            how["system"] = "another prompt"
        stored = [*stored, *turn]
        plain = made(stored, **how)
        assert made(stored, memo, **how) == plain
        for message in stored:  # a reply that thought keeps it in the next request, if it still has the same beginning
            if message["role"] == "assistant" and message is stored[-1]:
                message["promptDigest"] = plain.digest


def test_a_later_result_reaches_the_call_that_it_is_for() -> None:
    talk: list[dict[str, Any]] = [
        {"role": "user", "content": "look"},
        {"role": "assistant", "content": calls("call-1"), "stopReason": "toolUse"},
        {"role": "user", "content": "and?"},
    ]
    memo = PromptMemo()
    assert "Cut off" in str(made(talk, memo).messages)
    talk.append({"role": "toolResult", "toolCallId": "call-1", "content": "seen"})
    assert "seen" in str(made(talk, memo).messages)


def test_the_pieces_up_to_the_newest_question_are_not_made_again() -> None:
    talk = [{"role": role, "content": f"{number}"} for number in range(20) for role in ("user", "assistant")]
    memo = PieceMemo()
    first = pieces_of([*talk, {"role": "user", "content": "now"}], memo=memo)
    again = pieces_of([*talk, {"role": "user", "content": "now"}, {"role": "assistant", "content": "yes"}], memo=memo)
    assert all(old is new for old, new in zip(first[:40], again, strict=False)), "the same objects"
    assert again[-1].role == "assistant"


def test_no_file_is_kept_from_one_request_to_the_next() -> None:
    data = "A" * 1_000_000
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}
    stored = [
        {"role": "user", "content": [*text("look"), {"type": "image", "mediaId": "m1", "name": "a.png"}]},
        {"role": "assistant", "content": text("seen"), "stopReason": "stop"},
        {"role": "user", "content": text("and now?")},
    ]
    memo = PromptMemo()
    shown = {"m1": AttachmentContent((image,), tokens=10, bytes=len(data))}
    made = build(stored, window=100_000, max_output=1000, shown=shown, memo=memo)
    assert data in str(made.messages)
    assert data not in str((memo._begun, memo.pieces._begun))
