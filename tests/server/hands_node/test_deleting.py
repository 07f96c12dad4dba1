"""Deleting a notebook ends its kernel, and only once the notebook is gone."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from clawdbot_ext.server.hands_node import notebooks
from clawdbot_ext.server.hands_node.errors import HandsError
from tests.support.aio import run


@pytest.mark.parametrize(
    ("problem", "wanted"),
    [
        (None, ["allowed: contents", "allowed: sessions", "deleted", "kernel ended"]),
        ("READ_ONLY", ["allowed: contents", "allowed: sessions"]),
    ],
    ids=["deleted", "not deleted"],
)
def test_a_notebook_that_cannot_be_deleted_keeps_its_kernel(monkeypatch, problem, wanted):
    done: list[str] = []

    class Async(nullcontext[None]):
        async def __aenter__(self) -> None: ...

        async def __aexit__(self, *problem: object) -> None: ...

    async def require(action: str, resource: str) -> None:
        done.append(f"allowed: {resource}")

    async def path(given: Any) -> str:
        return str(given)

    async def load(host: Any, name: str) -> Any:
        return SimpleNamespace(room=None, cells=[], path=name)

    async def delete(host: Any, name: str) -> None:
        if problem:
            raise HandsError(problem, "not now")
        done.append("deleted")

    async def of(name: str) -> dict[str, str]:
        return {"id": "s"}

    async def end(name: str) -> None:
        done.append("kernel ended")

    async def not_open(document: Any) -> None: ...

    monkeypatch.setattr(notebooks, "load", load)
    monkeypatch.setattr(notebooks.storage, "delete", delete)
    host: Any = SimpleNamespace(require=require, path=path, lock=lambda name: Async())
    sessions: Any = SimpleNamespace(of=of, end=end)
    made = notebooks.Notebooks(host, sessions)
    monkeypatch.setattr(made, "refuse_if_open", not_open)
    with pytest.raises(HandsError) if problem else nullcontext():
        run(made.delete({"path": "n.ipynb", "cells": []}))
    assert done == wanted
