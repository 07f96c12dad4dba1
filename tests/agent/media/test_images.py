"""Images as the model gets them: upright, as large as it sees, in its formats, without hidden data."""

from __future__ import annotations

import io
import sys

import msgspec
import pillow_heif
import pytest
from PIL import Image, ImageCms

from clawdbot_ext.agent.known_models import KNOWN
from clawdbot_ext.agent.media import api
from clawdbot_ext.agent.media.vision_limits import image_tokens
from clawdbot_ext.agent.providers.base import ModelInfo
from tests.agent.media.conftest import BLIND, codes, pictures, told
from tests.support import files


def opened(block: api.ImageBlock) -> Image.Image:
    picture = Image.open(io.BytesIO(block.data))
    assert picture.size == (block.width, block.height)
    assert Image.MIME[picture.format] == block.mime_type
    return picture


def red(pixel) -> bool:
    return pixel[0] > 200 and pixel[1] < 80


@pytest.mark.parametrize("orientation", [1, 2, 3, 4, 5, 6, 7, 8])
def test_a_photo_is_turned_upright_whichever_way_the_camera_was_held(read, orientation: int) -> None:
    turned = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    picture = files.photo(400, 200)
    stored = picture.transpose(turned[orientation]) if orientation in turned else picture
    exif = Image.Exif()
    exif[0x0112] = orientation
    sent = pictures(read(files.encoded(stored, "JPEG", exif=exif), "a.jpg"))[0]
    assert (sent.width, sent.height) == (400, 200)
    assert red(opened(sent).getpixel((20, 20)))


def test_a_phones_two_pictures_in_one_file_are_one_photo(read, probe) -> None:
    first, second = files.photo(800, 600), files.photo(80, 60)
    both = files.encoded(first, "MPO", save_all=True, append_images=[second])
    assert (probe(both, "a.jpg").width, probe(both, "a.jpg").height) == (800, 600)
    assert (pictures(read(both, "a.jpg"))[0].width, read(both, "a.jpg").facts.height) == (800, 600)


def test_where_a_photo_was_taken_is_not_sent(read) -> None:
    exif = Image.Exif()
    exif[0x010F] = "SecretCam"
    exif.get_ifd(0x8825)[2] = (37.0, 33.0, 59.0)
    sent = pictures(read(files.encoded(files.photo(), "JPEG", exif=exif, comment=b"SecretCam"), "a.jpg"))[0]
    assert b"SecretCam" not in sent.data and b"Exif" not in sent.data
    assert not dict(opened(sent).getexif())


