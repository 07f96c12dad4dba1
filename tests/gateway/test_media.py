"""Attachments in a conversation: what the model receives of them, when, and what that costs the second time."""

from __future__ import annotations

import base64
import io
from typing import Any

from PIL import Image

from tests.support.media import png, upload
from tests.support.wire import run, wired


def content(api: Any, number: int = -1) -> list[list[dict[str, Any]]]:
    """The user messages of a request that the model got, as lists of blocks."""
    return [message["content"] for message in api.bodies[number]["messages"] if message["role"] == "user"]


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
            media = [f["payload"]["data"] for f in wire.events
                     if f["event"] == "agent" and f["payload"]["stream"] == "media"]
            assert [(m["phase"], m["name"]) for m in media if m["phase"] != "progress"] == [
                ("start", "plot.png"), ("done", "plot.png"), ("start", "메모.txt"), ("done", "메모.txt")]
            (asked,) = content(api)
            images = [block for block in asked if block["type"] == "image"]
            assert len(images) == 1 and max(image_size(images[0])) <= 2576
            assert images[0]["source"]["media_type"] in ("image/png", "image/jpeg", "image/webp")
            texts = [block["text"] for block in asked if block["type"] == "text"]
            assert "plot.png" in texts[0] and "두 번째 줄" in "".join(texts) and texts[-1].endswith("what is this?")
            before = len(wire.events)
            await wire.ask("[[text=two]] and now?")
            assert not [f for f in wire.events[before:] if f["event"] == "agent" and f["payload"]["stream"] == "media"]
            first, second = content(api)
            assert first == asked and second[-1]["text"].endswith("and now?")
            saw = await wire.call("media.saw", {"mediaId": picture["mediaId"]})
            shown = next(part for part in saw["parts"] if part["type"] == "image")
            assert (shown["width"], shown["height"]) == image_size(images[0])
            from tests.server.test_media_routes import ask

            fetched = ask(gateway, "GET", f"media/{shown['mediaId']}")
            assert fetched.body == base64.b64decode(images[0]["source"]["data"])

    run(main())
