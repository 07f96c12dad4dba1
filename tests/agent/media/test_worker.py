"""A hostile file costs a worker, not the gateway: limits, crashes, cancelling, and what the worker is not given."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
from collections.abc import Coroutine
from typing import Any

import psutil
import pytest

from clawdbot_ext.agent.media import api, worker_client, worker_main
from tests.support import files
from tests.support.aio import run, until

SIGHT, SETTINGS = api.ModelSight(), api.MediaSettings()


_BEFORE: set[int] = set()


@pytest.fixture(autouse=True)
def _others():
    """Processes that other tests of this worker have left to Python (a resource tracker) are none of ours."""
    _BEFORE.clear()
    _BEFORE.update(child.pid for child in psutil.Process().children())


def workers() -> list[psutil.Process]:
    children = (child for child in psutil.Process().children() if child.pid not in _BEFORE)
    return [child for child in children if child.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture
def instead_of_pillow(tmp_path, monkeypatch):
    """``instead_of_pillow(source)``: what the worker runs where it would import its image library."""

    def put(source: str) -> None:
        (tmp_path / "modules" / "PIL").mkdir(parents=True)
        (tmp_path / "modules" / "PIL" / "__init__.py").write_text(textwrap.dedent(source), encoding="utf-8")
        monkeypatch.setattr(
            worker_client, "PACKAGE_PARENT", f"{tmp_path / 'modules'}{os.pathsep}{worker_client.PACKAGE_PARENT}"
        )

    return put


def refused(coroutine: Coroutine[Any, Any, Any]) -> api.MediaError:
    with pytest.raises(api.MediaError) as caught:
        run(coroutine, 20)
    return caught.value


def test_twenty_thousand_pixels_square_are_refused_without_taking_memory(file) -> None:
    """The budget of the anchors' A7; ``benchmarks/bench_attachments.py`` measures how long the others wait."""
    bomb = file(files.bomb(20_000, 20_000), "bomb.png")
    process = psutil.Process()
    before = process.memory_info().rss
    error = refused(api.probe(bomb))
    assert (error.media_code, error.status, error.facts["width"]) == ("MEDIA_TOO_MANY_PIXELS", 413, 20_000)
    assert process.memory_info().rss - before < 50_000_000


def test_a_crash_of_a_parser_is_a_damaged_file_and_a_line_in_the_log(file, instead_of_pillow, caplog) -> None:
    instead_of_pillow("import os, sys; print('segfault here', file=sys.stderr, flush=True); os.abort()")
    error = refused(api.probe(file(files.png(files.photo(8, 8)), "a.png")))
    assert error.media_code == "MEDIA_CORRUPT"
    assert "segfault here" in caplog.text and "status -6" in caplog.text


def test_what_a_parser_prints_does_not_get_between_the_answers(file, instead_of_pillow) -> None:
    instead_of_pillow(
        "print('x' * 100_000, flush=True); from clawdbot_ext.agent.media.errors import MediaError; "
        "raise MediaError('MEDIA_EMPTY')"
    )
    assert refused(api.probe(file(files.png(files.photo(8, 8)), "a.png"))).media_code == "MEDIA_EMPTY"


def test_reading_ends_when_its_time_is_up(file, instead_of_pillow) -> None:
    instead_of_pillow("import time; time.sleep(60)")
    picture = file(files.png(files.photo(8, 8)), "a.png")
    error = refused(worker_client.run(worker_client.job_for(picture, "probe", worker_client.Limits(seconds=0.5))))
    assert error.media_code == "MEDIA_TOO_SLOW" and workers() == []


def test_reading_ends_when_its_processor_time_is_up(file, instead_of_pillow) -> None:
    instead_of_pillow("while True: pass")
    picture = file(files.png(files.photo(8, 8)), "a.png")
    assert (
        refused(
            worker_client.run(worker_client.job_for(picture, "probe", worker_client.Limits(cpu_seconds=1)))
        ).media_code
        == "MEDIA_TOO_SLOW"
    )


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has no limit on a process's memory")
def test_reading_ends_when_it_wants_more_memory_than_allowed(file, instead_of_pillow) -> None:
    instead_of_pillow("x = bytearray(2_000_000_000)")
    error = refused(api.probe(file(files.png(files.photo(8, 8)), "a.png")))
    assert (error.media_code, error.variant) == ("MEDIA_TOO_SLOW", "memory")


def test_a_cancelled_reading_leaves_no_process_and_no_folder(file, instead_of_pillow, tmp_path, monkeypatch) -> None:
    instead_of_pillow("import time; time.sleep(60)")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    picture = file(files.png(files.photo(8, 8)), "a.png")

    async def cancelled() -> None:
        task = asyncio.ensure_future(api.understand(picture, sight=SIGHT, settings=SETTINGS))
        await until(lambda: bool(workers()))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert workers() == []

    run(cancelled())
    assert list((tmp_path / "scratch").iterdir()) == []


