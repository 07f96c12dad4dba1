"""The artifact frame, the page ``frame`` in which generated HTML, SVG and diagrams are rendered on a click.

Its content was written by a model and may run scripts. So the page has no origin (``sandbox`` without
``allow-same-origin``: no cookie, no storage, no access to the page around it) and no network (``default-src 'none'``).
It renders in a frame inside itself, so that its own policy, and not only that of the embedding page, keeps a document
from navigating elsewhere. It holds no data: the embedding page posts the content. Browsers have no policy against
WebRTC, nor against connecting before a navigation is refused: a script can reach a host that it knows, as far as the
machine's firewall allows. Elements that connect without a script are taken out by the page (``frame.html``).
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
    """The artifact frame of the standalone server; public, since it holds no data."""

    access = "open"

    @allow_unauthenticated
    def get(self) -> None:
        _write_frame(self)


class MountArtifactFrame(JupyterMountHandler):
    """The artifact frame of a mount."""

    access = "login"

    @web.authenticated
    def get(self) -> None:
        _write_frame(self)


def frame_routes(base: str, context: ServerContext, *, mounted: bool) -> list[Rule]:
    """Return the route below ``base``; ``mounted``: in another Jupyter server."""
    return [
        Rule(
            PathMatches(f"{re.escape(base)}frame"),
            MountArtifactFrame if mounted else ArtifactFrame,
            {"context": context},
        )
    ]
