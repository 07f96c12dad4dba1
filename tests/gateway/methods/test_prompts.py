"""Requests of a composer: prompts, files, completions; settings of a session that change what the model is asked."""

from __future__ import annotations

import os

import pytest

from clawdbot_ext.gateway.methods.files import inside
from clawdbot_ext.protocol.errors import InvalidRequest, NotFound
from clawdbot_ext.server.contents import listing
from tests.support.wire import WireError, run, wired


async def refused(call) -> str:
    with pytest.raises(WireError) as caught:
        await call
    return caught.value.details["reason"]


def test_an_archived_session_is_listed_on_request_and_pinning_does_not_move_one(standing_gateway):
    async def main():
        async with wired(standing_gateway.ws_url, standing_gateway.token) as wire:
            for key in ("old", "new"):
                await wire.call("sessions.new", {"key": key})
            entry = (await wire.call("sessions.patch", {"key": "old", "pinned": True}))["entry"]
            assert entry["pinned"] is True
            keys = [s["key"] for s in (await wire.call("sessions.list"))["sessions"]]
            assert keys[:2] == ["agent:main:new", "agent:main:old"]
            await wire.call("sessions.patch", {"key": "old", "archived": True})
            assert "agent:main:old" not in [s["key"] for s in (await wire.call("sessions.list"))["sessions"]]
            rows = {s["key"]: s for s in (await wire.call("sessions.list", {"includeArchived": True}))["sessions"]}
            assert rows["agent:main:old"]["archived"] is True and "archived" not in rows["agent:main:new"]
            entry = (await wire.call("sessions.patch", {"key": "old", "archived": False, "pinned": None}))["entry"]
            assert not {"archived", "pinned"} & set(entry)

    run(main())


def test_a_sessions_own_prompt_and_temperature_reach_the_model_where_it_takes_them(scripted_gateway):
    gateway, api = scripted_gateway

    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            patch = {"key": "main", "systemPrompt": "Speak like a pirate.", "temperature": 0.3}
            answer = await wire.call("sessions.patch", {**patch, "model": "claude-haiku-4-5"})
            assert "notes" not in answer and answer["entry"]["temperature"] == 0.3
            await wire.ask("[[tokens=1]]")
            assert api.bodies[-1]["temperature"] == 0.3
            assert api.bodies[-1]["system"].endswith("Speak like a pirate.")
            answer = await wire.call("sessions.patch", {"key": "main", "thinkingLevel": "low"})
            assert "thinking" in answer["notes"][0]
            await wire.ask("[[tokens=1]]")
            assert "temperature" not in api.bodies[-1]
            answer = await wire.call("sessions.patch", {"key": "main", "model": "claude-sonnet-5-5"})
            assert "does not support temperature" in answer["notes"][0]
            await wire.call("sessions.patch", {"key": "main", "thinkingLevel": None})
            await wire.ask("[[tokens=1]]")
            assert "temperature" not in api.bodies[-1]

    run(main())


def test_prompts_are_kept_by_name_and_replaced_by_id(standing_gateway):
    async def main():
        async with wired(standing_gateway.ws_url, standing_gateway.token) as wire:
            made = (await wire.call("prompts.set", {"name": "  요약  하기 ", "text": "Summarise:\n"}))["prompt"]
            assert made["name"] == "요약 하기"
            assert await refused(wire.call("prompts.set", {"name": "요약 하기", "text": "x"})) == "NAME_TAKEN"
            assert await refused(wire.call("prompts.set", {"name": "empty", "text": " "})) == "EMPTY_PROMPT"
            await wire.call("prompts.set", {"id": made["id"], "name": "요약 하기", "text": "Briefly:\n"})
            prompts = (await wire.call("prompts.list"))["prompts"]
            assert [(p["id"], p["text"]) for p in prompts] == [(made["id"], "Briefly:\n")]
            await wire.call("prompts.delete", {"id": made["id"]})
            assert (await wire.call("prompts.list"))["prompts"] == []
            assert await refused(wire.call("prompts.delete", {"id": made["id"]})) == "NOT_FOUND"

    run(main())


