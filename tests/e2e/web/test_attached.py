"""Attachments under a message: each kind as people expect it, and what the assistant was given of it."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.support import files
from tests.support.tools import require


def test_each_kind_is_shown_as_what_it_is_with_what_the_assistant_saw(visit, scripted_gateway, tmp_path):
    require("ffmpeg")
    gateway, _ = scripted_gateway
    given = {
        "photo.png": files.png(files.photo(400, 300)),
        "tone.wav": files.tone(2.0),
        "clip.webm": files.clip(tmp_path / "clip.webm", ("red", "blue")).read_bytes(),
        "paper.pdf": files.pdf(["The first page of the paper."]),
        "table.csv": b"city,people\nSeoul,9\nBusan,3\n",
    }
    paths = []
    for name, content in given.items():
        path = tmp_path / f"in-{name}"
        path.write_bytes(content)
        paths.append(path)
    chat = visit(gateway).ready()
    chat.page.set_default_timeout(15_000)
    chat.page.locator("input[type=file]").first.set_input_files(paths)
    expect(chat.page.locator(".chip[data-state=ready]")).to_have_count(len(paths), timeout=20_000)
    chat.write("What is all this? [[text=Five files.]]")
    chat.composer.press("Enter")
    expect(chat.replies.last).to_contain_text("Five files.", timeout=30_000)

    shown = {
        kind: chat.page.locator(f".media[data-kind={kind}]") for kind in ("image", "audio", "video", "document", "file")
    }
    for kind, figure in shown.items():
        assert figure.count() == 1, kind
    expect(shown["image"].locator("img")).not_to_have_js_property("naturalWidth", 0)
    for kind, seconds in (("audio", 2), ("video", 2)):
        player = shown[kind].locator("audio, video")
        player.scroll_into_view_if_needed()
        player.evaluate(
            "player => player.readyState || new Promise((go) => "
            "player.addEventListener('loadedmetadata', go, { once: true }))"
        )
        assert abs(player.evaluate("player => player.duration") - seconds) < 0.5, kind

    enlarge = shown["image"].get_by_role("button", name="Enlarge")
    enlarge.click()
    large = chat.page.get_by_role("dialog")
    expect(large.locator("img")).to_have_js_property("naturalWidth", 400)
    chat.page.keyboard.press("Escape")
    expect(large).to_have_count(0)
    expect(enlarge).to_be_focused()
    picture, button = shown["image"].locator("img").bounding_box(), enlarge.bounding_box()
    assert picture and button and abs(picture["width"] - button["width"]) < 1, "a stripe beside the picture"
    player = shown["audio"].locator("audio").bounding_box()
    assert player and player["width"] > 300, "no room for the time line"
    for kind, name in (("image", "in-photo.png"), ("audio", "in-tone.wav")):
        expect(shown[kind].locator("figcaption")).to_contain_text(name)

    for kind in ("document", "file"):
        expect(shown[kind].locator("details")).to_have_count(0)  # one line each, until it is opened
        shown[kind].get_by_role("button", name="More about").click()
    expect(shown["document"].locator("img.page")).not_to_have_js_property("naturalWidth", 0)
    expect(shown["file"].locator("pre").first).to_contain_text("Seoul,9")
    for kind, told in (("file", "Seoul"), ("document", "1")):
        shown[kind].get_by_text("What the assistant saw").click()
        expect(shown[kind].locator("details").last).to_contain_text(told)
    for kind in ("audio", "video"):
        expect(shown[kind].locator("details")).to_have_count(0)
        shown[kind].get_by_role("button", name="What the assistant saw").click()
    expect(shown["audio"].locator("details")).to_contain_text("tone.wav")
    expect(shown["video"].locator("details img").first).not_to_have_js_property("naturalWidth", 0)
