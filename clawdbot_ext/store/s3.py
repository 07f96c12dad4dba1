"""Blobs in a bucket of S3, or of what speaks its protocol: MinIO, Ceph, Garage, R2 … The client is boto3 (``[s3]``).

Why that client: docs/design/0014-shared-attachments.md. Credentials come from the settings or, without them, from
where all programs for S3 look: the environment, ``~/.aws``, the machine's or the container's own role.
"""

from __future__ import annotations

import base64
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import boto3
from botocore import exceptions
from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError

from ..protocol.errors import Unavailable

log = logging.getLogger(__name__)

CONNECT_S, READ_S, ATTEMPTS = 3.0, 10.0, 2
"""Seconds for a connection and for each piece of an answer, and how often a request is made: an upload that cannot be
kept is told so while its sender waits. ``gateway.media.exclusion`` counts on an end of each request."""
PIECE = 1024 * 1024
RETRY_MS = 5_000
_ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})
_BUSY = frozenset({"SlowDown", "RequestTimeout", "InternalError", "ServiceUnavailable", "500", "502", "503", "504"})


class S3Blobs:
    """``Blobs`` below a prefix of one bucket.

    Args:
        endpoint: the address of a storage that is not Amazon's.
        region: empty: as the environment says.
        key: access key id and secret access key; ``None``: the standard chain.
    """

    def __init__(
        self, bucket: str, prefix: str = "", *, endpoint: str = "", region: str = "", key: tuple[str, str] | None = None
    ):
        self._bucket, self._prefix = bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._endpoint, self._region, self._key = endpoint, region, key
        self._made: Any = None
        self._making = threading.Lock()
        self._away = False

    @property
    def address(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def _client(self) -> Any:
        """The client, made at the first use: it reads files of the user's, and perhaps asks the machine for a role."""
        with self._making:
            if self._made is None:
                endpoint = self._endpoint or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
                config = ClientConfig(
                    connect_timeout=CONNECT_S,
                    read_timeout=READ_S,
                    retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
                    max_pool_connections=32,
                    # Storages other than Amazon's often know neither a bucket's own host nor the newest checksums.
                    s3={"addressing_style": "path" if endpoint else "auto"},
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                )
                id_, secret = self._key or (None, None)
                self._made = boto3.session.Session().client(
                    "s3",
                    endpoint_url=endpoint or None,
                    region_name=self._region or (None if not endpoint else os.environ.get("AWS_REGION", "us-east-1")),
                    aws_access_key_id=id_,
                    aws_secret_access_key=secret,
                    config=config,
                )
            return self._made

    def put(self, name: str, file: BinaryIO, size: int, sha256: str) -> None:
        with self._told():
            self._client().put_object(
                Bucket=self._bucket,
                Key=self._prefix + name,
                Body=file,
                ContentLength=size,
                ChecksumSHA256=base64.b64encode(bytes.fromhex(sha256)).decode(),
            )

    def read(self, name: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        part = {} if not start and end is None else {"Range": f"bytes={start}-{'' if end is None else end - 1}"}
        with self._told():
            body = self._client().get_object(Bucket=self._bucket, Key=self._prefix + name, **part)["Body"]
            try:
                yield from body.iter_chunks(PIECE)
            finally:
                body.close()

    def exists(self, name: str) -> bool:
        try:
            with self._told():
                self._client().head_object(Bucket=self._bucket, Key=self._prefix + name)
        except FileNotFoundError:
            return False
        return True

    def delete(self, name: str) -> None:
        with self._told():
            self._client().delete_object(Bucket=self._bucket, Key=self._prefix + name)

    def names(self, prefix: str) -> Iterator[str]:
        with self._told():
            pages = self._client().get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix + prefix):
                for found in page.get("Contents", ()):
                    yield found["Key"][len(self._prefix) :]

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Name a failure by its wire error, and log when the storage goes and when it is back. What the storage says is
        for the log alone, and of the client's own texts only their kind: they quote requests."""
        try:
            yield
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in _ABSENT:
                raise FileNotFoundError(code) from None
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            raise self._failed(code, refused=code not in _BUSY and status < 500) from None
        except (HTTPClientError, exceptions.ConnectionError, IncompleteReadError) as error:
            raise self._failed(type(error).__name__, refused=False) from None
        except (BotoCoreError, ValueError) as error:  # no credentials, no region, an endpoint that is no address
            raise self._failed(type(error).__name__, refused=True) from None
        else:
            if self._away:
                self._away = False
                log.warning("%s answers again", self.address)

    def _failed(self, detail: str, *, refused: bool) -> Unavailable:
        if not self._away:
            self._away = True
            log.error("%s %s: %s", self.address, "refuses" if refused else "does not answer", detail)
        if refused:
            text = "the storage for attachments refuses this gateway"
            return Unavailable(text, reason="MEDIA_STORAGE_REFUSED", detail=detail, retry_after_ms=RETRY_MS)
        text = "the storage for attachments does not answer"
        return Unavailable(text, reason="MEDIA_STORAGE_AWAY", detail=detail, retry_after_ms=RETRY_MS)
