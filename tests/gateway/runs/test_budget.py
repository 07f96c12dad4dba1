"""Spending limits: what they refuse, what is told, and what is counted."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import datetime, timezone

import pytest

from clawdbot_ext import config
from clawdbot_ext.agent.model_catalog import ModelNotAllowed, PriceUnknown
from clawdbot_ext.agent.providers.registry import Providers
from clawdbot_ext.config.live import LiveConfig
from clawdbot_ext.gateway.runs import budget as module
from clawdbot_ext.gateway.runs.budget import Budget, Period, running
from clawdbot_ext.protocol.errors import LimitReached
from clawdbot_ext.store.tables import Spent
from tests.support.in_process import asking, in_process, texts, tool, until
from tests.support.wire import run

KEY = "agent:main:main"
TEMPORARY = "agent:main:temporary:0123456789abcdef"


class Records:
    """The part of a store that limits are counted by."""

    def __init__(self) -> None:
        self.overviews = self
        self.month = self.day = Spent(0, 0.0)
        self.reads = 0
        self.records: dict[str, dict] = {}
        self.while_reading = lambda: None

    async def spent_since(self, times):
        self.reads += 1
        assert times[0] <= times[1]
        found = [self.month, self.day]
        await asyncio.sleep(0)
        self.while_reading()
        return found

    async def list_records(self, kind):
        return list(self.records.values())

    async def put_record(self, kind, id_, body, *, now):
        self.records[id_] = dict(body)

    async def delete_record(self, kind, id_):
        del self.records[id_]

    def spend(self, tokens: int, cost: float = 0.0) -> None:
        """As another gateway does."""
        self.month = self.day = Spent(self.day.tokens + tokens, self.day.cost + cost)


LONG = Period(0, 4_102_444_800_000)
"""A day and a month that do not end while a test runs."""


@pytest.fixture(autouse=True)
def _no_midnight(monkeypatch):
    monkeypatch.setattr(module, "running", lambda now: (LONG, LONG))


@pytest.fixture
def limited(tmp_path):
    """Make a budget with limits, its store and its models."""

    def make(store, *, allowed=(), **limits):
        models = {"providers": {"anthropic": {"apiKey": "sk-canary"}}, "allowed": list(allowed)}
        settings = {"limits": limits, "models": models}
        (tmp_path / "jupyter").mkdir(exist_ok=True)
        (tmp_path / "jupyter" / "config.json").write_text(json.dumps(settings))
        live = LiveConfig(lambda: config.load({"CLAWDBOT_STATE_DIR": str(tmp_path)}))
        models = Providers(live).models
        return Budget(live, store, models), models

    return make


def limit(it, folder, **limits) -> None:
    """Set the limits of a running gateway, these and no others."""
    path = folder / "jupyter" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "limits": limits}))
    it.gateway.services.config.reload()


def usage(tokens: int, cost: float = 0.0):
    return {"input": tokens, "output": 0, "cost": {"total": cost}}


def test_the_day_and_the_month_are_those_of_the_machines_time_zone(monkeypatch):
    def ms(*when: int) -> int:
        return int(datetime(*when, tzinfo=timezone.utc).timestamp() * 1000)

    try:
        monkeypatch.setenv("TZ", "Asia/Seoul")
        time.tzset()
        month, day = running(ms(2026, 11, 30, 15, 0))  # midnight of the first of December in Seoul
        assert month == (ms(2026, 11, 30, 15), ms(2026, 12, 31, 15)) and day == (
            ms(2026, 11, 30, 15),
            ms(2026, 12, 1, 15),
        )
        assert running(ms(2026, 11, 30, 14, 59))[0].ends == month.begins and module.zone(day.ends) == "UTC+09:00"
        monkeypatch.setenv("TZ", "America/New_York")
        time.tzset()
        _, day = running(ms(2026, 11, 1, 12))  # an hour longer
        assert day.ends - day.begins == 25 * 3_600_000
    finally:
        monkeypatch.undo()
        time.tzset()


def test_without_limits_nothing_is_read(limited):
    async def main():
        store = Records()
        budget, models = limited(store)
        assert budget.roomy() and await budget.uses() == ()
        assert await budget.admit(models.default(), KEY, prompt=10**9, most=10**9) is None
        await budget.settle(None, usage(5))
        assert store.reads == 0

    run(main())


def test_far_from_a_limit_nobody_waits_for_a_look_and_near_it_each_request_does(limited, monkeypatch):
    async def main():
        store = Records()
        budget, models = limited(store, monthlyTokens=1_000_000)
        for _ in range(10):
            reservation = await budget.admit(models.default(), KEY, prompt=1000, most=1000)
            await budget.settle(reservation, usage(1500))
        assert store.reads == 1 and budget.roomy()
        store.spend(980_000 + 15_000)  # 980,000 of them another gateway's, which is seen by and by
        monkeypatch.setattr(module, "REFRESH_S", 0.0)
        await budget.settle(await budget.admit(models.default(), KEY, prompt=500, most=500), None)
        await asyncio.wait([budget._refreshing])
        assert (await budget.uses())[0].used == 995_000
        reads = store.reads
        for _ in range(2):  # near it every one looks
            store.spend(2000)
            await budget.settle(await budget.admit(models.default(), KEY, prompt=4000, most=4000), usage(0))
        assert store.reads >= reads + 2

        store.spend(2000)
        with pytest.raises(LimitReached) as reached:
            await budget.admit(models.default(), KEY, prompt=4000, most=4000)
        facts = reached.value.facts
        assert (facts["limit"], facts["max"], facts["used"], facts["left"]) == (
            "limits.monthlyTokens",
            1_000_000,
            1_001_000,
            0,
        )

    run(main())


def test_parallel_requests_near_a_limit_go_one_after_the_other(limited):
    """So all of them together exceed it by one at most."""

    async def main():
        store = Records()
        store.spend(90_000)
        budget, models = limited(store, dailyTokens=100_000)
        under_way, most, done, refused = 0, 0, 0, 0

        async def ask():
            nonlocal under_way, most, done, refused
            try:
                reservation = await budget.admit(models.default(), KEY, prompt=2000, most=10_000)
            except LimitReached:
                refused += 1
                return
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0)
            under_way -= 1
            done += 1
            store.spend(3000)
            await budget.settle(reservation, usage(3000))

        await asyncio.gather(*(ask() for _ in range(30)))
        assert (most, done, refused) == (1, 4, 26) and store.day.tokens == 102_000

    run(main())


def test_a_request_that_is_given_up_frees_its_place(limited):
    async def main():
        store = Records()
        budget, models = limited(store, dailyTokens=1000)
        first = await budget.admit(models.default(), KEY, prompt=100, most=5000)
        second = asyncio.create_task(budget.admit(models.default(), KEY, prompt=100, most=5000))
        third = asyncio.create_task(budget.admit(models.default(), KEY, prompt=100, most=5000))
        await asyncio.sleep(0.01)
        assert not second.done() and not third.done()
        second.cancel()
        await asyncio.wait([second])
        await budget.settle(first, None)
        assert await asyncio.wait_for(third, 30) is not None

    run(main())


def test_what_ends_while_the_sums_are_read_is_no_reason_to_refuse(limited):
    async def main():
        store = Records()
        budget, models = limited(store, dailyTokens=1000)
        model = models.default()
        first = await budget.admit(model, KEY, prompt=1, most=1)
        store.spend(600)  # stored; the sums are read before it is counted
        reads = store.reads
        tasks = []

        def count():
            store.while_reading = lambda: None
            tasks.append(asyncio.ensure_future(budget.settle(first, usage(600))))

        store.while_reading = count
        await budget.require(model)
        second = await budget.admit(model, KEY, prompt=1, most=998)
        assert second is not None and store.reads > reads and (await budget.uses())[0].used == 600

    run(main())


def test_a_cost_limit_refuses_models_of_unknown_price_and_the_demo_is_free(limited):
    async def main():
        store = Records()
        store.spend(0, 1.0)
        budget, models = limited(store, monthlyCost=0.5)
        with pytest.raises(PriceUnknown):
            models.resolve("anthropic/claude-of-the-future")
        with pytest.raises(LimitReached) as reached:
            await budget.require(models.resolve("sonnet"))
        assert "$1.00 of $0.50 used" in str(reached.value) and reached.value.facts["left"] == 0
        sonnet = models.resolve("sonnet")
        budget, models = limited(store, monthlyCost=2)
        reservation = await budget.admit(sonnet, KEY, prompt=1, most=1)
        await budget.settle(reservation, usage(1, 1.5))
        with pytest.raises(LimitReached):
            store.spend(0, 1.5)
            await budget.admit(sonnet, KEY, prompt=1, most=1)

    run(main())


def test_a_model_that_is_not_allowed_any_more_is_asked_nothing_more(limited):
    async def main():
        _, models = limited(Records())
        model = models.resolve("opus")
        budget, _ = limited(Records(), allowed=["sonnet"])
        with pytest.raises(ModelNotAllowed):
            await budget.admit(model, KEY, prompt=1, most=1)

    run(main())


def test_temporary_sessions_count_after_a_restart_too(limited):
    async def main():
        store = Records()
        store.records["old"] = {"id": "old", "day": -1, "tokens": 10**9, "cost": 10.0**9}
        budget, models = limited(store, monthlyTokens=1000)
        for _ in range(2):
            await budget.settle(await budget.admit(models.default(), TEMPORARY, prompt=1, most=1), usage(500))
        assert [sorted(record) for record in store.records.values()] == [["cost", "day", "id", "tokens"]]
        again, _ = limited(store, monthlyTokens=1000)
        with pytest.raises(LimitReached):
            await again.require(models.default())

    run(main())


@pytest.mark.slow
def test_a_limit_refuses_every_kind_of_request_and_says_so(tmp_path, messages_api, monkeypatch):
    """Sends, a program's turn, a summary, a test of a model; not what asks no model, and not a send that was taken."""

    async def main():
        async with in_process(tmp_path, settings=asking(messages_api.url, "claude-sonnet-5-5"), locale="ko") as it:
            budget = it.gateway.services.runs.context.budget
            await it.ask("[[text=kept]]", "kept")
            used = (await it.call("usage.cost", {}))["payload"]["totals"]["totalTokens"]
            assert used > 0 and (await it.call("usage.status", {}))["payload"]["limits"] == []
            limit(it, tmp_path, dailyTokens=used + 1)
            [left] = (await it.call("usage.status", {}))["payload"]["limits"]
            assert (left["limit"], left["left"], left["used"]) == ("limits.dailyTokens", 1, used)
            assert left["resetsAt"] == LONG.ends
            assert (await it.call("status", {}))["payload"]["limits"] == [left]
            told = await it.ask("/usage", "usage")
            assert "오늘 남은 토큰" in texts(told["message"]["content"])

            limit(it, tmp_path, dailyTokens=used)
            asked = len(messages_api.requests)
            sent = {"sessionKey": "main", "message": "more", "idempotencyKey": "more"}
            for method, params in (
                ("chat.send", sent),
                ("agent", {"message": "more", "idempotencyKey": "agent"}),
                ("sessions.compact", {"key": "main"}),
                ("models.test", {"provider": "anthropic", "model": "claude-haiku-4-5"}),
            ):
                error = (await it.call(method, params))["error"]
                assert (error["code"], error["details"]["reason"]) == ("INVALID_REQUEST", "LIMIT_REACHED"), method
                assert error["details"]["text"].startswith("오늘 토큰 한도에 도달했어요(limits.dailyTokens)."), method
                assert f"{used:,} of {used:,} used" in error["message"], method
            assert "오늘 토큰 한도" in texts((await it.ask("/compact", "compact"))["message"]["content"])
            again = await it.call("chat.send", {**sent, "message": "[[text=kept]]", "idempotencyKey": "kept"})
            assert again["payload"]["status"] == "ok", "it was taken before, and gets the answer that it had"
            assert not any(texts(m["content"]) == "more" for m in await it.messages())
            assert len(messages_api.requests) == asked
            assert not budget._reserved

            limit(it, tmp_path)
            assert (await it.ask("[[text=on]]", "on"))["state"] == "final"

    run(main())


