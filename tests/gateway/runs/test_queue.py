"""The line of waiting sends: its order, and when a session may move."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from clawdbot_ext.gateway.runs.queue import Queue
from clawdbot_ext.store.api import Run


def send(run_id: str, key: str = "main", created_at: int = 1) -> Run:
    return Run(
        run_id=run_id,
        session_key=key,
        session_id="s",
        state="queued",
        request_hash="",
        message=msgspec.Raw(b"{}"),
        options={},
        created_at=created_at,
    )


def ids(queue: Queue, key: str = "main") -> list[str]:
    return [run.run_id for run in queue.waiting(key)]


def test_sends_wait_in_the_order_of_their_arrival_each_session_by_itself() -> None:
    queue = Queue()
    assert [queue.add(send("a")), queue.add(send("b")), queue.add(send("c", "other"))] == [1, 2, 1]
    assert (len(queue), list(queue.sessions()), ids(queue), ids(queue, "other")) == (
        3,
        ["main", "other"],
        ["a", "b"],
        ["c"],
    )
    first, second = queue.pop("main"), queue.pop("main")
    assert first and second and (first.run_id, second.run_id) == ("a", "b")
    assert queue.pop("main") is None and list(queue.sessions()) == ["other"]
    assert queue.pop("never") is None and len(queue) == 1


def test_sends_given_back_stand_at_the_head_in_their_old_order() -> None:
    queue = Queue()
    runs = [send(name) for name in "abcd"]
    for run in runs:
        queue.add(run)
    queue.remove(runs[:2])
    assert ids(queue) == ["c", "d"]
    queue.put_back("main", runs[:2])
    assert ids(queue) == ["a", "b", "c", "d"]
    queue.put_back("empty", [])
    assert "empty" not in queue.sessions()
    queue.put_back("fresh", [send("e", "fresh")])
    assert ids(queue, "fresh") == ["e"]


def test_a_changed_send_keeps_its_place_and_one_that_has_left_is_not_put_back() -> None:
    queue = Queue()
    for name in "abc":
        queue.add(send(name))
    changed = send("b", created_at=9)
    queue.replace(changed)
    assert queue.waiting("main")[1] is changed and ids(queue) == ["a", "b", "c"]
    queue.replace(send("gone"))
    queue.replace(send("gone", "nowhere"))
    assert ids(queue) == ["a", "b", "c"] and len(queue) == 3


def test_a_session_is_held_until_it_is_released() -> None:
    queue = Queue()
    queue.hold("main")
    assert queue.held("main") and not queue.held("other")
    queue.release("main")
    queue.release("main")
    assert not queue.held("main")


def test_what_is_ahead_counts_waiting_sends_and_those_being_stored_but_not_the_one_that_holds_the_session() -> None:
    async def scenario() -> None:
        queue = Queue()
        assert queue.ahead("main") == 0
        queue.add(send("a"))
        queue.add(send("b"))
        assert queue.ahead("main") == 2 and queue.ahead("other") == 0
        with queue.moving("main"), queue.moving("main"):
            assert queue.ahead("main") == 4
            queue.hold("main")
            assert queue.ahead("main") == 3
        assert queue.ahead("main") == 1

    asyncio.run(scenario())


def test_a_move_can_be_waited_for_and_ends_also_when_it_fails() -> None:
    async def scenario() -> None:
        queue = Queue()
        assert queue.moves("main") == set()
        with queue.moving("main"):
            with pytest.raises(OSError, match="full"), queue.moving("main"):
                both = queue.moves("main")
                raise OSError("full")
            assert len(both) == 2 and sum(move.done() for move in both) == 1
            assert len(queue.moves("main")) == 1 and queue.moves("other") == set()
        assert all(move.done() for move in both)
        assert queue.moves("main") == set() and queue.ahead("main") == 0

    asyncio.run(scenario())
