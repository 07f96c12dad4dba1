"""The client's side of attachments: files to the gateway by HTTP, or inside the message where that is not possible."""

from __future__ import annotations

import asyncio
import base64
import errno
import hashlib
import json
import mimetypes
import os
import stat
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union
from urllib.parse import quote, unquote, urlencode

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest, HTTPResponse

from ..text_decoding import decode
from .describe import files_of
from .errors import NotUnderstood, TimedOut, Unreachable, from_wire
from .tls import options

if TYPE_CHECKING:
    from .interface import ConnectedClient

AttachmentInput = Any
"""Value that callers attach: a path, bytes, a name and bytes; a frame, a figure, an image, or any other value."""
Ready = Union[str, "PathLike[str]", bytes, tuple[str, bytes]]
"""A file that can be sent: a path, the bytes, or a name and the bytes."""
OnProgress = Callable[[str, float], None]
"""Hears a file's name and how much of it has gone, 0 to 1."""

CHUNK = 256 * 1024
ASK_FIRST = 1_000_000
"""From this size on the gateway is asked whether it has the content already."""
MOST_STREAMED = 1 << 28
"""Bytes that are read of what has no size: a pipe, a file of ``/proc``."""
CONNECT_S = 10.0
ANSWER_S = 120.0
"""Time that the gateway may take to examine a file that has arrived, and to read on in one that arrives."""
ANSWER_BYTES = 1 << 20
"""The largest answer that is no file."""
FILE_BYTES, THUMBNAIL_BYTES = 1 << 31, 1 << 23
"""The largest file, and the largest small picture, that is taken into memory."""
ANY_SIZE = 1 << 62


@dataclass(frozen=True)
class UploadFile:
    """A file that is to be sent; exactly one of ``path`` and ``data`` says where it is."""

    name: str
    size: int
    path: Path | None = None
    data: bytes = b""

    def read(self, start: int, most: int) -> bytes:
        """Up to ``most`` bytes from ``start`` on. Raises ``OSError``."""
        if self.path is None:
            return self.data[start : start + most]
        with self.path.open("rb") as file:
            file.seek(start)
            return file.read(most)

    def sha256(self) -> str:
        digest = hashlib.sha256()
        for start in range(0, self.size, 1 << 20):
            digest.update(self.read(start, 1 << 20))
        return digest.hexdigest()


def ready(given: Sequence[AttachmentInput]) -> list[Ready]:
    """Values as files, in the thread that made them: neither a figure nor a frame may be read in another meanwhile."""
    return [
        file
        for number, each in enumerate(given, 1)
        for file in ([each] if _is_file(each) else files_of(f"value-{number}", each))
    ]


def _is_file(given: AttachmentInput) -> bool:
    pair = isinstance(given, tuple) and len(given) == 2 and isinstance(given[0], str) and isinstance(given[1], bytes)
    return pair or isinstance(given, (str, bytes, PathLike))


def file_of(given: Ready) -> UploadFile:
    """Raises ``OSError`` for a path that cannot be read, or is a folder."""
    if isinstance(given, bytes):
        return UploadFile("file", len(given), data=given)
    if isinstance(given, tuple):
        name, data = given
        return UploadFile(name, len(data), data=data)
    path = Path(fspath(given)).expanduser()
    name = decode(os.fsencode(path.name)).text  # a name that is no UTF-8 is decoded as a text would be
    with path.open("rb") as file:
        about = os.fstat(file.fileno())
        if stat.S_ISREG(about.st_mode) and about.st_size:
            return UploadFile(name, about.st_size, path)
        data = file.read(MOST_STREAMED + 1)  # a pipe, or a file of /proc: its size is not known before
    if len(data) > MOST_STREAMED:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return UploadFile("input" if path.parent.name == "fd" else name, len(data), data=data)


async def attach(
    client: ConnectedClient, given: Sequence[AttachmentInput], on_progress: OnProgress | None = None
) -> list[dict[str, Any]]:
    """Send files to the gateway; what ``chat.send`` takes as ``attachments``. Cancel the task to stop.

    Clawdbot's own gateway, and one whose password does not fit into a header, get them inside the message.

    Raises:
        GatewayError: a file was refused; ``facts`` has the hint. ``Unreachable``. ``TimedOut``: the gateway reads no
            further, or does not answer; it may be sent again. ``OSError``: it cannot be read.
    """
    files = [await asyncio.to_thread(file_of, each) for each in ready(given)]
    by_http = client.bearer and "media.limits" in client.hello.get("features", {}).get("methods", ())
    if not by_http:
        return [await asyncio.to_thread(_inside, file) for file in files]
    return [{"mediaId": (await upload(client, file, on_progress))["mediaId"]} for file in files]


def _inside(file: UploadFile) -> dict[str, Any]:
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return {
        "type": kind.partition("/")[0],
        "mimeType": kind,
        "fileName": file.name,
        "content": base64.b64encode(file.read(0, file.size)).decode(),
    }


