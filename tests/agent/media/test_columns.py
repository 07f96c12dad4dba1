"""Summaries of the columns of a table."""

from __future__ import annotations

from datetime import date
from itertools import permutations

import pytest

from clawdbot_ext.agent.media.readers.columns import Column


@pytest.mark.parametrize("texts", list(permutations(["1", "2024-01-01", "2.5", "x"])), ids="-".join)
def test_values_of_several_kinds_are_told_in_any_order(texts: tuple[str, ...]) -> None:
    """Extremes of two kinds were compared, and the whole file was refused."""
    column = Column("a")
    for text in texts:
        column.add(text)
    assert "mixed" in column.summary() and "1 date" in column.summary()


@pytest.mark.parametrize("values", list(permutations([1, date(2024, 1, 1), 2.5])), ids=str)
def test_so_are_values_with_types(values: tuple[object, ...]) -> None:
    column = Column("a")
    for value in values:
        column.add_typed(value)
    assert "mixed" in column.summary()


def test_the_range_is_that_of_the_kind() -> None:
    column = Column("a")
    for text in [*map(str, range(50)), "2024-01-01"]:
        column.add(text)
    assert "min 0, mean 24.5, max 49" in column.summary()
