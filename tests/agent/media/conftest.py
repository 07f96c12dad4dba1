"""Reading a file as the gateway does, or without the worker where a test is about what a reader makes of it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from clawdbot_ext.agent.media import api, worker_client, worker_main
from clawdbot_ext.agent.media.sniffing import identify_file

MediaSource = bytes | Path


@pytest.fixture
def file(tmp_path) -> Callable[..., api.MediaFile]:
    """``file(content or path, name)``: a stored attachment, identified by its bytes."""

    def make(given: MediaSource, name: str) -> api.MediaFile:
        data = given if isinstance(given, bytes) else given.read_bytes()
        path = tmp_path / "stored"
        path.write_bytes(data)
        identified = identify_file(path, name, None)
        return api.MediaFile(
            path, name, identified.mime_type, identified.kind, len(data), hashlib.sha256(data).hexdigest()
        )

    return make


@pytest.fixture
def read(file) -> Callable[..., api.Understood]:
    """``read(content, name, sight=…, settings=…, pages=…)``: what a reader makes of it, in this process."""

    def understand(given: MediaSource, name: str, **more: Any) -> api.Understood:
        job = worker_client.job_for(file(given, name), "understand", worker_client.Limits(), **more)
        understood = worker_main.perform(job, lambda progress: None).understood
        assert understood is not None
        return understood

    return understand


@pytest.fixture
def probe(file) -> Callable[..., api.Facts]:
    """``probe(content, name)``: its facts, in this process."""

    def facts(given: MediaSource, name: str) -> api.Facts:
        found = worker_main.perform(
            worker_client.job_for(file(given, name), "probe", worker_client.Limits()), lambda progress: None
        ).facts
        assert found is not None
        return found

    return facts


@pytest.fixture
def understand(file) -> Callable[..., api.Understood]:
    """``understand(content, name, …)``: all of it, with the worker and the transcriber."""

    def whole(given: MediaSource, name: str, **more: Any) -> api.Understood:
        more = {"sight": api.ModelSight(), "settings": api.MediaSettings(), **more}
        return asyncio.run(asyncio.wait_for(api.understand(file(given, name), **more), 40))

    return whole


def told(understood: api.Understood) -> str:
    """All text that the model is given."""
    return "\n".join(block.text for block in understood.blocks if isinstance(block, api.TextBlock))


def pictures(understood: api.Understood) -> list[api.ImageBlock]:
    return [block for block in understood.blocks if isinstance(block, api.ImageBlock)]


def codes(understood: api.Understood) -> list[str]:
    return [note.code for note in understood.notes]


BLIND = msgspec.structs.replace(api.ModelSight(), images=False, documents=False)
"""A model that reads text only."""
PAGES = msgspec.structs.replace(api.ModelSight(), documents=False)
"""A model that sees images and takes no PDFs."""
