"""``frame``: the page in which generated HTML, SVG and diagrams are drawn, on a click.

What is drawn there was written by a model and may run scripts. So the page has no origin (``sandbox`` without
``allow-same-origin``: no cookie, no storage, no access to the page around it) and no network (``default-src 'none'``).
It draws in a frame inside itself, so that its policy, and not only that of whatever page is around it, keeps a document
from navigating elsewhere. It holds no data: the page around it posts what to draw. What no policy of browsers covers is
WebRTC: a script could tell an address that it knows that it was run, as far as the machine's firewall lets it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from jupyter_server.auth.decorator import allow_unauthenticated
from tornado import web
from tornado.routing import PathMatches, Rule

from .base import BaseHandler, StandaloneHandler
from .jupyter import JupyterMountHandler
from .static_files import STATIC

if TYPE_CHECKING:
    from ..context import ServerContext

FRAME_CSP = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; media-src data: blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)


def _write_frame(handler: BaseHandler) -> None:
    try:
        page = (STATIC / "frame.html").read_bytes()
    except FileNotFoundError:
        raise web.HTTPError(404) from None
    handler.set_header("Content-Security-Policy", FRAME_CSP)
    handler.set_header("X-DNS-Prefetch-Control", "off")
    handler.set_header("Content-Type", "text/html; charset=utf-8")
    handler.set_header("Cache-Control", "no-cache")
    handler.finish(page)


class ArtifactFrame(StandaloneHandler):
    """On our own server: public, as it holds nothing."""

    access = "open"

    @allow_unauthenticated
    def get(self) -> None:
        _write_frame(self)


class MountArtifactFrame(JupyterMountHandler):
    """On somebody's Jupyter server."""

    access = "login"

    @web.authenticated
    def get(self) -> None:
        _write_frame(self)


def frame_routes(base: str, context: ServerContext, *, mounted: bool) -> list[Rule]:
    """The route below ``base``; ``mounted``: on somebody's Jupyter server."""
    return [
        Rule(
            PathMatches(f"{re.escape(base)}frame"),
            MountArtifactFrame if mounted else ArtifactFrame,
            {"context": context},
        )
    ]
