"""Speech to text by a program of the user's, an HTTP endpoint, or faster-whisper. One function each.

Which one it is says ``media.audio.engine``; ``auto`` takes the first that is set up, in that order. None is no error.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import json
import os
import re
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from . import subtitles, worker_client
from .errors import MediaError
from .mime_types import EXTENSIONS
from .types import MediaSettings, Progress
from .worker_client import Job, Segment, Sound, Transcript

Engine = Literal["command", "http", "whisper"]
OUTPUT_KEPT = 4_000_000
"""Bytes of a program's output that are read; hours of speech stay far below."""
ERRORS_KEPT = 400
"""Characters of its complaint that are shown."""
UPLOAD_AS_IT_IS = 25_000_000
"""Bytes: OpenAI's own limit. Larger ones are sent as plain sound, which a server of one's own may well take."""
_UPLOADED = frozenset({"audio/mpeg", "audio/mp4", "audio/wav", "audio/webm", "audio/ogg", "audio/flac"})
_SECRETS = ("ANTHROPIC_", "CLAWDBOT_", "JUPYTER_TOKEN", "JUPYTERHUB_API_TOKEN", "JPY_API_TOKEN")
"""Variables that the user's program is not given. Its own key (``OPENAI_API_KEY`` …) it has."""


def choose(settings: MediaSettings) -> Engine | None:
    """The engine to use, ``None`` when there is none or it is switched off."""
    ready: dict[Engine, bool] = {
        "command": bool(settings.audio_command),
        "http": bool(settings.audio_url),
        "whisper": importlib.util.find_spec("faster_whisper") is not None,
    }
    if settings.audio_engine != "auto":
        return next((engine for engine in ready if engine == settings.audio_engine), None)
    return next((engine for engine, is_ready in ready.items() if is_ready), None)


async def transcribe(
    engine: Engine, job: Job, sound: Sound, settings: MediaSettings, on_progress: Callable[[Progress], None] | None
) -> Transcript:
    """Transcribe with ``engine``. ``sound.wav`` is the recording as 16 kHz mono, where it could be made.

    Raises:
        MediaError: ``MEDIA_TRANSCRIBER_FAILED``, with what it said; ``MEDIA_NEEDS`` without faster-whisper.
    """
    if on_progress is not None:
        on_progress(Progress("transcribe", None, engine))
    try:
        if engine == "whisper":
            return await _whisper(job, sound, settings, on_progress)
        ask = _command if engine == "command" else _http
        return await asyncio.wait_for(ask(job, sound, settings), settings.audio_timeout_s)
    except asyncio.TimeoutError:
        raise _failed(job, f"no answer within {settings.audio_timeout_s} s") from None


def _failed(job: Job, detail: str) -> MediaError:
    return MediaError("MEDIA_TRANSCRIBER_FAILED", name=job.name, detail=" ".join(detail.split())[-ERRORS_KEPT:])


def _transcript(heard: tuple[Segment, ...] | str, engine: str, sound: Sound, language: str = "") -> Transcript:
    if isinstance(heard, str):
        segments = (Segment(0, sound.duration_ms, " ".join(heard.split())),) if heard.strip() else ()
        return Transcript(segments, engine, language, timed=False)
    return Transcript(heard, engine, language)


# -- a program --------------------------------------------------------------------------------------------------------
async def _command(job: Job, sound: Sound, settings: MediaSettings) -> Transcript:
    """Run ``media.audio.command`` without a shell; what it prints is the transcript.

    ``{{MediaPath}}`` is the file as it was sent, under a harmless name with the right ending; ``{{WavPath}}`` the sound
    as 16 kHz mono; ``{{Language}}`` the setting, ``{{OutputDir}}`` an empty folder that is gone afterwards.
    """
    async with worker_client.scratch() as folder:
        media = Path(folder) / f"media{_ending(job.mime_type)}"
        media.symlink_to(job.path)
        values = {
            "{{MediaPath}}": str(media),
            "{{WavPath}}": sound.wav or str(media),
            "{{OutputDir}}": folder,
            "{{Language}}": settings.audio_language,
        }
        command = [_filled(part, values) for part in settings.audio_command]
        if not any(name in part for part in settings.audio_command for name in ("{{MediaPath}}", "{{WavPath}}")):
            command.append(str(media))
        environment = {name: value for name, value in os.environ.items() if not name.startswith(_SECRETS)}
        try:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, cwd=folder, env=environment, start_new_session=True
            )
        except (OSError, ValueError) as exc:
            raise _failed(job, f"{command[0]}: {exc.strerror if isinstance(exc, OSError) else exc}") from None
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            output, errors = await asyncio.gather(
                _read(process.stdout, OUTPUT_KEPT), _read(process.stderr, OUTPUT_KEPT)
            )
            status = await process.wait()
        finally:
            await worker_client.end(process)
        if status:
            raise _failed(job, f"{Path(command[0]).name}: {errors.strip() or f'exit status {status}'}")
    return _transcript(subtitles.parse(output), _name(command), sound, settings.audio_language)


