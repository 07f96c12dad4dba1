"""Temporary sessions keep every promise of the store, and each method of ``Store`` reaches the right one of the two."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import pytest

from clawdbot_ext.protocol.errors import IdempotencyConflict
from clawdbot_ext.protocol.keys import TEMPORARY
from clawdbot_ext.store import router
from clawdbot_ext.store.api import Store
from clawdbot_ext.store.memory import MemoryStore
from clawdbot_ext.store.router import StoreRouter
from clawdbot_ext.store.sqlite import SqliteStore
from tests.support.wire import run

from . import test_store_branches, test_store_messages, test_store_runs, test_store_sessions
from .conftest import Scenario, drive_store
from .kit import finish, read, reply, say, send

TEMP, OTHER_TEMP, KEPT_KEY = f"{TEMPORARY}a", f"{TEMPORARY}b", "agent:main:a"

# -- the store's own tests, over temporary sessions --------------------------------------------------------------------

NOT_FOR_TEMPORARY = {
    "test_usage_is_summed_since_several_times": "temporary sessions are summed by the gateway, as long as it runs",
    "test_a_continued_reply_that_a_crash_cuts_off_keeps_what_it_began_with": "nothing survives a crash",
    "test_a_fork_is_searched_as_what_it_was_copied_from": "temporary sessions are not searched",
    "test_a_resent_key_is_recognised_across_a_restart_and_writes_nothing": "nothing survives a stop",
    "test_a_resent_regenerate_has_one_effect_across_a_restart": "nothing survives a stop",
    "test_a_send_that_waits_survives_a_restart_with_its_message": "nothing survives a stop",
    "test_after_a_crash_a_running_reply_shows_as_cut_with_its_text": "nothing survives a crash",
    "test_after_a_crash_each_tool_call_without_a_result_gets_one_and_no_other": "nothing survives a crash",
    "test_after_a_crash_of_another_gateway_the_runs_of_the_sessions_taken_over_end_alone": "nothing survives a crash",
    "test_keys_are_forgotten_thirty_days_after_the_run_ended_when_the_store_opens": "nothing survives a stop",
    "test_other_branches_are_found_and_deleted_messages_are_not": "temporary sessions are not searched",
    "test_waiting_runs_are_listed_in_the_order_of_their_acceptance": "the list of all sessions is for the start",
}
"""Tests of the suite that promise something which a temporary session does not → why."""


@pytest.fixture
def drive(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Scenario], Any]:
    """As ``conftest.drive``, over a router for which every session is temporary."""
    monkeypatch.setattr(router, "is_temporary", lambda key: True)
    return lambda scenario: drive_store(StoreRouter(SqliteStore(tmp_path / "kept.sqlite3"), MemoryStore()), scenario)


def _suite(*modules: ModuleType) -> dict[str, Any]:
    """The tests of ``modules`` that take ``drive``; pytest gives them the one of this module."""
    return {
        name: test
        for module in modules
        for name, test in vars(module).items()
        if name.startswith("test_") and "drive" in inspect.signature(test).parameters and name not in NOT_FOR_TEMPORARY
    }


globals().update(_suite(test_store_branches, test_store_messages, test_store_runs, test_store_sessions))


# -- each method, by where it goes -------------------------------------------------------------------------------------

METHODS = sorted(
    name
    for name, value in vars(Store).items()
    if inspect.iscoroutinefunction(value) and name != "know_elsewhere"  # which has a store of its own
)
ONLY_KEPT = {
    "add_media",
    "back_up",
    "change_record",
    "facts",
    "find_media",
    "get_media",
    "list_records",
    "look",
    "mark_media_seen",
    "media_bytes",
    "media_given",
    "media_in_use",
    "orphaned_media",
    "record_times",
    "recover",
    "remove_media",
    "renew_media",
    "search",
    "set_read_only",
}
"""Methods that temporary sessions have no part in."""
BOTH = {
    "close",
    "count_sessions",
    "delete_record",
    "find_session",
    "get_change",
    "get_record",
    "list_sessions",
    "media_wanted",
    "open",
    "spent",
    "sweep",
}
"""Methods that ask both stores."""
ANSWERS: dict[str, Any] = {
    "count_sessions": 1,
    "find_session": None,
    "get_change": None,
    "get_record": None,
    "get_run": None,
    "list_sessions": [],
    "media_wanted": False,
    "spent": [],
    "sweep": 5,
}
SPECIAL = {"key": TEMP, "session_key": TEMP, "new_key": OTHER_TEMP, "run_id": "r", "temporary": True, "limit": 7}


def _stores() -> tuple[StoreRouter, Any, Any]:
    """A router over two stores that only write down what they are asked."""
    both = [mock.create_autospec(SqliteStore, instance=True, spec_set=True) for _ in range(2)]
    for store in both:
        for name, answer in ANSWERS.items():
            getattr(store, name).return_value = answer
    kept, temporary = both
    return StoreRouter(kept, temporary), kept, temporary


def _arguments(name: str) -> dict[str, Any]:
    """A value of its own for each parameter of the method."""
    parameters = list(inspect.signature(getattr(Store, name)).parameters)[1:]
    given = {each: SPECIAL.get(each, f"<{each}>") for each in parameters}
    if name == "put_record":
        given["body"] = {"request": {"sessionKey": TEMP}}
    return given


def _asked(store: Any, name: str) -> list[dict[str, Any]]:
    """The arguments of each call of that method, by their names."""
    signature = inspect.signature(getattr(SqliteStore, name))
    calls = [signature.bind(None, *call.args, **call.kwargs) for call in getattr(store, name).await_args_list]
    for call in calls:
        call.apply_defaults()
    return [{each: value for each, value in call.arguments.items() if each != "self"} for call in calls]


def _call(method: Callable[..., Any], given: dict[str, Any]) -> Any:
    """Call with what is positional by its position."""
    kinds = inspect.signature(method).parameters
    positional = [value for each, value in given.items() if kinds[each].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    named = {each: value for each, value in given.items() if kinds[each].kind is inspect.Parameter.KEYWORD_ONLY}
    return method(*positional, **named)


@pytest.mark.parametrize("name", METHODS)
def test_a_call_goes_where_its_data_is_with_every_argument(name: str) -> None:
    async def main() -> None:
        stores, kept, temporary = _stores()
        if name != "accept_run":
            await _call(stores.accept_run, _arguments("accept_run"))
        for store in (kept, temporary):
            store.get_run.reset_mock()
        given = _arguments(name)
        await _call(getattr(stores, name), given)
        assert _asked(temporary, name) == ([] if name in ONLY_KEPT else [given])
        assert _asked(kept, name) == ([given] if name in ONLY_KEPT | BOTH else [])

    run(main())


@pytest.mark.parametrize("name", sorted({*METHODS} - ONLY_KEPT - BOTH))
def test_nothing_of_another_session_reaches_the_temporary_store(name: str) -> None:
    async def main() -> None:
        stores, kept, temporary = _stores()
        given = {each: KEPT_KEY if value == TEMP else value for each, value in _arguments(name).items()}
        if name == "put_record":
            given["body"] = {"request": {"sessionKey": KEPT_KEY}}
        temporary.history.return_value.session_id = None
        await _call(getattr(stores, name), given)
        assert _asked(kept, name) == [given]
        assert _asked(temporary, name) == []

    run(main())


def _two(scenario: Scenario) -> Any:
    return drive_store(StoreRouter(MemoryStore(), MemoryStore()), scenario)


def test_a_list_does_not_ask_the_store_of_other_gateways_sessions_before_it_is_open(monkeypatch) -> None:
    async def scenario(store: StoreRouter) -> None:
        opening, whole_open = asyncio.Event(), MemoryStore.open

        async def open_late(self: MemoryStore) -> None:
            await opening.wait()
            await whole_open(self)

        monkeypatch.setattr(MemoryStore, "open", open_late)
        told = asyncio.ensure_future(store.know_elsewhere(TEMPORARY + "there", None))
        await asyncio.sleep(0)
        assert await store.list_sessions() == []
        opening.set()
        await told

    _two(scenario)


def test_a_transcript_is_found_by_its_id_in_either_store() -> None:
    async def scenario(store: Store) -> None:
        for key in (TEMP, KEPT_KEY):
            await say(store, f"in {key}", key=key)
            session = await store.get_session(key)
            assert session is not None
            page = await store.history(session_id=session.session_id, limit=5)
            assert (page.session_id, len(page.messages)) == (session.session_id, 1)
            assert await store.find_session(session_id=session.session_id) == session
            await store.new_transcript(key, now=3)
            assert (await store.restore(session.session_id, now=4)).session_id == session.session_id
            assert await read(store, key) == [f"in {key}"]

    _two(scenario)


def test_lists_and_sums_hold_both_stores_in_one_order() -> None:
    async def scenario(store: Store) -> None:
        for now, key in enumerate((TEMP, KEPT_KEY, OTHER_TEMP), 1):
            await store.append(session_key=key, message=reply("yes", read=now, written=1), now=now, create=True)
        assert [session.key for session in await store.list_sessions()] == [OTHER_TEMP, KEPT_KEY, TEMP]
        assert [session.key for session in await store.list_sessions(limit=2)] == [OTHER_TEMP, KEPT_KEY]
        assert await store.count_sessions() == 3
        assert [row.at for row in await store.spent(since=0)] == [1, 2, 3]
        assert [row.session_key for row in await store.spent(since=0, session_key=TEMP)] == [TEMP]

    _two(scenario)


def test_the_next_sweep_is_the_earlier_one_of_the_two() -> None:
    async def main() -> None:
        for first, second, expected in ((5, 3, 3), (3, 5, 3), (None, 4, 4), (4, None, 4), (None, None, None)):
            stores, kept, temporary = _stores()
            kept.sweep.return_value, temporary.sweep.return_value = first, second
            assert await stores.sweep(now=1) == first and not temporary.sweep.called  # no temporary session so far
            await stores.get_session(TEMP)
            assert await stores.sweep(now=1) == expected

    run(main())


def test_a_run_id_means_one_send_whichever_store_has_it() -> None:
    async def scenario(store: Store) -> None:
        await send(store, "r1", key=TEMP)
        assert (await send(store, "r1", key=TEMP)).existing
        with pytest.raises(IdempotencyConflict):
            await send(store, "r1", key=KEPT_KEY)
        await send(store, "r2", key=KEPT_KEY)
        with pytest.raises(IdempotencyConflict):
            await send(store, "r2", key=TEMP)
        await finish(store, "r1")
        await finish(store, "r2")
        assert await read(store, TEMP) == await read(store, KEPT_KEY) == ["question", "answer"]

    _two(scenario)


def test_a_record_of_a_temporary_session_is_found_and_not_kept() -> None:
    async def scenario(store: Any) -> None:
        about = {"request": {"sessionKey": TEMP}}
        await store.put_record("approval", "t", about, now=1)
        await store.put_record("approval", "k", {"request": {"sessionKey": KEPT_KEY}}, now=1)
        await store.put_record("device", "d", {"n": 1}, now=1)
        assert await store.get_record("approval", "t") == about
        assert await store.kept.get_record("approval", "t") is None
        assert await store.kept.get_record("approval", "k") is not None
        assert await store.get_record("device", "d") == await store.kept.get_record("device", "d") == {"n": 1}
        for id_ in ("t", "k"):
            await store.delete_record("approval", id_)
            assert await store.get_record("approval", id_) is None

    _two(scenario)


def test_a_file_is_wanted_by_messages_of_either_store_unless_only_lasting_ones_count() -> None:
    async def main() -> None:
        for here, there, counted, expected in (
            (True, False, True, True),
            (True, False, False, False),
            (False, True, False, True),
            (False, False, True, False),
        ):
            stores, kept, temporary = _stores()
            temporary.media_wanted.return_value, kept.media_wanted.return_value = here, there
            await stores.get_session(TEMP)  # there is one
            assert await stores.media_wanted("m", temporary=counted) is expected

    run(main())