async def upload(client: ConnectedClient, file: UploadFile, on_progress: OnProgress | None = None) -> Mapping[str, Any]:
    """``POST media``: what the gateway knows of the file then. Raises as ``attach``."""
    told = on_progress or (lambda name, part: None)
    sending, moved = True, time.monotonic()
    headers = {**client.bearer, "Content-Type": mimetypes.guess_type(file.name)[0] or "application/octet-stream"}
    if client.locale:
        headers["Accept-Language"] = client.locale  # of a refusal
    if file.size >= ASK_FIRST:
        sha256 = await asyncio.to_thread(file.sha256)
        if known := await _known(client, sha256, file.name):
            told(file.name, 1.0)
            return {"mediaId": known, "name": file.name, "size": file.size}
        headers["X-Clawdbot-Sha256"] = sha256

    async def produce(write: Callable[[bytes], Any]) -> None:
        nonlocal moved
        for start in range(0, file.size, CHUNK):
            if not sending:
                raise ConnectionAbortedError("cancelled")
            await write(await asyncio.to_thread(file.read, start, CHUNK))
            moved = time.monotonic()
            told(file.name, min(1.0, (start + CHUNK) / file.size))

    headers["Content-Length"] = str(file.size)
    url = f"{client.endpoint.page_url}media?name={quote(file.name, safe='')}"
    try:
        producer: Any = produce  # Tornado's type has forgotten that writing is awaited
        request = HTTPRequest(
            url, "POST", headers=headers, body_producer=producer, connect_timeout=CONNECT_S, request_timeout=0
        )
        response = await _while_it_moves(_fetch(client, request), lambda: moved)
    finally:
        sending = False
    answer = _json(response)
    if response.code == 599:  # cut off, or larger than an answer may be
        raise Unreachable(client.endpoint.page_url, str(response.error))
    if response.code not in (200, 201):
        raise from_wire(answer.get("error") or {"message": f"HTTP {response.code}"})
    if not isinstance(answer.get("mediaId"), str):
        raise NotUnderstood("an upload without a mediaId")
    return answer


async def _while_it_moves(work: Coroutine[Any, Any, HTTPResponse], moved: Callable[[], float]) -> HTTPResponse:
    """The outcome of an upload, however long it takes, as long as the gateway reads on and then answers.

    Raises ``TimedOut``: nothing has happened for ``ANSWER_S``."""
    task = asyncio.ensure_future(work)
    try:
        while not task.done():
            left = moved() + ANSWER_S - time.monotonic()
            if left <= 0:
                raise TimedOut("media", ANSWER_S)
            await asyncio.wait({task}, timeout=left)
        return task.result()
    finally:
        task.cancel()


async def _known(client: ConnectedClient, sha256: str, name: str) -> str | None:
    """The id of what the gateway has with that content under that name."""
    url = f"{client.endpoint.page_url}media/{sha256}"
    response = await _fetch(client, HTTPRequest(url, "HEAD", headers=client.bearer, connect_timeout=CONNECT_S))
    if response.code != 200:
        return None
    stored = unquote(response.headers.get("Content-Disposition", "").partition("filename*=UTF-8''")[2])
    return response.headers.get("X-Clawdbot-Media-Id") if stored == name else None


async def download(client: ConnectedClient, media_id: str, *, thumbnail: bool = False) -> bytes:
    """The bytes of a file, or a small picture of it. Raises ``GatewayError`` (``NotFound``), ``Unreachable``."""
    url = f"{client.endpoint.page_url}media/{quote(media_id, safe='')}{'/thumbnail' if thumbnail else ''}"
    response = await _fetch(
        client,
        HTTPRequest(url, headers=client.bearer, connect_timeout=CONNECT_S, request_timeout=ANSWER_S),
        THUMBNAIL_BYTES if thumbnail else FILE_BYTES,
    )
    if response.code == 599:
        raise Unreachable(client.endpoint.page_url, str(response.error))
    if response.code != 200:
        raise from_wire(_json(response).get("error") or {"message": f"HTTP {response.code}"})
    return response.body


async def export(
    client: ConnectedClient,
    write: Callable[[bytes], Any],
    *,
    key: str | None = None,
    session_id: str | None = None,
    form: str = "markdown",
    embed: bool = False,
) -> None:
    """Give a conversation as a file to ``write``, piece by piece; it may have any size.

    A gateway that does not send files, as Clawdbot's own, gives it in one frame, which bounds it.

    Raises:
        GatewayError: ``NotFound``; ``TooLarge`` in one frame. ``Unreachable``: also in the middle of the file.
    """
    which = {"sessionId": session_id} if session_id else {"key": key or "main"}
    status, refused = 0, bytearray()

    def header(line: str) -> None:
        nonlocal status
        if line.startswith("HTTP/"):
            status = int(line.split()[1])

    def piece(data: bytes) -> None:
        if status == 200:
            write(data)
        elif len(refused) < CHUNK:
            refused.extend(data)

    if client.bearer:
        query = urlencode({**which, "format": form, "embed": "1" if embed else "0"})
        response = await _fetch(
            client,
            HTTPRequest(
                f"{client.endpoint.page_url}export?{query}",
                headers=client.bearer,
                connect_timeout=CONNECT_S,
                request_timeout=0,
                header_callback=header,
                streaming_callback=piece,
            ),
            ANY_SIZE,
        )
        if response.code == 599:  # cut off, before or in the middle
            raise Unreachable(client.endpoint.page_url, str(response.error))
        if status == 200:
            return
        if status != 404 or b'"error": {' in refused:
            raise from_wire(_parsed(bytes(refused)).get("error") or {"message": f"HTTP {status}"})
    made = await client.request("sessions.export", {**which, "format": form, "embed": embed})
    write(str(made["content"]).encode("utf-8", "replace"))


async def _fetch(client: ConnectedClient, request: HTTPRequest, most: int = ANSWER_BYTES) -> HTTPResponse:
    """The answer, of at most so many bytes. Nothing is unpacked, which has no bound; no other address is asked."""
    request.decompress_response = request.follow_redirects = False
    http = AsyncHTTPClient(force_instance=True, max_body_size=most, defaults=options(client.endpoint))
    try:
        return await http.fetch(request, raise_error=False)
    except (HTTPClientError, OSError) as exc:
        raise Unreachable(client.endpoint.page_url, str(exc)) from exc
    finally:
        http.close()


def _json(response: HTTPResponse) -> dict[str, Any]:
    return _parsed(response.body)


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}