@pytest.mark.parametrize(
    ("sight", "edge"),
    [(api.ModelSight(), 1568), (msgspec.structs.replace(api.ModelSight(), image_edge=2576, image_tokens=4784), 2576)],
    ids=["standard", "high"],
)
def test_a_large_image_is_scaled_to_what_the_model_sees(read, sight: api.ModelSight, edge: int) -> None:
    understood = read(files.encoded(Image.new("RGB", (4000, 1000), "white"), "JPEG"), "a.jpg", sight=sight)
    sent = pictures(understood)[0]
    assert (sent.width, sent.height) == (edge, edge // 4)
    assert image_tokens(sent.width, sent.height) <= sight.image_tokens
    assert codes(understood) == ["scaled"] and f"{edge} × {edge // 4}" in told(understood)


def test_an_image_within_the_limits_keeps_every_pixel(read) -> None:
    picture = files.photo(300, 200)
    understood = read(files.png(picture), "a.png")
    assert opened(pictures(understood)[0]).tobytes() == picture.tobytes()
    assert codes(understood) == []


def test_an_image_too_heavy_for_a_request_gets_lighter(read) -> None:
    sight = msgspec.structs.replace(api.ModelSight(), image_bytes=60_000)
    assert len(pictures(read(files.png(files.photo(900, 700)), "a.png", sight=sight))[0].data) <= 60_000


def test_the_setting_makes_images_smaller_still(read) -> None:
    sent = pictures(read(files.png(files.photo()), "a.png", settings=api.MediaSettings(image_max_edge=100)))[0]
    assert (sent.width, sent.height) == (100, 75)


def test_transparency_is_kept(read) -> None:
    sent = pictures(read(files.png(Image.new("RGBA", (40, 30), (255, 0, 0, 90))), "a.png"))[0]
    assert sent.mime_type == "image/png" and opened(sent).getpixel((5, 5))[3] == 90


def test_colours_are_those_of_srgb(read) -> None:
    """A photo in another colour space: without conversion the model would see other colours than people do."""
    lab = ImageCms.createProfile("LAB")
    srgb = ImageCms.createProfile("sRGB")
    picture = Image.new("RGB", (20, 20), (200, 100, 50))
    in_lab = ImageCms.applyTransform(picture, ImageCms.buildTransform(srgb, lab, "RGB", "LAB"))
    assert in_lab.mode == "LAB"
    tagged = files.encoded(picture, "PNG", icc_profile=ImageCms.ImageCmsProfile(srgb).tobytes())
    sent = opened(pictures(read(tagged, "a.png"))[0])
    assert "icc_profile" not in sent.info
    assert all(abs(a - b) <= 2 for a, b in zip(sent.getpixel((5, 5)), (200, 100, 50), strict=True))
    broken = files.encoded(picture, "PNG", icc_profile=b"not a profile")
    assert opened(pictures(read(broken, "a.png"))[0]).getpixel((5, 5)) == (200, 100, 50)


@pytest.mark.parametrize(("form", "name"), [("TIFF", "a.tif"), ("BMP", "a.bmp")])
def test_formats_that_the_model_does_not_take_are_converted(read, form: str, name: str) -> None:
    understood = read(files.encoded(files.photo(), form), name)
    assert pictures(understood)[0].mime_type in ("image/png", "image/jpeg")
    assert "converted" in codes(understood)


def test_a_microscope_image_of_16_bits_is_stretched_to_be_seen(read) -> None:
    picture = Image.new("I;16", (32, 32), 1000)
    picture.paste(1200, (0, 0, 16, 32))
    sent = opened(pictures(read(files.encoded(picture, "TIFF"), "cells.tif"))[0]).convert("L")
    assert sent.getpixel((4, 4)) > 240 and sent.getpixel((28, 4)) < 15


def test_an_animation_is_sent_as_frames_from_its_whole_length(read) -> None:
    frames = [Image.new("RGB", (30, 20), (i * 20, 0, 0)) for i in range(12)]
    understood = read(files.encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]), "a.gif")
    assert [picture.label for picture in pictures(understood)] == [f"frame {n} of 12" for n in (1, 3, 5, 8, 10, 12)]
    assert understood.facts.pages == 12 and codes(understood) == ["animated"]


def test_a_model_without_eyes_is_told_that_it_has_none(read) -> None:
    understood = read(files.png(files.photo()), "a.png", sight=BLIND)
    assert pictures(understood) == [] and codes(understood) == ["no_vision"]
    assert "cannot see images" in told(understood)


