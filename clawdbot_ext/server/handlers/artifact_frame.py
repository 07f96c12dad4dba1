"""The artifact frame, the page ``frame`` in which generated HTML, SVG and diagrams are rendered on a click.

Its content was written by a model and may run scripts. So the page has no origin (``sandbox`` without
``allow-same-origin``: no cookie, no storage, no access to the page around it) and no network (``default-src 'none'``).
It renders in a frame inside itself, so that its own policy, and not only that of the embedding page, keeps a document
from navigating elsewhere. It holds no data: the embedding page posts the content. Browsers have no policy against
WebRTC, nor against connecting before a navigation is refused: a script can reach a host that it knows, as far as the
machine's firewall allows. Elements that connect without a script are taken out by the page (``frame.html``).
"""

from __future__ import annotations

from jupyter_server.auth.decorator import allow_unauthenticated
from tornado import web

from .base import BaseHandler
from .static_files import STATIC

FRAME_CSP = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; media-src data: blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)


class ArtifactFrame(BaseHandler):
    """The artifact frame; it holds no data."""

    @allow_unauthenticated  # not by Jupyter: ``prepare`` has decided
    def get(self) -> None:
        try:
            page = (STATIC / "frame.html").read_bytes()
        except FileNotFoundError:
            raise web.HTTPError(404) from None
        self.set_header("Content-Security-Policy", FRAME_CSP)
        self.set_header("X-DNS-Prefetch-Control", "off")
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Cache-Control", "no-cache")
        self.finish(page)