@pytest.mark.slow
def test_a_limit_reached_between_two_steps_keeps_the_text_and_says_why(tmp_path, messages_api, monkeypatch):
    async def look(arguments, context):
        limit(it, tmp_path, monthlyTokens=1)
        return "seen"

    async def offered(context, key, model):
        return [tool("look", look)]

    monkeypatch.setattr("clawdbot_ext.gateway.runs.turn.offered", offered)
    it = None

    async def main():
        nonlocal it
        async with in_process(tmp_path, settings=asking(messages_api.url, "claude-sonnet-5-5")) as it:
            end = await it.ask("[[thinking=1]][[call=look]][[args={}]]", "r")
            _, step, result, last = await it.messages()
            assert step["stopReason"] == "toolUse" and result["role"] == "toolResult"
            assert last["stopReason"] == "interrupted" and last["error"]["kind"] == "limit"
            assert last["error"]["limit"] == "limits.monthlyTokens" and last["errorMessage"] == last["error"]["hint"]
            assert "the token limit of this month is reached" in last["errorMessage"]
            assert end["state"] == "error" or end["message"]["stopReason"] == "interrupted"
            assert not it.gateway.services.runs.context.budget._reserved

    run(main())


@pytest.mark.slow
def test_a_reply_stopped_before_its_first_word_counts_what_was_read_for_it(tmp_path, messages_api):
    async def main():
        async with in_process(tmp_path, settings=asking(messages_api.url, "claude-sonnet-5-5")) as it:
            limit(it, tmp_path, monthlyTokens=10**9)
            it.send("a question [[first_ms=60000]]", "r")
            await until(lambda: any(each.path.endswith("/messages") for each in messages_api.requests), 60)
            await it.call("chat.abort", {"sessionKey": "main", "runId": "r"})
            assert (await it.end("r"))["state"] == "aborted"
            assert (await it.call("usage.cost", {}))["payload"]["totals"]["input"] > 0

    run(main())