def _name(command: list[str]) -> str:
    """Name of a program: that of its script or module, not of the interpreter."""
    program, *arguments = command
    if re.fullmatch(r"(python|node|bash|sh|uv|env)[\d.]*", Path(program).name) and arguments:
        first = arguments[1] if arguments[0] == "-m" and len(arguments) > 1 else arguments[0]
        program = program if first.startswith("-") else first
    return Path(program).stem


def _filled(part: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        part = part.replace(name, value)
    return part


def _ending(mime_type: str) -> str:
    return next((f".{ending}" for ending, mime in EXTENSIONS.items() if mime == mime_type), "")


async def _read(stream: asyncio.StreamReader, most: int) -> str:
    """All that comes, of which the first ``most`` bytes are kept."""
    kept = bytearray()
    while piece := await stream.read(65_536):
        kept += piece[: max(0, most - len(kept))]
    return kept.decode("utf-8", "replace")


# -- an HTTP endpoint -------------------------------------------------------------------------------------------------
async def _http(job: Job, sound: Sound, settings: MediaSettings) -> Transcript:
    """Ask a server that speaks OpenAI's ``POST /audio/transcriptions``.

    Segments with times are asked for; a server or model that has none is asked again for plain JSON.
    """
    httpx2 = await asyncio.to_thread(importlib.import_module, "httpx2")
    as_it_is = (job.mime_type in _UPLOADED and job.size <= UPLOAD_AS_IT_IS) or not sound.wav
    path, mime = (job.path, job.mime_type) if as_it_is else (sound.wav, "audio/wav")
    url = settings.audio_url.rstrip("/") + "/audio/transcriptions"
    loopback = (urlsplit(url).hostname or "") in ("localhost", "127.0.0.1", "::1")
    headers = {"Authorization": f"Bearer {settings.audio_api_key}"} if settings.audio_api_key else {}
    model = settings.audio_model or "whisper-1"
    data = {"model": model, **({"language": settings.audio_language} if settings.audio_language else {})}
    timeout = httpx2.Timeout(float(settings.audio_timeout_s), connect=10.0)
    try:
        # No redirects: one would carry the key and the recording elsewhere.
        async with httpx2.AsyncClient(timeout=timeout, follow_redirects=False, trust_env=not loopback) as client:
            response = await _post(client, url, headers, {**data, "response_format": "verbose_json"}, path, mime)
            if response.status_code == 400:
                response = await _post(client, url, headers, {**data, "response_format": "json"}, path, mime)
            answer = _answer(job, response)
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as exc:
        raise _failed(job, f"{urlsplit(url).netloc}: {type(exc).__name__} {exc}") from None
    heard = _heard(job, answer)
    return _transcript(heard, model, sound, str(answer.get("language") or settings.audio_language))


async def _post(client: Any, url: str, headers: dict[str, str], data: dict[str, str], path: str, mime: str) -> Any:
    with open(path, "rb") as file:  # noqa: ASYNC230  # read in small pieces, from the disk cache
        name = f"recording{_ending(mime)}"
        return await client.post(url, headers=headers, data=data, files={"file": (name, file, mime)})


def _answer(job: Job, response: Any) -> dict[str, Any]:
    """The JSON object of an answer; a refusal in the server's own words, never with the key in them."""
    try:
        body = response.json()
    except ValueError:
        body = None
    if response.status_code != 200:
        error = body.get("error") if isinstance(body, dict) else None
        said = error.get("message") if isinstance(error, dict) else error
        raise _failed(job, f"HTTP {response.status_code}: {said or response.reason_phrase}")
    return body if isinstance(body, dict) else {}


def _heard(job: Job, answer: dict[str, Any]) -> tuple[Segment, ...] | str:
    try:
        return subtitles.from_json(answer)
    except ValueError:
        raise _failed(job, f"no transcript in the answer {json.dumps(answer)[:100]}") from None


# -- faster-whisper ---------------------------------------------------------------------------------------------------
async def _whisper(
    job: Job, sound: Sound, settings: MediaSettings, on_progress: Callable[[Progress], None] | None
) -> Transcript:
    """Run faster-whisper in a worker without a limit on memory. Its model is downloaded on first use, with progress."""
    limits = worker_client.Limits(
        seconds=settings.audio_timeout_s, cpu_seconds=settings.audio_timeout_s * (os.cpu_count() or 1), memory=None
    )
    wanted = msgspec.structs.replace(job, task="whisper", limits=limits, sound_to=sound.wav)
    transcript = (await worker_client.run(wanted, on_progress)).transcript
    assert transcript is not None
    return transcript
