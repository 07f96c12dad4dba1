"""``GET export?key=…&format=…``: a conversation of any size as a file, sent while it is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args
from urllib.parse import quote

from jupyter_server.auth.decorator import allow_unauthenticated
from tornado.iostream import StreamClosedError

from ...gateway.access.policy import require
from ...gateway.sessions.export_stream import stream
from ...protocol.errors import GatewayError, InvalidRequest
from ...protocol.schema import ExportFormat
from ..net.body_pace import cut_off
from .media import MEDIA_CSP, MediaRoute

FORMATS: Mapping[str, ExportFormat] = {name: name for name in get_args(ExportFormat)}


class Export(MediaRoute):
    """The answer of ``sessions.export`` without its bound: ``key`` or ``sessionId``, ``format``, ``embed=1``."""

    @allow_unauthenticated
    async def get(self) -> None:
        gateway = self.authorized_gateway()
        if gateway is None:
            return
        services = gateway.services
        key, session_id = self.get_query_argument("key", None), self.get_query_argument("sessionId", None)
        form = FORMATS.get(self.get_query_argument("format", "markdown"))
        try:
            require(services.config(), "export")
            if (key is None) == (session_id is None) or form is None:
                raise InvalidRequest("give exactly one of key and sessionId, and a format")
            made = await stream(
                services,
                form,
                self.context.locale(self.request),
                key=None if key is None else services.sessions.canonical(key),
                session_id=session_id,
                embed=self.get_query_argument("embed", "") == "1",
            )
        except GatewayError as exc:
            self.write_gateway_error(exc)
            return
        self.set_header("Content-Type", f"{made.media_type}; charset=utf-8")
        self.set_header("Content-Disposition", f"attachment; filename*=UTF-8''{quote(made.name, safe='')}")
        self.set_header("Content-Security-Policy", MEDIA_CSP)
        try:
            async for piece in made.pieces:
                self.write(piece.encode("utf-8", "replace"))
                await self.flush()  # waits for a client that is slow
        except StreamClosedError:
            return
        except BaseException:
            cut_off(self.request.connection)  # an end that looks like one would pass half a file for a whole one
            raise
