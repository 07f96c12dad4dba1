"""Files of several gateways: in a shared directory, and in a bucket of a real server of S3's protocol."""

from __future__ import annotations

import hashlib
import io
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clawdbot_ext.protocol.errors import Unavailable
from clawdbot_ext.store.files import Files
from clawdbot_ext.store.s3 import S3Blobs
from clawdbot_ext.store.shared_files import IN_USE_S, LEFT_S, BlobFiles, SharedDirectory
from tests.support.s3 import BUCKET, KEY, S3Server
from tests.support.server import free_port

OTHER = b"other bytes"


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with S3Server() as running:
        yield running


def blobs_of(server: S3Server, prefix: str = "") -> S3Blobs:
    return S3Blobs(BUCKET, prefix or uuid.uuid4().hex, endpoint=server.url, region="us-east-1", key=KEY)


@pytest.fixture(params=["directory", pytest.param("bucket", marks=pytest.mark.slow)])
def gateways(request, tmp_path) -> Callable[[], Files]:
    """``gateways()``: the files as one more gateway has them."""
    blobs = blobs_of(request.getfixturevalue("server")) if request.param == "bucket" else None
    count = iter(range(9))

    def another() -> Files:
        if blobs is None:
            files: Files = SharedDirectory(tmp_path / "shared")
        else:
            files = BlobFiles(tmp_path / f"copies{next(count)}", blobs, keep=1 << 30)
        files.open()
        return files

    return another


def keep(files: Files, data: bytes) -> str:
    file = files.receive()
    file.write(data)
    sha256 = file.finish()
    file.keep()
    file.discard()
    return sha256


def test_what_one_gateway_keeps_the_other_has_reads_lists_and_removes(gateways):
    one, two = gateways(), gateways()
    data = os.urandom(200_000)
    sha256 = keep(one, data)
    assert sha256 == hashlib.sha256(data).hexdigest()
    assert two.has(sha256) and not two.has("0" * 64)
    assert two.fetch(sha256).read_bytes() == data and not two.fetch("0" * 64).exists()
    one.keep_derived(sha256, "thumbnail", b"small")
    assert two.read_derived(sha256, "thumbnail") == b"small" and two.read_derived(sha256, "else") is None
    assert set(two.everything()) == {sha256}
    two.remove(sha256)
    two.remove(sha256)
    assert not one.has(sha256) and not list(one.everything())
    for name in ("../" + "0" * 61, "0" * 63, "A" * 64):
        with pytest.raises(ValueError):
            one.has(name)


def test_an_upload_that_is_given_up_leaves_nothing_and_the_same_bytes_twice_are_one_file(gateways):
    one, two = gateways(), gateways()
    left = one.receive()
    left.write(b"half")
    two.open()  # another gateway starts meanwhile
    left.write(b" a file")
    left.finish()
    left.discard()
    assert not list(two.everything())
    ready = threading.Barrier(2)

    def give(files: Files) -> None:
        ready.wait(60)
        keep(files, OTHER)

    threads = [threading.Thread(target=give, args=(files,)) for files in (one, two)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert list(one.everything()) == [hashlib.sha256(OTHER).hexdigest()]


def test_what_a_crash_left_in_a_shared_directory_goes_when_it_is_old(tmp_path):
    files = SharedDirectory(tmp_path)
    files.open()
    new, old = files.receive(), files.receive()
    past = time.time() - LEFT_S - 60
    os.utime(old.path, (past, past))
    SharedDirectory(tmp_path).open()
    assert [path.name for path in (tmp_path / "incoming").iterdir()] == [new.path.name]
    old.discard()
    new.discard()


def test_a_rename_whose_answer_was_lost_is_found_done(tmp_path, monkeypatch):
    files = SharedDirectory(tmp_path)
    files.open()
    replace = os.replace

    def twice(source: Path, target: Path) -> None:
        replace(source, target)
        replace(source, target)  # as NFS repeats it

    monkeypatch.setattr(os, "replace", twice)
    sha256 = keep(files, OTHER)
    monkeypatch.undo()
    assert files.fetch(sha256).read_bytes() == OTHER


@pytest.mark.slow
def test_copies_that_were_not_used_for_long_make_room(server, tmp_path):
    files = BlobFiles(tmp_path, blobs_of(server), keep=2_500)
    files.open()
    names = [keep(files, os.urandom(1_000)) for _ in range(2)]
    old = time.time() - IN_USE_S - 60
    for name in names:
        os.utime(files.path(name), (old, old))
    files.fetch(names[0])
    third = keep(files, os.urandom(1_000))
    assert set(files.copies()) == {names[0], third} and set(files.everything()) == {*names, third}
    assert files.fetch(names[1]).stat().st_size == 1_000, "fetched again; what was just used stays, over the bound"
    assert set(files.copies()) == {*names, third}
    files.remove_copy(third)
    assert files.has(third) and not files.path(third).exists()


@pytest.mark.slow
def test_a_bucket_gives_ranges_and_bytes_that_changed_in_it_are_not_read(server, tmp_path):
    blobs = blobs_of(server)
    name = hashlib.sha256(OTHER).hexdigest()
    blobs.put("a", io.BytesIO(OTHER), len(OTHER), name)
    assert b"".join(blobs.read("a", 6)) == b"bytes" and b"".join(blobs.read("a", 1, 4)) == b"the"
    blobs.put(f"files/{'0' * 64}", io.BytesIO(OTHER), len(OTHER), name)
    files = BlobFiles(tmp_path, blobs, keep=1 << 30)
    files.open()
    with pytest.raises(Unavailable) as damaged:
        files.fetch("0" * 64)
    assert damaged.value.reason == "MEDIA_STORAGE_DAMAGED"
    assert not files.path("0" * 64).exists() and not list((tmp_path / "incoming").iterdir())


@pytest.mark.slow
def test_a_bucket_that_is_away_or_refuses_is_told_by_a_code_and_no_secret(server, tmp_path, caplog):
    away = BlobFiles(tmp_path, S3Blobs("b", endpoint=f"http://127.0.0.1:{free_port()}", region="x", key=KEY), keep=0)
    away.open()
    with pytest.raises(Unavailable) as told:
        keep(away, OTHER)
    assert (told.value.reason, told.value.retryable) == ("MEDIA_STORAGE_AWAY", True) and told.value.retry_after_ms
    assert not list(away.copies()), "nothing is kept here that the bucket has not"
    away.keep_derived("0" * 64, "thumbnail", b"small")
    assert away.read_derived("0" * 64, "thumbnail") == b"small"
    missing = S3Blobs("no-such-bucket", endpoint=server.url, region="us-east-1", key=KEY)
    with pytest.raises(Unavailable) as refused:
        missing.put("a", io.BytesIO(OTHER), len(OTHER), hashlib.sha256(OTHER).hexdigest())
    assert refused.value.reason == "MEDIA_STORAGE_REFUSED"
    assert refused.value.facts["detail"] == "NoSuchBucket"
    everything = f"{told.value} {told.value.facts} {refused.value} {refused.value.facts} {caplog.text}"
    assert "does not answer" in caplog.text and KEY[1] not in everything and KEY[0] not in everything
