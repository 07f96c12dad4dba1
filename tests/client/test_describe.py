"""Descriptions of values for the assistant."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clawdbot_ext.client.describe import describe, files_of, listed, told
from tests.support.server import ROOT


def test_columns_of_one_name_are_told_each() -> None:
    pandas = pytest.importorskip("pandas")
    told = describe("frame", pandas.DataFrame([[1, 2.5, None], [3, 4.5, "a"]], columns=["x", "x", "y"]))
    assert "2 rows × 3 columns" in told and "- `x`: int64\n- `x`: float64\n- `y`: object, 1 missing" in told.replace(
        "`y`: str", "`y`: object"
    )
    assert "cannot be shown" not in told and "First rows:" in told and "Summary:" in told


def test_a_frame_without_columns_is_no_failure() -> None:
    pandas = pytest.importorskip("pandas")
    assert "0 rows × 0 columns" in describe("frame", pandas.DataFrame())
    assert "3 rows × 0 columns" in describe("frame", pandas.DataFrame(index=[1, 2, 3]))


def test_a_short_value_takes_one_line() -> None:
    assert describe("n", 5) == "`n`: int, `5`"
    assert describe("rows", [1, 2, 3]) == "`rows`: list, 3 items, `[1, 2, 3]`"
    assert describe("nothing", None) == "`nothing`: NoneType, `None`"
    long = describe("rows", list(range(100)))
    assert long.startswith("`rows`: list, 100 items\n\n```\n[0, 1") and long.endswith("\n```")
    assert describe("tick", "a `b`").endswith("\n\n```\n'a `b`'\n```")


def test_a_class_or_function_is_told_by_its_signature_and_documentation() -> None:
    class Model:
        """Fits a line."""

        dtype, shape = "class attributes", property(lambda self: 0)

        def __init__(self, degree: int = 1) -> None: ...

    assert "Model(degree: 'int' = 1)" in describe("Model", Model) and "Fits a line." in describe("Model", Model)
    assert "describe(name: 'str', value: 'Any')" in describe("describe", describe)
    assert "len(obj, /)" in describe("len", len) and describe("json", json).startswith("`json`: module, version ")


def test_a_value_whose_text_fails_is_told_by_its_type() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    assert "cannot be shown: RuntimeError" in describe("broken", Broken())
    assert [name for name, _ in files_of("broken", Broken())] == ["broken.md"]


@pytest.mark.slow
def test_what_is_large_is_described_in_time_and_says_what_is_not_in_it() -> None:
    pandas = pytest.importorskip("pandas")
    numpy = pytest.importorskip("numpy")
    frame = pandas.DataFrame(numpy.zeros((500_000, 100)))
    frame[1] = "word"
    values = {
        "frame": frame,
        "numbers": list(range(5_000_000)),
        "nested": [[list(range(1000))] * 1000] * 1000,
        "word": "ab" * 10_000_000,
        "table": dict.fromkeys(range(500_000), "x" * 50),
    }
    left = {}
    for name, value in values.items():
        began = time.process_time()
        answer = json.loads(told(name, value))
        assert time.process_time() - began < 3, f"{name}: a kernel has six seconds"
        assert len(answer["text"]) < 20_000
        left[name] = set(answer["leftOut"])
    assert left == {
        "frame": {"rows", "columns"},
        "numbers": {"items"},
        "nested": {"characters"},
        "word": {"characters"},
        "table": {"characters", "items"},
    }
    assert "every 60th row" in json.loads(told("frame", frame))["text"]
    assert json.loads(told("few", {"b": 1, "a": [2]})) == {
        "text": "`few`: dict, 2 items, `{'b': 1, 'a': [2]}`",
        "leftOut": {},
    }


def test_names_are_those_of_values_and_a_figure_is_a_picture() -> None:
    class Meta(type):
        pass

    namespace = {
        "_hidden": 1,
        "json": json,
        "Path": Path,
        "Kind": Meta("Kind", (), {}),
        "told": told,
        "len": len,
        "partial": abs,
        "frame": [1],
        "In": [],
        "x": None,
    }
    assert json.loads(listed(namespace)) == [{"name": "frame", "type": "list"}, {"name": "x", "type": "NoneType"}]
    figure = pytest.importorskip("matplotlib.figure").Figure()
    assert base64.b64decode(json.loads(told("figure", figure))["picture"]).startswith(b"\x89PNG")


def test_the_code_runs_where_the_package_is_not_installed() -> None:
    source = (ROOT / "clawdbot_ext" / "client" / "describe.py").read_text(encoding="utf-8")
    code = f"ns = {{'__name__': 'it'}}\nexec({source!r}, ns)\nprint(ns['told']('x', [1, 2]))"
    bare = [sys.executable, "-I", "-S", "-c", code]  # no site-packages
    ran = subprocess.run(bare, capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(ran.stdout)["text"] == "`x`: list, 2 items, `[1, 2]`"
