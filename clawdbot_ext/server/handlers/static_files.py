"""What the front end's build made, as Tornado serves files: scripts and styles compressed, each once in a process."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Generator
from functools import lru_cache
from pathlib import Path

from tornado import web

STATIC = Path(__file__).parents[2] / "_static"
"""What ``npm run build`` makes of ``static/``."""
FOREVER = f"public, max-age={365 * 24 * 3600}, immutable"


@lru_cache(maxsize=256)
def _compressed(file: Path) -> bytes:
    return gzip.compress(file.read_bytes(), mtime=0)


@lru_cache(maxsize=8)
def texts_of(locale: str) -> str:
    """The path below ``STATIC`` of the page's texts in a language; empty if there are none."""
    found = sorted((STATIC / "assets").glob(f"{locale}-*.js"))
    return f"assets/{found[0].name}" if found else ""


class StaticFiles(web.StaticFileHandler):
    """Under ``assets/`` names change with their content, so those files are kept for ever; the others are asked for
    again."""

    _body: bytes | None = None
    """Instead of the file's own bytes."""

    async def get(self, path: str, include_body: bool = True) -> None:
        file = STATIC / path
        takes = "gzip" in self.request.headers.get("Accept-Encoding", "") and "Range" not in self.request.headers
        if takes and file.parent == STATIC / "assets" and file.suffix in (".js", ".css") and file.is_file():
            self._body = await asyncio.to_thread(_compressed, file)
        await super().get(path, include_body)

    def set_extra_headers(self, path: str) -> None:
        forever = self.request.path.rpartition("/")[0].endswith("/assets")
        self.set_header("Cache-Control", FOREVER if forever else "no-cache")
        if forever:
            self.set_header("Vary", "Accept-Encoding")
        if self._body is not None:
            self.set_header("Content-Encoding", "gzip")

    def compute_etag(self) -> str | None:
        etag = super().compute_etag()
        return etag if etag is None or self._body is None else etag[:-1] + '-gzip"'

    @classmethod
    def get_content_version(cls, abspath: str) -> str:
        """Of the file itself; the inherited one would ask ``get_content``."""
        return web.StaticFileHandler.get_content_version(abspath)

    def get_content_size(self) -> int:
        return super().get_content_size() if self._body is None else len(self._body)

    def get_content(  # type: ignore[override]  # a class method there, called on the handler
        self, abspath: str, start: int | None = None, end: int | None = None
    ) -> bytes | Generator[bytes, None, None]:
        return super().get_content(abspath, start, end) if self._body is None else self._body
