"""Messages as rows: the same messages come out in the same order, and a row that is missing is noticed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawdbot_ext.cluster import frames
from clawdbot_ext.cluster.frames import Gap, Message, Packer, Row, Unpacker

SIZES = st.one_of(st.integers(0, 40), st.integers(frames.ROW_BYTES - 6, 3 * frames.ROW_BYTES))


def packed(messages: list[Message], limit: int = 10_000) -> list[Row]:
    packer = Packer()
    for message in messages:
        packer.add(message)
    rows = []
    while packer:
        rows += packer.rows(limit)
    assert packer.size == 0
    return rows


@given(st.lists(st.tuples(SIZES, st.booleans()), max_size=12), st.integers(1, 500_000))
def test_what_was_packed_is_unpacked(kinds: list[tuple[int, bool]], limit: int) -> None:
    messages = [Message(bytes([n]) * size, control and size < 1000) for n, (size, control) in enumerate(kinds)]
    rows = packed(messages, limit)
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))
    assert all(len(row.body) <= frames.ROW_BYTES + frames.HEAD_BYTES for row in rows)
    unpacker = Unpacker()
    assert [message for row in rows for message in unpacker.take(row)] == messages
    assert [message for row in rows for message in unpacker.take(row)] == []  # all of them were here already


def test_small_messages_share_a_row() -> None:
    assert len(packed([Message(b"delta")] * 1000)) == 1


@pytest.mark.parametrize("missing", range(5))
def test_a_missing_row_is_a_gap_and_what_is_whole_behind_it_comes(missing: int) -> None:
    large = b"x" * (3 * frames.ROW_BYTES)
    rows = packed([Message(b"a"), Message(large), Message(b"b")])
    assert len(rows) == 5
    unpacker, came, gaps = Unpacker(), [], 0
    for row in [*rows[:missing], *rows[missing + 1 :], Row(6, frames.WHOLE, b"")]:
        try:
            came += unpacker.take(row)
        except Gap:
            gaps += 1
            came += unpacker.take(row)
    assert gaps == 1
    lost = {0: b"a", 4: b"b"}.get(missing, large)
    assert [message.body for message in came] == [body for body in (b"a", large, b"b") if body != lost]


def test_what_was_dropped_is_a_gap() -> None:
    packer, unpacker = Packer(), Unpacker()
    packer.add(Message(b"first"))
    [row] = packer.rows(1)
    assert unpacker.take(row) == [Message(b"first")]
    packer.add(Message(b"x" * (2 * frames.ROW_BYTES)))
    next(packer.rows(1))
    packer.drop()
    assert (packer.size, bool(packer)) == (0, False)
    packer.add(Message(b"last"))
    [row] = packer.rows(1)
    with pytest.raises(Gap):
        unpacker.take(row)
    assert unpacker.take(row) == [Message(b"last")]
