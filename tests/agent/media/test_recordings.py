"""Recordings and video: what is measured, what is heard by whom, which frames are seen."""

from __future__ import annotations

import asyncio
import io
import re
import sys
import textwrap
from pathlib import Path

import msgspec
import psutil
import pytest
from PIL import Image

from clawdbot_ext.agent.media import api, subtitles
from clawdbot_ext.agent.media.readers.video import Look, _is_cut, choose
from clawdbot_ext.agent.media.worker_client import Segment
from clawdbot_ext.protocol.clock import now_ms
from tests.agent.media.conftest import BLIND, codes, pictures, told
from tests.support import files
from tests.support.aio import until
from tests.support.transcription_api import TranscriptionAPI

RECOGNISE = Path(__file__).parents[2] / "support" / "recognise.py"
SPOKEN = "close every window"


@pytest.fixture(scope="module")
def spoken(tmp_path_factory) -> dict[str, Path]:
    """The same words as WAV, MP3 and M4A."""
    folder = tmp_path_factory.mktemp("speech")
    return {ending: files.speech(folder / f"speech.{ending}", SPOKEN) for ending in ("wav", "mp3", "m4a")}


@pytest.fixture(scope="module")
def talk(tmp_path_factory, spoken) -> Path:
    """Three scenes of a second, with the words under them."""
    path = tmp_path_factory.mktemp("clip") / "talk.mp4"
    return files.clip(path, ["red", "blue", "white"], sound=spoken["wav"])


def by_program(*command: str, **more) -> api.MediaSettings:
    return api.MediaSettings(audio_engine="command", audio_command=command, **more)


def script(folder: Path, source: str) -> tuple[str, str]:
    path = folder / "engine.py"
    path.write_text(textwrap.dedent(source), encoding="utf-8")
    return sys.executable, str(path)


# -- what is measured -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("ending", "codec"), [("wav", "PCM 16 bit"), ("mp3", "mp3"), ("m4a", "aac")])
def test_a_recording_has_length_and_codec(probe, spoken, ending: str, codec: str) -> None:
    facts = probe(spoken[ending], f"a.{ending}")
    assert facts.codec == codec and 1200 < facts.duration_ms < 3000


def test_without_a_transcriber_the_model_knows_that_it_is_deaf_and_the_user_how_to_change_that(understand) -> None:
    understood = understand(files.tone(2.0, loud=0.5), "tone.wav", settings=api.MediaSettings(audio_engine="off"))
    assert "Duration 0:02.0, PCM 16 bit, 16000 Hz, mono, loudness -6 dBFS (peak -6)." in told(understood)
    assert "You cannot hear this recording" in told(understood)
    assert codes(understood) == ["cannot_hear"] and "[audio]" in understood.notes[0].text("ko")


def test_silence_is_called_silence_and_nobody_is_asked_what_it_says(understand) -> None:
    understood = understand(files.tone(1.0, loud=0), "a.wav", settings=by_program("/no/such/program"))
    assert codes(understood) == ["silent"] and "silence" in told(understood)


@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        (files.tone(0), "a.wav", "MEDIA_NO_DURATION"),
        (b"RIFF\x24\0\0\0WAVEfmt " + bytes(4), "a.wav", "MEDIA_CORRUPT"),
        (b"ID3\x04\0\0\0\0\0\0" + bytes(5000), "a.mp3", "MEDIA_CORRUPT"),
    ],
    ids=["0 s", "no wav", "no mp3"],
)
def test_a_recording_of_nothing_says_so(probe, content: bytes, name: str, code: str) -> None:
    with pytest.raises(api.MediaError) as refused:
        probe(content, name)
    assert refused.value.media_code == code


