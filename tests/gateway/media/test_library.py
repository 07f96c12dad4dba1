"""Attachments in a conversation: what the model receives of them, when, and what that costs the second time."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

from PIL import Image

from clawdbot_ext.agent.context.attachments import AttachmentContent, fitting
from tests.support.media import png, upload
from tests.support.wire import run, wired


def content(api: Any, question: str) -> list[list[dict[str, Any]]]:
    """The user messages of the request that ends with ``question``, as lists of blocks without the marks of the prompt
    cache, which move on with the conversation; a title is asked for too."""
    asked = [
        [
            [{name: value for name, value in block.items() if name != "cache_control"} for block in message["content"]]
            for message in body["messages"]
            if message["role"] == "user"
        ]
        for body in api.bodies
    ]
    return next(users for users in asked if str(users[-1][-1].get("text", "")).endswith(question))


def image_size(block: dict[str, Any]) -> tuple[int, int]:
    assert block["source"]["type"] == "base64"
    with Image.open(io.BytesIO(base64.b64decode(block["source"]["data"]))) as picture:
        return picture.size


def test_the_model_gets_real_blocks_in_order_and_a_second_question_costs_nothing(scripted_gateway):
    gateway, api = scripted_gateway
    picture = upload(gateway, "plot.png", png(3000, 1500))
    text = upload(gateway, "메모.txt", "안녕하세요\n두 번째 줄".encode("cp949"))

    async def main() -> None:
        async with wired(gateway.ws_url, gateway.token, caps=["session.events"]) as wire:
            files = [{"mediaId": picture["mediaId"]}, {"mediaId": text["mediaId"]}]
            await wire.ask("[[text=one]] what is this?", attachments=files)
            media = [
                f["payload"]["data"] for f in wire.events if f["event"] == "agent" and f["payload"]["stream"] == "media"
            ]
            assert [(m["phase"], m["name"]) for m in media if m["phase"] != "progress"] == [
                ("start", "plot.png"),
                ("done", "plot.png"),
                ("start", "메모.txt"),
                ("done", "메모.txt"),
            ]
            (asked,) = content(api, "what is this?")
            images = [block for block in asked if block["type"] == "image"]
            assert len(images) == 1 and max(image_size(images[0])) <= 2576
            assert images[0]["source"]["media_type"] in ("image/png", "image/jpeg", "image/webp")
            texts = [block["text"] for block in asked if block["type"] == "text"]
            assert "plot.png" in texts[0] and "두 번째 줄" in "".join(texts) and texts[-1].endswith("what is this?")
            before = len(wire.events)
            await wire.ask("[[text=two]] and now?")
            assert not [f for f in wire.events[before:] if f["event"] == "agent" and f["payload"]["stream"] == "media"]
            first, second = content(api, "and now?")
            assert first == asked and second[-1]["text"].endswith("and now?")
            saw = await wire.call("media.saw", {"mediaId": picture["mediaId"]})
            shown = next(part for part in saw["parts"] if part["type"] == "image")
            assert (shown["width"], shown["height"]) == image_size(images[0])
            from tests.server.handlers.test_media import ask

            fetched = ask(gateway, "GET", f"media/{shown['mediaId']}")
            assert fetched.body == base64.b64decode(images[0]["source"]["data"])

    run(main())


def test_an_export_names_files_and_has_images_inside_where_asked(standing_gateway):
    gateway = standing_gateway
    picture, data = upload(gateway, "a [plot].png", png(40, 30)), upload(gateway, "data.csv", b"a,b\n1,2\n")

    async def main() -> None:
        async with wired(gateway.ws_url, gateway.token) as wire:
            files = [{"mediaId": picture["mediaId"]}, {"mediaId": data["mediaId"]}]
            await wire.ask("[[text=fine]] both", key="files", attachments=files)

            async def exported(form: str, **more: Any) -> str:
                return (await wire.call("sessions.export", {"key": "files", "format": form, **more}))["content"]

            await wire.ask("", key="only", attachments=files)
            titles = {
                row["key"]: row.get("derivedTitle")
                for row in (await wire.call("sessions.list", {"includeDerivedTitles": True}))["sessions"]
            }
            assert titles["agent:main:only"] == "a [plot].png, data.csv"
            plain = await exported("markdown")
            size = f"{len(png(40, 30))} B"
            assert f"📎 a _plot_.png (image/png, {size})" in plain and "📎 data.csv (text/csv, 8 B)" in plain
            inside = base64.b64encode(png(40, 30)).decode()
            assert f"![a _plot_.png (image/png, {size})](data:image/png;base64,{inside})" in await exported(
                "markdown", embed=True
            )
            assert f'<img src="data:image/png;base64,{inside}"' in await exported("html", embed=True)
            cells = json.loads(await exported("ipynb"))["cells"]
            assert [cell["attachments"] for cell in cells if "attachments" in cell] == [
                {"file0": {"image/png": inside}}
            ]
            kept = json.loads(await exported("json", embed=True))["media"]
            assert base64.b64decode(kept[data["mediaId"]]["content"]) == b"a,b\n1,2\n"

    run(main())


def test_what_the_model_is_shown_again_fits_and_begins_at_the_same_place_for_many_turns():
    def shown(number: int) -> tuple[str, AttachmentContent]:
        return f"m{number}", AttachmentContent([], 1000, 500_000, 1)

    begins = []
    for count in range(1, 120):
        found = [shown(number) for number in range(count)]
        kept = fitting(found, window=200_000)
        assert kept == {f"m{number}" for number in range(count - len(kept), count)}, "the newest, without a gap"
        assert len(kept) <= 40, "20 MB"
        begins.append(count - len(kept))
    assert begins[:40] == [0] * 40
    assert len(set(begins)) < 20, "not one at a time"
    large = [(f"l{number}", AttachmentContent([], 10, 10, 1, large=True)) for number in range(30)]
    assert len(fitting(large, window=200_000)) <= 20
