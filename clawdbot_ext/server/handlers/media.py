"""The HTTP side of attachments: ``POST media`` uploads a file, ``GET media/<id>`` returns it.

    POST  media?name=…            the raw bytes; 201 (200: it was here already) with what is known of the file
    HEAD  media/<id or sha256>    whether the file exists; ``X-Clawdbot-Media-Id`` has its id, against sending it twice
    GET   media/<id>              with Range; ``media/<id>/thumbnail`` a small picture of it
    GET   media/<id>.<n>          a picture that was made of it for the model (``media.saw``)

A file that is refused during its upload is still read to its end and discarded, since a client that is sending does
not see a response; only a body larger than any allowed file is cut off.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any
from urllib.parse import quote

from jupyter_server.auth.decorator import allow_unauthenticated
from tornado import web
from tornado.routing import PathMatches, Rule

from ...agent.media.api import ImageBlock
from ...gateway import error_texts
from ...gateway.access.identity import Identity
from ...gateway.access.policy import require
from ...gateway.access.scopes import expand
from ...gateway.gateway import Gateway
from ...gateway.media.attachments import described, explained, owner_of
from ...gateway.media.preparation import last_prepared
from ...gateway.media.upload import Upload
from ...protocol.errors import (
    GatewayError,
    InvalidRequest,
    MissingScope,
    NotFound,
    RateLimited,
    StorageFull,
    SwitchedOff,
    TooLarge,
    Unauthorized,
    Unavailable,
)
from ...protocol.schema import SCOPE_READ, SCOPE_WRITE
from ...store.api import Media
from ..net.body_pace import PacedHandler, cut_off
from .base import BaseHandler, unavailable

MEDIA_CSP = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
"""Policy for a file that is opened as a page: no scripts, no network, no origin."""
INLINE = frozenset(
    {
        "image/png",
        "image/jpeg",
        "image/gif",
        "image/webp",
        "image/avif",
        "image/bmp",
        "audio/mpeg",
        "audio/wav",
        "audio/mp4",
        "audio/aac",
        "audio/flac",
        "audio/ogg",
        "audio/webm",
        "video/mp4",
        "video/quicktime",
        "video/webm",
        "video/ogg",
    }
)
"""Types that a browser shows and that cannot contain a program; all others are downloads (SVG is one of them)."""
DRAINED = 2
"""Multiple of the largest allowed file up to which a refused body is read to its end."""
CACHE = "private, max-age=86400, immutable"
"""The content of an id never changes; a shared cache must not keep it."""
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


def status_of(error: GatewayError) -> int:
    """Return the HTTP status of an error."""
    own: int | None = getattr(error, "status", None)  # of a MediaError
    if own is not None:
        return own
    table: tuple[tuple[type[GatewayError], int], ...] = (
        (RateLimited, 429),
        (StorageFull, 507),
        (TooLarge, 413),
        (Unavailable, 503),
        (Unauthorized, 401),
        (SwitchedOff, 403),
        (MissingScope, 403),
        (NotFound, 410 if error.reason == "MEDIA_REMOVED" else 404),
    )
    return next((status for kind, status in table if isinstance(error, kind)), 400)


class MediaRoute(BaseHandler):
    """Base of the media routes: authorization, and errors in the form of the WebSocket protocol."""

    access = "user"
    identity: Identity

    def write_gateway_error(self, error: GatewayError) -> None:
        """Answer with an error: ``{error: {code, message, details: {reason, hint …}}}``."""
        status = status_of(error)
        self.set_status(status)
        locale = self.context.locale(self.request)
        wire = error_texts.to_wire(explained(error, locale), locale)
        if hint := wire.get("details", {}).get("hint"):
            wire["hint"] = hint
        if error.retry_after_ms is not None:
            self.set_header("Retry-After", str(-(-error.retry_after_ms // 1000)))
        self.finish({"error": wire})

    def reject_anonymous(self) -> None:
        self.write_gateway_error(Unauthorized("log in first"))

    def authorized_gateway(self, scope: str = SCOPE_READ) -> Gateway | None:
        """Return the gateway if the client has ``scope``; ``None`` if an error has been written."""
        if scope not in expand(self.identity.scopes):
            self.write_gateway_error(MissingScope(f"missing scope: {scope}", scope=scope))
            return None
        if self.context.gateway is None:
            unavailable(self)
        return self.context.gateway


@web.stream_request_body
class MediaUpload(PacedHandler, MediaRoute):
    """``POST media``."""

    _upload: Upload | None = None
    _gateway: Gateway
    _refusal: GatewayError | None = None
    _finishing: asyncio.Task[Media] | None = None
    _leaving: asyncio.Task[None] | None = None

    async def prepare(self, **options: Any) -> None:
        """Start the upload once the headers are here. Our own server checks the pace of all bodies, another none."""
        await super().prepare()
        if not self._finished:
            await self._begin()
        if not self._finished and self.authenticator.mount == "jupyter":
            self.begin_pace()

    async def _begin(self) -> None:
        """Start the upload. A body refused by its size alone is not read."""
        gateway = self.authorized_gateway(SCOPE_WRITE)
        if gateway is None:
            return
        self._gateway = gateway
        claimed = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        length = self.request.headers.get("Content-Length", "")
        size = int(length) if length.isdigit() else None
        largest = self._gateway.services.media.limits().largest
        sha256 = self.request.headers.get("X-Clawdbot-Sha256")
        self.request.connection.set_max_body_size(largest * DRAINED)  # type: ignore[union-attr]  # HTTP/1
        try:
            require(gateway.services.config(), "uploads")
            if self.request.headers.get("Content-Encoding", "identity") != "identity":
                raise InvalidRequest("send the bytes as they are, without Content-Encoding", reason="ENCODED")
            self._upload = self._gateway.services.media.receive(
                name=self.get_query_argument("name", "", strip=False),
                owner=owner_of(self.identity),
                size=size,
                sha256=sha256,
                claimed=claimed or None,
            )
            self._upload.on_end = lambda: cut_off(self.request.connection)
        except GatewayError as exc:
            self._refusal = exc
            if size is not None and size > largest * DRAINED:
                self.write_gateway_error(exc)

    async def data_received(self, chunk: bytes) -> None:
        await self.paced(chunk, self._receive(chunk))

    async def _receive(self, chunk: bytes) -> None:
        if self._upload is None or self._refusal is not None:
            return
        try:
            await self._upload.write(chunk)
        except GatewayError as exc:
            self._refusal = exc
            await self._give_up()

    @allow_unauthenticated  # not by Jupyter: ``prepare`` has decided, as in the other media routes
    async def post(self) -> None:
        """Finish the upload once the body is complete."""
        self.end_pace()
        if self._refusal is not None:
            self.write_gateway_error(self._refusal)
            return
        upload = self._upload
        assert upload is not None
        self._finishing = asyncio.ensure_future(upload.finish())
        try:
            try:
                media = await self._finishing
            finally:
                await self._give_up()  # before the answer: who has it may look
        except GatewayError as exc:
            self.write_gateway_error(exc)
            return
        self.set_status(200 if upload.existed else 201)
        self.finish(described(media, self.context.locale(self.request)))

    async def _give_up(self) -> None:
        upload, self._upload = self._upload, None
        if upload is not None:
            await self._gateway.services.media.discard(upload)

    def on_connection_close(self) -> None:
        """Discard the file when the client has disconnected or cancelled."""
        self.end_pace()
        if self._finishing is not None:
            self._finishing.cancel()
        self._leaving = asyncio.ensure_future(self._give_up())


class MediaDownload(MediaRoute, web.StaticFileHandler):
    """``GET`` and ``HEAD`` of one file; ranges and conditions are Tornado's."""

    _media: Media

    def initialize(self, **facts: Any) -> None:  # type: ignore[override]  # what the route gives
        BaseHandler.initialize(self, **facts)
        self.root, self.default_filename = "/", None

    @allow_unauthenticated
    async def get(self, id_: str) -> None:  # type: ignore[override]
        await self._send(id_)

    @allow_unauthenticated
    async def head(self, id_: str) -> None:
        await self._send(id_, include_body=False)

    async def _send(self, id_: str, *, include_body: bool = True) -> None:
        gateway = self.authorized_gateway()
        if gateway is None:
            return
        try:
            self._media = await self._find(gateway, id_, self.identity)
            path = await gateway.services.media.path(self._media)
        except GatewayError as exc:
            self.write_gateway_error(exc)
            return
        await web.StaticFileHandler.get(self, str(path), include_body)

    async def _find(self, gateway: Gateway, id_: str, identity: Identity) -> Media:
        """Find a file by id, or by hash among the same user's files. Raises ``NotFound``."""
        if not _SHA256.fullmatch(id_):
            return await gateway.services.media.get(id_, owner_of(identity))
        media = await gateway.services.media.offered(id_.lower(), owner_of(identity))
        if media is None:
            raise NotFound("nothing with that content", reason="MEDIA_NOT_FOUND")
        return media

    # -- hooks of Tornado ---------------------------------------------------------------------------------------------
    @classmethod
    def get_absolute_path(cls, root: str, path: str) -> str:
        """Return ``path``, which is this server's own and not the request's."""
        return path

    def parse_url_path(self, url_path: str) -> str:
        return url_path

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        try:
            open(absolute_path, "rb").close()
        except OSError:
            self.write_gateway_error(NotFound("the file is gone from the disk", reason="MEDIA_NOT_FOUND"))
            return None
        return absolute_path

    def get_content_type(self) -> str:
        return self._media.mime_type

    def compute_etag(self) -> str | None:
        return f'"{self._media.sha256}"'

    def set_extra_headers(self, path: str) -> None:
        media = self._media
        kind = "inline" if media.mime_type in INLINE else "attachment"
        self.set_header("Content-Disposition", f"{kind}; filename*=UTF-8''{quote(media.name, safe='')}")
        self.set_header("Content-Security-Policy", MEDIA_CSP)
        self.set_header("Cache-Control", CACHE)
        self.set_header("X-Clawdbot-Media-Id", media.id)
        self.set_header("X-Clawdbot-Kind", media.kind)


