"""Static files of the front end; scripts and styles are compressed, each once per process."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Generator
from functools import lru_cache
from pathlib import Path

from tornado import web

STATIC = Path(__file__).parents[2] / "_static"
"""Output of ``npm run build`` from ``static/``."""
FOREVER = f"public, max-age={365 * 24 * 3600}, immutable"


@lru_cache(maxsize=256)
def _compressed(file: Path) -> bytes:
    return gzip.compress(file.read_bytes(), mtime=0)


@lru_cache(maxsize=8)
def texts_of(locale: str) -> str:
    """Return the path below ``STATIC`` of the page's texts in a language; empty if there are none."""
    found = sorted((STATIC / "assets").glob(f"{locale}-*.js"))
    return f"assets/{found[0].name}" if found else ""


class StaticFiles(web.StaticFileHandler):
    """Handler of static files. Names under ``assets/`` change with their content, so browsers may keep those files for
    ever; others are revalidated."""

    _body: bytes | None = None
    """Response body that replaces the file's own bytes."""

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
        """Return the hash of the file itself; the inherited method would call ``get_content``."""
        return web.StaticFileHandler.get_content_version(abspath)

    def get_content_size(self) -> int:
        return super().get_content_size() if self._body is None else len(self._body)

    def get_content(  # type: ignore[override]  # a class method there, called on the handler
        self, abspath: str, start: int | None = None, end: int | None = None
    ) -> bytes | Generator[bytes, None, None]:
        return super().get_content(abspath, start, end) if self._body is None else self._body