def test_files_are_listed_and_found_as_jupyter_shows_them(standing_gateway):
    root = standing_gateway.state
    (root / "data" / "deep").mkdir(parents=True)
    (root / "data" / "매출.csv").write_text("a,b\n")
    (root / "data" / "deep" / "plot.ipynb").write_text("{}")
    (root / ".hidden").mkdir()
    (root / ".hidden" / "plot-secret.txt").write_text("no")
    (root / "out").symlink_to("/etc")

    async def main():
        async with wired(standing_gateway.ws_url, standing_gateway.token) as wire:
            top = await wire.call("files.list")
            assert {"data"} <= {e["name"] for e in top["entries"] if e["type"] == "directory"}
            assert not any(e["name"].startswith(".") for e in top["entries"])
            inner = await wire.call("files.list", {"path": "/data/"})
            assert [(e["path"], e["type"]) for e in inner["entries"]] == [
                ("data/deep", "directory"),
                ("data/매출.csv", "file"),
            ]
            assert inner["entries"][1]["size"] == 4 and inner["entries"][1]["modified"] > 0
            found = await wire.call("files.list", {"query": "PLOT"})
            assert [(e["path"], e["type"]) for e in found["entries"]] == [("data/deep/plot.ipynb", "notebook")]
            for path in ("../x", "data/../../etc", "..\\etc"):
                assert await refused(wire.call("files.list", {"path": path})) == "BAD_PATH"
            for path in ("nowhere", ".hidden"):
                assert await refused(wire.call("files.list", {"path": path})) == "NOT_FOUND"

    run(main())


@pytest.mark.parametrize(("given", "kept"), [("", ""), ("/", ""), ("a//b/./c/", "a/b/c"), ("a b/é", "a b/é")])
def test_a_path_is_taken_from_the_root(given, kept):
    assert inside(given) == kept


@pytest.mark.parametrize("given", ["..", "a/../..", "a\\b", "a\nb"])
def test_a_path_that_leads_out_is_refused(given):
    with pytest.raises(InvalidRequest):
        inside(given)


def test_a_contents_manager_of_the_synchronous_kind_works_too(tmp_path):
    from jupyter_server.services.contents.filemanager import FileContentsManager

    (tmp_path / "a.txt").write_text("x")
    os.mkfifo(tmp_path / "pipe")
    files = listing(FileContentsManager(root_dir=str(tmp_path)))

    async def main():
        assert [e.path for e in await files("")] == ["a.txt"]
        with pytest.raises(NotFound):
            await files("a.txt")

    run(main())


def test_commands_say_their_arguments_and_complete_them(standing_gateway):
    async def main():
        async with wired(standing_gateway.ws_url, standing_gateway.token, locale="ko") as wire:
            rows = {r["name"]: r for r in (await wire.call("commands.list"))["commands"]}
            assert rows["help"]["args"] == []
            assert rows["model"]["args"] == [{"name": "모델", "required": False, "dynamic": True}]
            assert rows["think"]["args"][0]["choices"] == ["off", "minimal", "low", "medium", "high"]
            options = (await wire.call("commands.complete", {"command": "model", "text": "de"}))["options"]
            assert [o["value"] for o in options] == ["demo/demo", "default"]
            options = (await wire.call("commands.complete", {"command": "t", "text": "m"}))["options"]
            assert [o["value"] for o in options][:2] == ["minimal", "medium"] and options[0]["description"]
            assert await refused(wire.call("commands.complete", {"command": "nope"})) == "NOT_FOUND"

    run(main())


def test_a_key_is_tried_without_being_kept(make_gateway, messages_api):
    messages_api.key = "sk-right"
    gateway = make_gateway()

    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            at = {"baseUrl": messages_api.url}
            good = await wire.call("models.test", {"apiKey": "sk-right", **at})
            assert good["ok"] is True and good["models"] > 0
            bad = await wire.call("models.test", {"apiKey": "sk-wrong", **at})
            assert bad["ok"] is False and bad["error"]["kind"] == "auth" and "Settings" in bad["error"]["hint"]
            assert "sk-wrong" not in str(bad)
            messages_api.models = None  # a server without a list is asked for a word
            assert (await wire.call("models.test", {"apiKey": "sk-right", "provider": "local", **at}))["ok"] is True
            nowhere = await wire.call("models.test", {"apiKey": "x", "baseUrl": "http://127.0.0.1:9"})
            assert nowhere["error"]["kind"] == "connect"
            assert await refused(wire.call("models.test")) == "NO_KEY"
            assert "sk-right" not in str(await wire.call("config.get"))

    run(main())