class MediaPicture(MediaRoute):
    """A picture derived from a file, 404 if there is none: a thumbnail, or one that the model was shown (``part``)."""

    @allow_unauthenticated
    async def get(self, id_: str, part: str | None = None) -> None:
        gateway = self.authorized_gateway()
        if gateway is None:
            return
        try:
            media = await gateway.services.media.get(id_, owner_of(self.identity))
            picture = await _picture(gateway, media, part)
            if picture is None:
                raise NotFound("no picture of that", reason="MEDIA_NOT_FOUND")
        except GatewayError as exc:
            self.write_gateway_error(exc)
            return
        self.set_header("Content-Type", _picture_type(picture))
        self.set_header("Content-Security-Policy", MEDIA_CSP)
        self.set_header("Cache-Control", CACHE)
        self.finish(picture)


async def _picture(gateway: Gateway, media: Media, part: str | None) -> bytes | None:
    if part is None:
        return await gateway.services.media.thumbnail(media)
    understood = await last_prepared(gateway.services.media, media)
    blocks = understood.blocks if understood else ()
    block = blocks[int(part)] if int(part) < len(blocks) else None
    return block.data if isinstance(block, ImageBlock) else None


def _picture_type(data: bytes) -> str:
    if data.startswith(b"\x89PNG"):
        return "image/png"
    if data.startswith(b"\xff\xd8"):
        return "image/jpeg"
    return "image/gif" if data.startswith(b"GIF8") else "image/webp"


def media_routes(root: str, facts: dict[str, Any]) -> list[Rule]:
    """Return the routes below ``root`` (with its slash); ``facts`` are those of every handler."""
    base = re.escape(root)
    return [
        Rule(PathMatches(f"{base}media"), MediaUpload, facts),
        Rule(PathMatches(f"{base}media/([A-Za-z0-9_-]{{8,128}})"), MediaDownload, facts),
        Rule(PathMatches(f"{base}media/([A-Za-z0-9_-]{{8,128}})\\.([0-9]{{1,4}})(?:/thumbnail)?"), MediaPicture, facts),
        Rule(PathMatches(f"{base}media/([A-Za-z0-9_-]{{8,128}})/thumbnail"), MediaPicture, facts),
    ]
