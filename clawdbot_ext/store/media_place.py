"""The place of attachments that the configuration names (``storage.media.url``)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from ..config import Config
from .files import Files
from .shared_files import BlobFiles, SharedDirectory

if TYPE_CHECKING:
    from .blobs import Blobs

FOLDER, COPIES = "media", "media-copies"
"""The folders of the state directory: files, and copies of what lies in a bucket."""


def files_of(config: Config, url: str | None = None) -> Files:
    """The place that ``url`` names, else the configuration. Nothing is opened or asked yet.

    Raises ``ImportError`` for a bucket without the extra ``s3``: ``gateway.access.start_rules`` has told that before.
    """
    url = config["storage.media.url"] if url is None else url
    if not url:
        return Files(config.home / FOLDER)
    parts = urlsplit(url)
    if parts.scheme == "file":
        return SharedDirectory(Path(unquote(parts.path)))
    return BlobFiles(
        config.home / COPIES, _bucket(config, parts.netloc, parts.path), keep=config["storage.media.cacheBytes"]
    )


def _bucket(config: Config, bucket: str, prefix: str) -> Blobs:
    from .s3 import S3Blobs  # of an extra, and 0.3 s that only those wait who use it

    key = config["storage.media.accessKeyId"], config["storage.media.secretAccessKey"]
    return S3Blobs(
        bucket,
        unquote(prefix),
        endpoint=config["storage.media.endpoint"],
        region=config["storage.media.region"],
        key=key if all(key) else None,
    )