def test_heic_asks_for_its_extra(probe, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # as where it is not installed
    with pytest.raises(api.MediaError) as refused:
        probe(b"\x00\x00\x00\x20ftypheic\0\0\0\0mif1heic" + bytes(400), "IMG_1.heic")
    assert refused.value.media_code == "MEDIA_NEEDS" and "[heic]" in refused.value.hint_in("en")


def test_a_photo_of_an_iphone_is_converted_and_stands_upright(read) -> None:
    pillow_heif.register_heif_opener()
    tags = Image.Exif()
    tags[0x0112] = 6  # turned by a quarter
    understood = read(files.encoded(files.photo(300, 200), "HEIF", exif=tags.tobytes()), "IMG_1.heic")
    sent = opened(pictures(understood)[0])
    assert sent.size == (200, 300) and red(sent.convert("RGB").getpixel((190, 10))), "turned to the right"
    assert "converted" in codes(understood)


def test_what_there_is_of_a_cut_photo_is_used_and_said(read) -> None:
    data = files.encoded(files.photo(800, 600), "JPEG")
    understood = read(data[: len(data) // 2], "a.jpg")
    assert codes(understood) == ["incomplete"] and "ends early" in told(understood)
    assert red(opened(pictures(understood)[0]).getpixel((10, 10)))


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (files.png(files.photo())[:60], "MEDIA_TRUNCATED"),
        (b"\x89PNG\r\n\x1a\n" + b"nothing that a picture has" * 20, "MEDIA_CORRUPT"),
        (b"\xff\xd8\xff\xe0" + bytes(400), "MEDIA_CORRUPT"),
    ],
    ids=["cut", "no png", "no jpeg"],
)
def test_a_damaged_image_says_what_is_wrong(probe, content: bytes, code: str) -> None:
    with pytest.raises(api.MediaError) as refused:
        probe(content, "a")
    assert refused.value.media_code == code


def test_limits_are_those_of_the_model() -> None:
    """From the documentation: 28-pixel patches; 1,568 px, or 2,576 px from Opus 4.7 on; PDFs of 100 or 600 pages."""

    def sight(model_id: str, window: int = 1_000_000, **more: int) -> api.ModelSight:
        return api.sight_of(ModelInfo(model_id, model_id, "p", window, 64_000, input=("text", "image")), **more)

    old = sight("claude-haiku-4-5", 200_000)
    assert (old.image_edge, old.pdf_pages) == (1568, 100)
    assert (sight("claude-opus-4-7").image_edge, sight("claude-opus-4-7").pdf_pages) == (2576, 600)
    assert sight("claude-3-5-haiku-20241022").image_edge == 1568
    assert {sight(model.id).documents for model in KNOWN} == {True}
    assert not sight("llava").documents and sight("llava").images
    assert sight("claude-opus-5-5", images_before=25).image_edge == 2000
    several = sight("claude-opus-5-5", attachments=4)
    assert several.tokens * 4 <= 120_000 and several.pdf_bytes * 4 <= 20_000_000
    assert not api.sight_of(ModelInfo("m", "m", "p", 8000, 1000)).images


# -- long images, images of numbers -----------------------------------------------------------------------------------
def strip(width: int, height: int) -> Image.Image:
    """A page with a black line every 100 pixels."""
    page = Image.new("RGB", (width, height), "white")
    for at in range(0, max(width, height), 100):
        box = (0, at, width, at + 4) if height > width else (at, 0, at + 4, height)
        page.paste((0, 0, 0), box)
    return page


@pytest.mark.parametrize(("size", "form"), [((1080, 9000), "PNG"), ((1080, 9000), "JPEG"), ((9000, 600), "PNG")])
def test_a_long_screenshot_goes_in_parts_that_can_be_read(read, size: tuple[int, int], form: str) -> None:
    understood = read(files.encoded(strip(*size), form), "a")
    parts = pictures(understood)
    assert min(size) * 0.4 <= min(min(part.width, part.height) for part in parts) and len(parts) > 3
    assert parts[1].label == f"part 2 of {len(parts)}" and codes(understood) == ["tiled"]
    assert ("top to bottom" if size[1] > size[0] else "left to right") in told(understood)
    assert understood.tokens <= 40_000
    along = sum(max(part.width, part.height) for part in parts)
    assert along >= max(size) * min(parts[0].width, parts[0].height) / min(size)


def test_an_image_too_long_to_be_read_is_told_to_be(read) -> None:
    sight = msgspec.structs.replace(api.ModelSight(), max_images=1)
    understood = read(files.png(strip(1080, 9000)), "a.png", sight=sight)
    assert len(pictures(understood)) == 1 and "cannot be read at this size" in told(understood)


def test_floats_are_shown_over_their_finite_values_and_nan_is_told(read) -> None:
    field = Image.new("F", (40, 30))
    field.putdata([1000.0 + x for x in range(1200)])
    field.putpixel((0, 0), float("nan"))
    field.putpixel((1, 0), float("inf"))
    understood = read(files.encoded(field, "TIFF"), "a.tif")
    shown = Image.open(io.BytesIO(pictures(understood)[0].data)).convert("L")
    assert shown.getextrema()[1] > 240 and shown.getpixel((0, 0)) < 30 and 90 < shown.getpixel((20, 15)) < 165
    assert understood.notes[0] == api.Note("not_finite", {"count": 2, "percent": "0.167"})
    assert "2 of its pixels are no finite number" in told(understood)
    nothing = Image.new("F", (8, 8), float("nan"))
    assert "64 of its pixels" in told(read(files.encoded(nothing, "TIFF"), "a.tif"))
