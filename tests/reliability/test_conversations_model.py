"""Whatever is done to conversations, in any order and with crashes in between, they are as a plain model of them says.

``CLAWDBOT_MODEL_EXAMPLES=500`` tries that many stories, other ones each time; without it a few, always the same.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from clawdbot_ext.agent.providers.base import ProviderEvent, TextDelta, TurnRequest
from clawdbot_ext.agent.providers.demo import DemoProvider
from clawdbot_ext.agent.providers.demo_directives import last_user_text
from clawdbot_ext.gateway.methods import sessions as session_methods
from clawdbot_ext.gateway.runs import manager
from clawdbot_ext.gateway.sessions import lifecycle
from clawdbot_ext.store.sqlite import SqliteStore
from tests.support.in_process import InProcess, in_process, texts, until

pytestmark = pytest.mark.slow
EXAMPLES = int(os.environ.get("CLAWDBOT_MODEL_EXAMPLES", "0"))
T = TypeVar("T")
KEYS = ("agent:main:a", "agent:main:b")
PICK = st.integers(0, 11)
"""Chooses one of what is there, by the remainder."""
SETTINGS = {"agents": {"defaults": {"autoTitle": False}}, "session": {"maxQueued": 50}}


@dataclass
class Said:
    """A message. ``text`` is ``None`` for a reply that was cut: how far it came is not asked."""

    role: str
    text: str | None
    run_id: str


@dataclass
class Talk:
    """A session as a person would describe it."""

    path: list[Said] = field(default_factory=list)
    cleared: list[list[Said]] = field(default_factory=list)
    archived: dict[str, list[Said]] = field(default_factory=dict)
    session_id: str = ""
    label: str | None = None
    running: Said | None = None
    line: list[Said] = field(default_factory=list)
    deleted: bool = False

    def advance(self) -> None:
        """Answer what waits, up to a reply that is held up."""
        while self.running is None and self.line:
            self.begin(self.line.pop(0))

    def begin(self, said: Said) -> None:
        self.path.append(said)
        assert said.text is not None
        if "hold" in said.text:
            self.running = said
        else:
            self.path.append(Said("assistant", answer(said.text), said.run_id))

    def stop(self) -> None:
        """Stop the reply, and forget what waits."""
        self.line.clear()
        self.cut()

    def cut(self) -> None:
        if self.running is not None:
            self.path.append(Said("assistant", None, self.running.run_id))
            self.running = None


def answer(text: str) -> str:
    return f"re {text.rsplit(' ', 1)[1]}"


class Held(DemoProvider):
    """Answers at once, unless the text says to hold: then after the first word, when it is released."""

    def __init__(self, released: dict[str, asyncio.Event]) -> None:
        super().__init__(delay_ms=0, first_ms=0)
        self._released = released

    async def stream(self, request: TurnRequest) -> AsyncIterator[ProviderEvent]:
        text = last_user_text(request.messages)
        first = "hold" in text
        if first:
            yield TextDelta("re ")
            await self._released.setdefault(text, asyncio.Event()).wait()
        async for event in super().stream(request):
            if first and isinstance(event, TextDelta):
                first = False
                yield TextDelta(event.text.removeprefix("re").removeprefix(" "))
            else:
                yield event


def _busy(machine: Conversations) -> bool:
    return any(talk.running and not talk.deleted for talk in machine.talks.values())


def _cleared(machine: Conversations) -> bool:
    return any(talk.cleared and not talk.running and not talk.deleted for talk in machine.talks.values())


def _archived(machine: Conversations) -> bool:
    return any(talk.archived and not talk.running and not talk.deleted for talk in machine.talks.values())


def _gone(machine: Conversations) -> bool:
    return any(talk.deleted for talk in machine.talks.values())


class Conversations(RuleBasedStateMachine):
    """A gateway in this process, its one client, and the model."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp(prefix="model-"))
        self.released: dict[str, asyncio.Event] = {}
        self.talks: dict[str, Talk] = {}
        self.sends: dict[str, tuple[str, str]] = {}
        """Key and text of every send that was acknowledged, by its run."""
        self.count = self.lives = 0
        self.stack = AsyncExitStack()
        self.app: InProcess

    # -- the two sides ------------------------------------------------------------------------------------------------
    def do(self, work: Awaitable[T]) -> T:
        return self.loop.run_until_complete(asyncio.wait_for(work, 120))

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        frame = self.do(self.app.call(method, params))
        assert frame["ok"], (method, params, frame)
        payload: dict[str, Any] = frame["payload"]
        return payload

    async def open(self, folder: Path) -> None:
        store = SqliteStore(folder / "g.sqlite3")
        settings = {"provider": lambda: Held(self.released), "store": store, "settings": SETTINGS}
        self.app = await self.stack.enter_async_context(in_process(folder, **settings))

    @initialize(hold=st.booleans())
    def start(self, hold: bool) -> None:
        folder = self.folder / "0"
        folder.mkdir(mode=0o700)
        self.do(self.open(folder))
        for key in KEYS:
            self.send(key, False)
        self.send(KEYS[0], hold)
        self.send(KEYS[0], False)
        self.crash()

    def teardown(self) -> None:
        if not hasattr(self, "app"):
            return
        for talk in self.talks.values():
            talk.stop()
        for event in list(self.released.values()):
            event.set()
        self.do(self.stack.aclose())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()
        shutil.rmtree(self.folder)

    def new(self, hold: bool = False) -> tuple[str, str]:
        """A run id and a text."""
        self.count += 1
        return f"run {self.count}", f"[[text=re {self.count}]] {'hold ' if hold else ''}{self.count}"

    def pick(self, number: int, *, busy: bool | None = None, said: bool = False) -> tuple[str, Talk] | None:
        """One of the sessions that are there."""
        found = [
            (key, talk)
            for key, talk in self.talks.items()
            if not talk.deleted and (busy is None or busy == bool(talk.running)) and (talk.path or not said)
        ]
        return found[number % len(found)] if found else None

    def messages(self, key: str) -> list[dict[str, Any]]:
        return list(self.call("chat.history", sessionKey=key, limit=1000)["messages"])

    # -- what can be done ---------------------------------------------------------------------------------------------
    @rule(key=st.sampled_from(KEYS), hold=st.booleans())
    def say(self, key: str, hold: bool) -> None:
        self.send(key, hold)

    @rule(key=st.sampled_from(KEYS))
    def say_more(self, key: str) -> None:
        self.send(key, True)
        self.send(key, False)

    def send(self, key: str, hold: bool) -> None:
        talk = self.talks.setdefault(key, Talk())
        if talk.deleted:
            return
        run_id, text = self.new(hold)
        told = self.call("chat.send", sessionKey=key, message=text, idempotencyKey=run_id)
        assert told["runId"] == run_id and told["status"] == "started"
        self.sends[run_id] = key, text
        assert told.get("queuePosition", 0) == (len(talk.line) + 1 if talk.running else 0)
        talk.line.append(Said("user", text, run_id))
        talk.advance()
        self.settled()

    @rule(number=PICK)
    def resend(self, number: int) -> None:
        if self.sends:
            run_id = list(self.sends)[number % len(self.sends)]
            key, text = self.sends[run_id]
            told = self.call("chat.send", sessionKey=key, message=text, idempotencyKey=run_id)
            assert told["status"] != "started"

    @precondition(_busy)
    @rule(number=PICK)
    def release(self, number: int) -> None:
        if found := self.pick(number, busy=True):
            talk = found[1]
            assert talk.running is not None and talk.running.text is not None
            text, run_id = talk.running.text, talk.running.run_id
            self.released.setdefault(text, asyncio.Event()).set()
            talk.path.append(Said("assistant", answer(text), run_id))
            talk.running = None
            talk.advance()

    @precondition(_busy)
    @rule(number=PICK)
    def change_a_waiting_send(self, number: int) -> None:
        found = self.pick(number, busy=True)
        if found and found[1].line:
            key, talk = found
            said = talk.line[number % len(talk.line)]
            _, text = self.new()
            self.call("chat.queue.edit", sessionKey=key, runId=said.run_id, message=text)
            said.text = text

    @precondition(_busy)
    @rule(number=PICK, all_of_it=st.booleans())
    def abort(self, number: int, all_of_it: bool) -> None:
        if found := self.pick(number, busy=True):
            key, talk = found
            if talk.line and not all_of_it:
                said = talk.line.pop(number % len(talk.line))
                assert self.call("chat.abort", sessionKey=key, runId=said.run_id)["runIds"] == [said.run_id]
            else:
                ids = [said.run_id for said in ([talk.running] if talk.running else []) + talk.line]
                assert self.call("chat.abort", sessionKey=key)["runIds"] == ids
                talk.stop()

    @rule(number=PICK)
    def edit_a_question(self, number: int) -> None:
        if found := self.pick(number, busy=False, said=True):
            key, talk = found
            asked = [i for i, said in enumerate(talk.path) if said.role == "user"]
            if asked:
                place = asked[number % len(asked)]
                run_id, text = self.new()
                of = {"sessionKey": key, "messageId": self.messages(key)[place]["id"]}
                self.call("chat.edit", **of, message=text, idempotencyKey=run_id)
                del talk.path[place:]
                talk.begin(Said("user", text, run_id))

    @rule(number=PICK)
    def ask_again(self, number: int) -> None:
        if found := self.pick(number, busy=False, said=True):
            key, talk = found
            places = [i for i, said in enumerate(talk.path) if said.role == "assistant" and i]
            places = [i for i in places if "hold" not in (talk.path[i - 1].text or "hold")]
            if places:
                place = places[number % len(places)]
                run_id, _ = self.new()
                of = {"sessionKey": key, "messageId": self.messages(key)[place]["id"]}
                self.call("chat.regenerate", **of, idempotencyKey=run_id)
                del talk.path[place:]
                talk.path.append(Said("assistant", answer(talk.path[-1].text or ""), run_id))

    @precondition(lambda self: len(self.talks) < 5)
    @rule(number=PICK)
    def fork(self, number: int) -> None:
        if found := self.pick(number, busy=False, said=True):
            key, talk = found
            place = number % len(talk.path)
            id_ = self.messages(key)[place]["id"]
            made = self.call("sessions.fork", key=key, messageId=id_, idempotencyKey=f"fork {self.count}")["key"]
            path = [Said(said.role, said.text, "") for said in talk.path[: place + 1]]
            self.talks.setdefault(made, Talk(path))

    @rule(number=PICK)
    def clear(self, number: int) -> None:
        if found := self.pick(number, said=True):
            key, talk = found
            self.call("sessions.clear", key=key)
            talk.stop()
            talk.cleared.append(talk.path)
            talk.path = []

    @precondition(_cleared)
    @rule(number=PICK)
    def undo_clear(self, number: int) -> None:
        found = self.pick(number, busy=False)
        if found and found[1].cleared:
            key, talk = found
            self.call("sessions.undo", key=key)
            talk.path = talk.cleared.pop() + talk.path

    @rule(number=PICK)
    def reset(self, number: int) -> None:
        found = self.pick(number, said=True)
        if found and not found[1].cleared:
            key, talk = found
            before = self.call("chat.history", sessionKey=key, limit=1)["sessionId"]
            self.call("sessions.reset", key=key)
            talk.stop()
            talk.archived[before] = talk.path
            talk.path = []

    @precondition(_archived)
    @rule(number=PICK)
    def restore(self, number: int) -> None:
        found = self.pick(number, busy=False)
        if found and found[1].archived and not found[1].cleared:
            key, talk = found
            before = self.call("chat.history", sessionKey=key, limit=1).get("sessionId")
            id_ = list(talk.archived)[number % len(talk.archived)]
            self.call("sessions.restore", sessionId=id_)
            path, talk.path = talk.path, talk.archived.pop(id_)
            if path:
                talk.archived[before] = path

    @rule(number=PICK)
    def delete(self, number: int) -> None:
        if found := self.pick(number):
            key, talk = found
            assert self.call("sessions.delete", key=key, deleteTranscript=True)["deleted"]
            talk.stop()
            talk.deleted = True

    @precondition(_gone)
    @rule(number=PICK)
    def undelete(self, number: int) -> None:
        gone = [key for key, talk in self.talks.items() if talk.deleted]
        if gone:
            key = gone[number % len(gone)]
            self.call("sessions.undelete", key=key)
            self.talks[key].deleted = False

    @rule(number=PICK, name=st.sampled_from(("one", "two")))
    def rename(self, number: int, name: str) -> None:
        if found := self.pick(number):
            key, talk = found
            name = f"{name} of {key}"
            self.call("sessions.patch", key=key, label=name)
            talk.label = name

    @precondition(lambda self: len(self.talks) < 5)
    @rule(number=PICK)
    def export_and_import(self, number: int) -> None:
        if found := self.pick(number, busy=False, said=True):
            key, talk = found
            content = self.call("sessions.export", key=key, format="json")["content"]
            first = self.call("sessions.import", content=content)
            (made,) = first["keys"]
            again = self.call("sessions.import", content=content)
            assert again["messages"] == 0 and again["keys"] == [made]
            if made not in self.talks or self.talks[made].deleted:
                assert first["messages"] >= len(talk.path)
                self.talks[made] = Talk([Said(said.role, said.text, "") for said in talk.path])
            else:
                self.forget(made)

    def forget(self, key: str) -> None:
        """A conversation that was imported twice: what was said since stays, as another branch; not modelled."""
        talk = self.talks[key]
        talk.path = [Said(m["role"], _text(m), m.get("runId", "")) for m in self.messages(key)]

    @precondition(lambda self: self.lives < 3)
    @rule()
    def crash(self) -> None:
        """Go on with a gateway that has the files as they are at this moment, as after ``kill -9``."""
        self.settled()
        self.lives += 1
        old, new = self.folder / str(self.lives - 1), self.folder / str(self.lives)
        store = self.app.gateway.services.store
        assert isinstance(store, SqliteStore)
        # By the writing thread: no other write is under way while the files are copied.
        self.do(store._write(lambda conn: shutil.copytree(old, new)))
        former, self.stack = self.stack, AsyncExitStack()
        running = [talk for talk in self.talks.values() if talk.running]
        for talk in running:
            talk.cut()
        self.do(self.open(new))
        for talk in running:
            talk.advance()
        self.settled()
        self.do(former.aclose())

    # -- what must hold -----------------------------------------------------------------------------------------------
    @invariant()
    def is_as_the_model_says(self) -> None:
        if hasattr(self, "app"):
            self.settled()
            for key, talk in self.talks.items():
                if not talk.deleted:
                    self.check(key, talk)
            rows = {row["key"]: row for row in self.call("sessions.list")["sessions"]}
            expected = {key: talk.label for key, talk in self.talks.items() if not talk.deleted}
            assert rows.keys() == expected.keys()
            assert {key: rows[key].get("label") for key in KEYS if key in rows} == {
                key: expected[key] for key in KEYS if key in expected
            }

    def settled(self) -> None:
        """Let the gateway come to where the model is: nothing runs but what is held up."""
        runs = self.app.gateway.services.runs

        def there() -> bool:
            held = [talk for talk in self.talks.values() if talk.running]
            active = [runs.active(key) for key, talk in self.talks.items() if talk.running]
            counts = {"running": len(held), "queued": sum(len(talk.line) for talk in self.talks.values())}
            starting = sum(len(runs.unanswered(key)) for key in self.talks) - counts["queued"]
            return (runs.counts(), starting) == (counts, 0) and all(
                each is not None and each.text and talk.running is not None and each.run.run_id == talk.running.run_id
                for each, talk in zip(active, held, strict=True)
            )

        self.do(until(there, 100))

    def check(self, key: str, talk: Talk) -> None:
        page = self.call("chat.history", sessionKey=key, limit=1000)
        shown = [(m["role"], _text(m), m.get("runId", "")) for m in page["messages"]]
        expected = [
            (said.role, shown[i][1] if said.text is None and i < len(shown) else said.text, said.run_id)
            for i, said in enumerate(talk.path)
        ]
        assert shown == expected, f"{key}: {shown}\nexpected {expected}"
        for message, said in zip(page["messages"], talk.path, strict=True):
            if said.role == "assistant" and said.run_id:
                assert (message["stopReason"] == "stop") == (said.text is not None)
        assert [row["runId"] for row in page.get("queued", ())] == [said.run_id for said in talk.line]
        assert [row["text"] for row in page.get("queued", ())] == [said.text for said in talk.line]
        running = talk.running.run_id if talk.running else None
        assert page.get("inFlight", {}).get("runId") == running


def _text(message: Mapping[str, Any]) -> str:
    return texts(message["content"])


def test_conversations_are_as_the_model_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (lifecycle, session_methods):
        monkeypatch.setattr(module, "UNDO_MS", 24 * 3600 * 1000)  # no undo may be too late on a busy machine
    monkeypatch.setattr(manager, "DRAIN_S", 0.05)  # a reply that is held up never ends by itself
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    few = {"derandomize": True, "max_examples": 8, "stateful_step_count": 24, "phases": [Phase.generate]}
    many = {"max_examples": EXAMPLES, "stateful_step_count": 50}
    chosen: dict[str, Any] = many if EXAMPLES else few
    run_state_machine_as_test(
        Conversations, settings=settings(deadline=None, database=None, suppress_health_check=checks, **chosen)
    )
