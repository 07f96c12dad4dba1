"""What the assistant is told of a value."""

from __future__ import annotations

import json

import pytest

from clawdbot_ext.describe import describe, files_of


def test_columns_of_one_name_are_told_each() -> None:
    pandas = pytest.importorskip("pandas")
    told = describe("frame", pandas.DataFrame([[1, 2.5, None], [3, 4.5, "a"]], columns=["x", "x", "y"]))
    assert "2 rows × 3 columns" in told and "- `x`: int64\n- `x`: float64\n- `y`: object, 1 missing" in told.replace(
        "`y`: str", "`y`: object")
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
