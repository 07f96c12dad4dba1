"""Conversations from files: our export, and Clawdbot's transcripts."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from clawdbot_ext.cli import import_
from tests.support.media import png, upload
from tests.support.wire import WireError, run, text_of, wired

JSONL = [
    {"type": "session", "version": 3, "id": "abc-1", "timestamp": "2026-01-20T08:00:00.000Z", "cwd": "/x"},
    {"type": "model_change", "id": "n1"},
    {
        "type": "message",
        "id": "a1",
        "parentId": None,
        "timestamp": "2026-01-20T08:00:01.000Z",
        "message": {"role": "user", "content": [{"type": "text", "text": "월별 합계"}], "timestamp": 1768896001000},
    },
    {
        "type": "message",
        "id": "a2",
        "parentId": "a1",
        "timestamp": "2026-01-20T08:00:02.000Z",
        "message": {
            "role": "assistant",
            "model": "m",
            "provider": "anthropic",
            "stopReason": "toolUse",
            "content": [
                {"type": "toolCall", "id": "t1", "name": "exec", "arguments": {"command": "ls"}},
                {"type": "image", "data": "AAAA"},
            ],
        },
    },
    {
        "type": "message",
        "id": "a3",
        "message": {
            "role": "toolResult",
            "toolCallId": "t1",
            "toolName": "exec",
            "content": [{"type": "text", "text": "a.csv"}],
            "isError": False,
        },
    },
]


def jsonl(rows) -> str:
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n{broken\n[]\n"


def test_a_transcript_of_clawdbots_is_taken_in_once(standing_gateway):
    async def main():
        async with wired(standing_gateway.ws_url, standing_gateway.token) as wire:
            made = await wire.call("sessions.import", {"name": "abc.jsonl", "content": jsonl(JSONL)})
            assert (made["messages"], [s["line"] for s in made["skipped"]]) == (3, [6, 7])
            messages = (await wire.call("chat.history", {"sessionKey": made["keys"][0]}))["messages"]
            assert [m["role"] for m in messages] == ["user", "assistant", "toolResult"]
            assert messages[0]["timestamp"] == 1768896001000 and "월별" in text_of(messages[0])
            assert messages[1]["content"][0]["name"] == "exec" and "image" in text_of(messages[1])
            more = {"type": "message", "id": "a4", "message": {"role": "assistant", "content": "done"}}
            again = await wire.call("sessions.import", {"content": jsonl([*JSONL, more])})
            assert (again["keys"], again["messages"]) == (made["keys"], 1)

    run(main())


def test_our_own_export_comes_back(standing_gateway):
    async def main():
        async with wired(standing_gateway.ws_url, standing_gateway.token) as wire:
            await wire.ask("keep this one [[text=kept]]", key="exported")
            made = await wire.call("sessions.export", {"key": "exported", "format": "json"})
            taken = await wire.call("sessions.import", {"content": made["content"]})
            messages = (await wire.call("chat.history", {"sessionKey": taken["keys"][0]}))["messages"]
            assert [text_of(m) for m in messages] == ["keep this one [[text=kept]]", "kept"]
            for content, reason in (("hello", "UNKNOWN_FORMAT"), ("{}", "UNKNOWN_FORMAT")):
                with pytest.raises(WireError) as refused:
                    await wire.call("sessions.import", {"content": content})
                assert refused.value.details["reason"] == reason

    run(main())


def test_the_command_line_takes_a_folder_in(standing_gateway, tmp_path):
    for number in (1, 2):
        (tmp_path / f"{number}.jsonl").write_text(jsonl([{**JSONL[0], "id": f"cli-{number}"}, *JSONL[1:]]))
    (tmp_path / "bad.jsonl").write_text("nothing")
    done = subprocess.run(
        [sys.executable, "-m", "clawdbot_ext", "import", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        env=standing_gateway.environment,
        check=False,
    )
    assert "Sessions: 2, messages added: 6, files that failed: 1" in done.stdout and done.returncode == 1
    assert "bad.jsonl" in done.stderr


def test_a_large_transcript_is_sent_in_parts_that_each_know_their_session(tmp_path, monkeypatch):
    monkeypatch.setattr(import_, "PART_CHARS", 600)
    file = tmp_path / "big.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in [JSONL[0], *JSONL[2:] * 3]))
    made = list(import_.parts(file))
    assert len(made) > 2 and all(json.loads(part.split("\n")[0])["id"] == "abc-1" for part in made)
    assert "".join(part.split("\n", 1)[1] for part in made) == file.read_text().split("\n", 1)[1]


def test_branches_and_files_of_an_export_come_back_and_what_it_cost_is_not_counted_again(standing_gateway):
    picture = upload(standing_gateway, "plot.png", png(40, 30))

    async def main():
        async with wired(standing_gateway.ws_url, standing_gateway.token) as wire:
            await wire.ask("[[text=first]] look", key="tree", attachments=[{"mediaId": picture["mediaId"]}])
            first = (await wire.call("chat.history", {"sessionKey": "tree"}))["messages"][-1]
            await wire.call("chat.regenerate", {"sessionKey": "tree", "messageId": first["id"], "idempotencyKey": "g1"})
            await wire.end("g1")
            await wire.ask("[[text=third]] and now?", key="tree")
            await wire.call("chat.branch", {"sessionKey": "tree", "messageId": first["id"]})
            made = await wire.call("sessions.export", {"key": "tree", "format": "json", "embed": True})
            document = json.loads(made["content"])
            assert len(document["messages"]) == 2 and len(document["branches"]) == 3
            document["sessionId"] = "elsewhere"
            named = document["messages"][0]["content"][0]
            document["messages"][0]["content"].insert(1, {**named, "mediaId": "unknown", "name": "gone.pdf"})
            content = json.dumps(document)
            cost = (await wire.call("usage.cost", {}))["totals"]
            taken = await wire.call("sessions.import", {"content": content})
            assert [row["file"] for row in taken["skipped"]] == ["gone.pdf"] and taken["messages"] == 5
            history = await wire.call("chat.history", {"sessionKey": taken["keys"][0]})
            assert [text_of(m) for m in history["messages"]] == ["[[text=first]] look", "first"]
            image, gone = history["messages"][0]["content"][:2]
            assert (image["type"], image["name"], image["width"]) == ("image", "plot.png", 40)
            assert gone["name"] == "gone.pdf" and gone["mediaId"] != "unknown"
            (fork,) = history["branches"]
            assert fork["messageId"] == history["messages"][1]["id"] == fork["ids"][0] and len(fork["ids"]) == 2
            await wire.call("chat.branch", {"sessionKey": taken["keys"][0], "messageId": fork["ids"][1]})
            other = (await wire.call("chat.history", {"sessionKey": taken["keys"][0]}))["messages"]
            assert len(other) == 4 and text_of(other[-1]) == "third"
            assert (await wire.call("sessions.import", {"content": content}))["messages"] == 0
            assert (await wire.call("usage.cost", {}))["totals"] == cost

    run(main())


def test_a_large_export_is_sent_in_parts_that_make_the_same_tree(standing_gateway, tmp_path, monkeypatch):
    def row(seq, text, **more):
        return {
            "id": f"x{seq}",
            "seq": seq,
            "role": "assistant" if seq % 2 == 0 else "user",
            "content": [{"type": "text", "text": text}],
            "timestamp": seq,
            **more,
        }

    document = {
        "format": "clawdbot-jupyter/conversation",
        "version": 1,
        "title": "Large",
        "sessionId": "large",
        "messages": [row(1, "one"), row(2, "two " * 40), row(5, "five"), row(6, "six " * 40)],
        "branches": [row(4, "four " * 40, parentId="x1")],
    }
    (tmp_path / "large.json").write_text(json.dumps(document, indent=1))
    monkeypatch.setattr(import_, "PART_CHARS", 300)
    made = list(import_.parts(tmp_path / "large.json"))
    assert len(made) > 2

    async def main():
        async with wired(standing_gateway.ws_url, standing_gateway.token) as wire:
            for part in made:
                taken = await wire.call("sessions.import", {"content": part})
            history = await wire.call("chat.history", {"sessionKey": taken["keys"][0]})
            assert [text_of(m).split()[0] for m in history["messages"]] == ["one", "two", "five", "six"]
            assert len(history["branches"]) == 1

    run(main())


def test_a_folder_of_clawdbots_brings_its_labels(standing_gateway, tmp_path):
    (tmp_path / "abc-9.jsonl").write_text(jsonl([{**JSONL[0], "id": "abc-9"}, *JSONL[1:]]))
    (tmp_path / "sessions.json").write_text(
        json.dumps({"agent:main:main": {"sessionId": "abc-9", "label": "Quarterly"}, "broken": 1})
    )
    subprocess.run(
        [sys.executable, "-m", "clawdbot_ext", "import", str(tmp_path)],
        capture_output=True,
        timeout=60,
        env=standing_gateway.environment,
        check=True,
    )

    async def main():
        async with wired(standing_gateway.ws_url, standing_gateway.token) as wire:
            assert "imported" in (await wire.call("sessions.resolve", {"label": "Quarterly"}))["key"]

    run(main())