def test_a_cut_recording_is_used_up_to_the_cut(understand, spoken) -> None:
    off = api.MediaSettings(audio_engine="off")
    for ending in ("wav", "mp3"):
        data = spoken[ending].read_bytes()
        understood = understand(data[: len(data) // 2], f"a.{ending}", settings=off)
        assert codes(understood) == ["cut_short", "cannot_hear"]


def test_an_mp4_without_its_index_is_incomplete(probe, spoken, talk) -> None:
    for path, name in ((spoken["m4a"], "a.m4a"), (talk, "a.mp4")):
        with pytest.raises(api.MediaError) as refused:
            probe(path.read_bytes()[:3000], name)
        assert refused.value.media_code == "MEDIA_TRUNCATED"


# -- what is heard ----------------------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.parametrize("ending", ["wav", "mp3", "m4a"])
def test_a_real_engine_hears_what_is_said_and_when(understand, spoken, ending: str) -> None:
    understood = understand(
        spoken[ending], f"a.{ending}", settings=by_program(sys.executable, str(RECOGNISE), "{{WavPath}}")
    )
    heard = re.findall(r"^\[0:0(\d\.\d)] (\w+)$", told(understood), re.MULTILINE)
    assert [word for _, word in heard] == SPOKEN.split() and heard == sorted(heard)
    assert understood.transcriber == "recognise" and understood.notes == ()


def test_the_program_gets_a_harmless_name_no_shell_and_no_secrets(understand, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
    monkeypatch.setenv("CLAWDBOT_GATEWAY_TOKEN", "secret")
    monkeypatch.setenv("MY_ENGINE_KEY", "mine")
    engine = script(
        tmp_path,
        """
        import os, sys
        secrets = [name for name in os.environ if name.startswith(("ANTHROPIC_", "CLAWDBOT_"))]
        print(sys.argv[1:-2], os.path.basename(sys.argv[-2]), open(sys.argv[-2], "rb").read(4), sys.argv[-1], secrets,
              os.environ["MY_ENGINE_KEY"])""",
    )
    understood = understand(
        files.tone(0.5),
        "$(touch x); rm -rf.wav",
        settings=by_program(*engine, "; echo $HOME", "{{MediaPath}}", "{{Language}}", audio_language="ko"),
    )
    assert "['; echo $HOME'] media.wav b'RIFF' ko [] mine" in told(understood)


@pytest.mark.parametrize(
    ("command", "detail"),
    [
        (("/no/such/program",), "No such file"),
        ((sys.executable, "-c", "import sys; sys.exit('model file missing')"), "model file missing"),
        ((sys.executable, "-c", "raise SystemExit(3)"), "exit status 3"),
    ],
    ids=["missing", "says why", "status"],
)
def test_a_program_that_fails_costs_only_the_transcript(understand, command: tuple[str, ...], detail: str) -> None:
    understood = understand(files.tone(0.5), "a.wav", settings=by_program(*command))
    assert codes(understood) == ["transcriber_failed"] and detail in understood.notes[0].text("en")
    assert "Say so rather than guess" in told(understood)
    assert not understood.expired(now_ms()) and understood.expired(now_ms() + 3_600_000)


def test_a_machine_without_pyav_measures_wav_and_says_what_it_lacks(understand, tmp_path, monkeypatch) -> None:
    (tmp_path / "av.py").write_text("raise ImportError", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    off = api.MediaSettings(audio_engine="off")
    assert "Duration 0:02.0, PCM 16 bit" in told(understand(files.tone(2.0), "a.wav", settings=off))
    mp3 = understand(b"ID3\x04\0\0\0\0\0\0" + bytes(500), "a.mp3", settings=off)
    assert codes(mp3) == ["no_audio_reader"] and "cannot hear it" in told(mp3)
    clip = understand(b"\x00\x00\x00\x20ftypisom" + bytes(500), "a.mp4", settings=off)
    assert codes(clip) == ["no_video_reader"]
    for note in (*mp3.notes, *clip.notes):
        assert all("pip install 'jupyter-clawdbot[media]'" in note.text(locale) for locale in ("en", "ko"))


def test_a_program_that_hangs_is_ended_with_its_children(understand, tmp_path) -> None:
    hanging = ("sh", "-c", f"sleep 60 & echo $! > '{tmp_path / 'pid'}'; wait", "engine")
    understood = understand(files.tone(0.5), "a.wav", settings=by_program(*hanging, audio_timeout_s=2))
    assert "within 2 s" in understood.notes[0].facts["detail"]
    child = int((tmp_path / "pid").read_text())
    asyncio.run(until(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == "zombie"))


def test_a_transcript_beyond_the_budget_is_cut_and_says_where(understand, tmp_path) -> None:
    engine = script(
        tmp_path,
        """
        for minute in range(100):
            print(f"[{minute:02}:00.000 --> {minute:02}:59.000] something is said in this minute")""",
    )
    sight = msgspec.structs.replace(api.ModelSight(), tokens=400)
    understood = understand(files.tone(0.5), "a.wav", sight=sight, settings=by_program(*engine))
    assert codes(understood) == ["transcript_trimmed"] and understood.blocks[0].truncated
    assert "[3:00.0] something" in told(understood) and "[99:00" not in told(understood)


def test_a_recording_over_the_limit_is_not_transcribed(understand) -> None:
    understood = understand(
        files.tone(61, loud=0.3, rate=8000), "a.wav", settings=by_program("/no/such/program", audio_max_minutes=1)
    )
    assert codes(understood) == ["too_long_to_hear"]


@pytest.mark.parametrize(
    "output",
    [
        "1\n00:00:01,000 --> 00:00:02,500\nhello\n\n2\n00:01:00,000 --> 00:01:02,000\nworld",
        "WEBVTT\n\n00:01.000 --> 00:02.500\nhello\n\n01:00.000 --> 01:02.000 align:start\nworld",
        "[00:01.000 --> 00:02.500]  hello\n[01:00.000 --> 01:02.000]  world",
        '{"segments": [{"start": 1.0, "end": 2.5, "text": " hello"}, {"start": 60, "end": 62, "text": "world"}]}',
    ],
    ids=["srt", "vtt", "whisper", "json"],
)
def test_what_recognisers_print_is_understood(output: str) -> None:
    heard = subtitles.parse(output)
    assert [(s.start_ms, s.text.replace("align:start ", "")) for s in heard] == [(1000, "hello"), (60_000, "world")]
    assert isinstance(heard[0], Segment)


def test_plain_words_are_a_transcript_too() -> None:
    assert subtitles.parse("  hello world \n") == "hello world"
    assert subtitles.parse('{"text": " hello "}') == "hello"
    assert subtitles.parse("{broken") == "{broken"


def by_server(server: TranscriptionAPI, **more) -> api.MediaSettings:
    return api.MediaSettings(audio_url=server.url, audio_api_key="sk-hush", **more)


def test_a_server_that_speaks_openais_api_is_asked(understand, spoken) -> None:
    answer = {"text": "x", "language": "english", "segments": [{"start": 0.0, "end": 1.2, "text": "run every cell"}]}
    with TranscriptionAPI([(200, answer)]) as server:
        understood = understand(
            spoken["mp3"], "a.mp3", settings=by_server(server, audio_model="big-ear", audio_language="en")
        )
    call = server.calls[0]
    assert call.path == "/v1/audio/transcriptions" and call.headers["Authorization"] == "Bearer sk-hush"
    assert call.fields == {"model": "big-ear", "response_format": "verbose_json", "language": "en"}
    assert call.file == spoken["mp3"].read_bytes() and call.file_name == "recording.mp3"
    assert "[0:00.0] run every cell" in told(understood) and "language english" in told(understood)
    assert understood.transcriber == "big-ear"


def test_a_server_without_times_is_asked_for_plain_text(understand, spoken) -> None:
    refusal = (400, {"error": {"message": "response_format verbose_json is not supported"}})
    with TranscriptionAPI([refusal, (200, {"text": "run every cell"})]) as server:
        understood = understand(spoken["wav"], "a.wav", settings=by_server(server))
    assert [call.fields["response_format"] for call in server.calls] == ["verbose_json", "json"]
    assert "\nrun every cell\n" in told(understood)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((401, {"error": {"message": "bad key"}}), "HTTP 401: bad key"),
        ((500, "oops"), "HTTP 500"),
        ((200, {"unexpected": 1}), "no transcript in the answer"),
    ],
)
def test_a_server_that_refuses_is_quoted(understand, answer, said: str) -> None:
    with TranscriptionAPI([answer]) as server:
        understood = understand(files.tone(0.5), "a.wav", settings=by_server(server))
    detail = understood.notes[0].facts["detail"]
    assert said in detail and "sk-hush" not in detail


def test_a_server_that_is_not_there_is_named(understand) -> None:
    settings = api.MediaSettings(audio_url="http://127.0.0.1:9/v1")
    understood = understand(files.tone(0.5), "a.wav", settings=settings)
    assert "127.0.0.1:9: ConnectError" in understood.notes[0].facts["detail"]


FASTER_WHISPER = """
    import collections
    Segment = collections.namedtuple("Segment", "start end text")
    Info = collections.namedtuple("Info", "duration language")

    class WhisperModel:
        def __init__(self, name, device, compute_type):
            if name == "missing":
                raise ValueError("no such model")
            self.said = f" {name} on {device}"

        def transcribe(self, path, language, vad_filter):
            assert open(path, "rb").read(4) == b"RIFF"
            return iter([Segment(0.0, 1.0, self.said)]), Info(1.0, language or "en")
"""


@pytest.fixture
def whisper(tmp_path, monkeypatch) -> None:
    """A package in faster-whisper's place: the real one's model is 480 MB of download. All up to its loader is real."""
    (tmp_path / "faster_whisper.py").write_text(textwrap.dedent(FASTER_WHISPER), encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("whisper")
def test_faster_whisper_is_used_where_it_is_installed(understand) -> None:
    steps = []
    settings = api.MediaSettings(audio_model="tiny", audio_device="cpu", audio_language="ko")
    understood = understand(files.tone(1.0), "a.wav", settings=settings, on_progress=steps.append)
    assert "[0:00.0] tiny on cpu" in told(understood) and understood.transcriber == "faster-whisper tiny"
    assert [(step.stage, step.fraction) for step in steps] == [
        ("transcribe", None),
        ("download", None),
        ("transcribe", 1.0),
    ]
    failed = understand(files.tone(1.0), "a.wav", settings=api.MediaSettings(audio_model="missing"))
    assert "no such model" in failed.notes[0].facts["detail"]


def test_faster_whisper_that_is_asked_for_and_absent_is_named(understand) -> None:
    understood = understand(files.tone(0.5), "a.wav", settings=api.MediaSettings(audio_engine="whisper"))
    assert codes(understood) == ["transcriber_failed"] and "[audio]" in understood.notes[0].text("en")


# -- what is seen -----------------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_a_video_goes_as_a_frame_of_each_scene_with_times_and_what_is_said(understand, talk) -> None:
    understood = understand(talk, "talk.mp4", settings=by_program(sys.executable, str(RECOGNISE), "{{WavPath}}"))
    text = told(understood)
    assert "A video of 0:03.0, 320 × 180 pixels, h264." in text
    assert "The picture changes abruptly at 0:01.0, 0:02.0." in text
    assert [picture.label for picture in pictures(understood)][:3] == ["0:00.0", "0:01.0", "0:02.0"]
    colours = [Image.open(io.BytesIO(picture.data)).getpixel((160, 90)) for picture in pictures(understood)]
    assert [max(range(3), key=lambda i: colour[i]) for colour in colours[:2]] == [0, 2] and min(colours[2]) > 200
    assert text.index("[frame at 0:02.0]") < text.index("Its sound:") < text.index("] close")
    assert understood.facts.duration_ms == 3000 and codes(understood) == ["frames"]


def test_a_clip_filmed_upright_is_seen_upright(tmp_path, probe, read, talk) -> None:
    turned = tmp_path / "phone.mov"
    files.ffmpeg("-i", str(talk), "-c", "copy", "-metadata:s:v", "rotate=90", str(turned))
    facts = probe(turned, "phone.mov")
    if facts.width == 320:  # newer FFmpeg programs want it said in another way
        files.ffmpeg("-display_rotation", "90", "-i", str(talk), "-c", "copy", str(turned))
        facts = probe(turned, "phone.mov")
    assert (facts.width, facts.height) == (180, 320)
    sent = pictures(read(turned, "phone.mov"))[0]
    assert (sent.width, sent.height) == (180, 320)


def test_frames_stay_within_setting_and_budget(read, talk) -> None:
    assert len(pictures(read(talk, "a.mp4", settings=api.MediaSettings(video_max_frames=2)))) == 2
    small = read(talk, "a.mp4", sight=msgspec.structs.replace(api.ModelSight(), tokens=1200))
    assert len(pictures(small)) == 2 and small.tokens < 1000
    assert pictures(read(talk, "a.mp4", sight=BLIND)) == []


def test_a_video_without_sound_and_one_without_pictures(tmp_path, understand, spoken) -> None:
    off = api.MediaSettings(audio_engine="off")
    mute = files.clip(tmp_path / "mute.webm", ["green"])
    assert "The video has no sound." in told(understand(mute, "mute.webm", settings=off))
    only_sound = tmp_path / "sound.mp4"
    files.ffmpeg("-i", str(spoken["wav"]), str(only_sound))
    understood = understand(only_sound, "sound.mp4", settings=off)
    assert "A video file without pictures." in told(understood) and "Its sound: Duration" in told(understood)


def test_frames_are_chosen_at_the_greatest_changes_and_then_in_the_longest_gaps() -> None:
    still = [Look(ms, 0.0) for ms in range(0, 60_000, 1000)]
    assert choose(still, 4) == [0, 29_000, 44_000, 59_000]
    cuts = [Look(look.ms, 90.0 if look.ms in (7000, 41_000) else 3.0) for look in still]
    assert choose(cuts, 3) == [0, 7000, 41_000]
    assert choose(cuts, 2)[0] == 0 and len(choose(cuts, 1)) == 1 and choose([], 3) == []


@pytest.mark.parametrize("name", ["song.m4a", "song.mp4"])
def test_a_recording_with_a_cover_is_a_recording_whatever_its_brand(tmp_path, read, probe, name: str) -> None:
    (tmp_path / "tone.wav").write_bytes(files.tone(1))
    (tmp_path / "cover.png").write_bytes(files.png(files.photo(40, 30)))
    inputs = ("-i", str(tmp_path / "tone.wav"), "-i", str(tmp_path / "cover.png"), "-map", "0", "-map", "1")
    song = tmp_path / name
    files.ffmpeg(*inputs, "-c:a", "aac", "-c:v", "png", "-disposition:v", "attached_pic", "-f", "mp4", str(song))
    assert probe(song, name).duration_ms == pytest.approx(1000, abs=100)
    understood = read(song, name)
    assert codes(understood) == [] and not pictures(understood)


def test_a_video_is_damaged_where_pictures_and_sound_end_and_not_where_one_does(tmp_path, read) -> None:
    (tmp_path / "tone.wav").write_bytes(files.tone(1))
    clip = files.clip(tmp_path / "clip.mkv", ["red", "blue", "white"], sound=tmp_path / "tone.wav")
    assert codes(read(clip, "clip.mkv")) == ["frames"]
    late = tmp_path / "late.mkv"
    files.ffmpeg("-i", str(clip), "-c", "copy", "-output_ts_offset", "3600", str(late))
    assert read(late, "late.mkv").facts.duration_ms == pytest.approx(3000, abs=150)
    whole = files.clip(tmp_path / "noise.mkv", ["red", "blue", "white"], 2.0).read_bytes()
    cut = read(whole[: len(whole) * 2 // 3], "cut.mkv")
    assert codes(cut) == ["frames", "cut_short"] and cut.facts.duration_ms == pytest.approx(6000, abs=150)


def test_of_a_long_video_the_gaps_between_key_frames_say_nothing() -> None:
    sparse = [Look(0, 0.0), Look(200_000, 1.0)]
    dense = [Look(ms, 0.0) for ms in range(0, 200_000, 2000)]
    assert not _is_cut(sparse, 0, 300_000) and _is_cut(dense, 0, 300_000)
    assert not _is_cut(dense, 299_000, 300_000) and _is_cut(sparse[:1], 1700, 300_000)