def test_the_worker_gets_none_of_our_secrets(monkeypatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "CLAWDBOT_GATEWAY_TOKEN", "JUPYTER_TOKEN", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, "secret")
    assert "secret" not in worker_client.environment().values()


def test_no_more_than_two_files_are_read_at_once(file, instead_of_pillow) -> None:
    instead_of_pillow("import time; time.sleep(60)")
    picture = file(files.png(files.photo(8, 8)), "a.png")

    async def five() -> int:
        tasks = [asyncio.ensure_future(api.probe(picture)) for _ in range(5)]
        await until(lambda: len(workers()) == worker_client.AT_ONCE)
        most = len(workers())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return most

    assert run(five()) == worker_client.AT_ONCE


def test_an_upload_does_not_wait_for_somebody_elses_video(file, tmp_path, instead_of_pillow) -> None:
    instead_of_pillow("import time; time.sleep(60)")
    slow = file(files.png(files.photo(8, 8)), "a.png")

    async def both() -> None:
        tasks = [asyncio.ensure_future(api.understand(slow, sight=SIGHT, settings=SETTINGS)) for _ in range(3)]
        await until(lambda: len(workers()) == worker_client.AT_ONCE)
        (tmp_path / "note").write_text("words", encoding="utf-8")
        note = api.MediaFile(tmp_path / "note", "note.txt", "text/plain", "text", 5, "0" * 64)
        assert (await api.probe(note)).notes == ()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    run(both(), 20)


def test_thumbnails_are_small_and_free_of_metadata(file) -> None:
    picture = files.encoded(files.photo(1200, 900), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0", comment=b"secret")
    small = run(api.thumbnail(file(picture, "a.jpg"), edge=200), 20)
    assert (small.width, small.height, small.mime_type) == (200, 150, "image/webp") and b"secret" not in small.data
    page = run(api.thumbnail(file(files.pdf(["Title"]), "a.pdf"), edge=200), 20)
    assert page.height == 200 and page.width < 200
    assert run(api.thumbnail(file(b"text", "a.txt")), 20) is None


def test_results_are_kept_as_bytes_under_a_key_that_changes_with_what_matters(file, understand) -> None:
    understood = understand(files.png(files.photo(20, 20)), "a.png")
    assert api.unpack(api.pack(understood)) == understood
    with pytest.raises(ValueError, match=r".*"):
        api.unpack(b"rubbish")
    picture = file(files.png(files.photo(20, 20)), "a.png")

    def key(given: api.MediaFile = picture, **more: Any) -> str:
        return api.cache_key(given, **{"sight": SIGHT, "settings": SETTINGS, **more})

    assert key() == key(settings=api.MediaSettings(audio_model="x", audio_api_key="k", pdf_mode="text"))
    assert (
        len(
            {
                key(),
                key(settings=api.MediaSettings(image_max_edge=9)),
                key(sight=api.ModelSight(images=False)),
                key(file(files.png(files.photo(20, 20)), "b.png")),
                key(pages=(1, 2)),
            }
        )
        == 5
    )
    sound = file(files.tone(0.5), "a.wav")
    assert key(sound) == key(sound, settings=api.MediaSettings(audio_api_key="k"))
    assert key(sound) != key(sound, settings=api.MediaSettings(audio_model="x"))


@pytest.mark.slow
def test_the_gateway_never_loads_a_parser() -> None:
    """Start-up and memory stay as they are until, and also after, the first attachment is read."""
    parsers = {"PIL", "av", "pypdfium2", "nbformat", "charset_normalizer", "httpx2", "wave"}
    program = f"import sys, clawdbot_ext.agent.media.api; print(*({parsers} & {{*sys.modules}}))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert loaded.stdout.strip() == ""


def test_without_the_extra_media_a_picture_or_pdf_is_refused_by_its_name(file, monkeypatch) -> None:
    given = [(files.png(files.photo(4, 4)), "a.png"), (files.pdf(["a"]), "a.pdf")]
    for module in ("images", "pdf", "pdf_extras", "pixels"):
        monkeypatch.delitem(sys.modules, f"clawdbot_ext.agent.media.readers.{module}", raising=False)
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    for content, name in given:
        job = worker_client.job_for(file(content, name), "probe", worker_client.Limits())
        with pytest.raises(api.MediaError) as refused:
            worker_main.perform(job, lambda progress: None)
        assert (refused.value.media_code, refused.value.facts["extra"]) == ("MEDIA_NEEDS", "media")
        assert "jupyter-clawdbot[media]" in refused.value.hint_in("ko")
