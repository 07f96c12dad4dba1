"""Whatever is said, cleared, undone, reset and restored, in any order: the store agrees with a list in memory."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from clawdbot_ext.protocol.errors import NotFound
from clawdbot_ext.store.api import Store

from .kit import MAIN, body, say, text_of


@dataclass
class Clear:
    floor: int
    """What was out of sight before it."""
    last: int
    until: int


@dataclass
class Talk:
    """A transcript: its messages by number, how much of it is out of sight, and what can come back."""

    messages: dict[int, str] = field(default_factory=dict)
    last: int = 0
    floor: int = 0
    clears: list[Clear] = field(default_factory=list)

    def visible(self) -> dict[int, str]:
        return {seq: text for seq, text in self.messages.items() if seq > self.floor}


@dataclass
class Model:
    """What a person would expect of one session."""

    now: int = 1
    talks: dict[str, Talk] = field(default_factory=dict)
    current: str = ""

    @property
    def talk(self) -> Talk:
        return self.talks[self.current]

    def purge(self) -> None:
        for session_id, talk in list(self.talks.items()):
            for clear in [c for c in talk.clears if c.until < self.now]:
                talk.clears.remove(clear)
                for seq in range(clear.floor + 1, clear.last + 1):
                    talk.messages.pop(seq, None)
                self.drop_if_empty(session_id)

    def drop_if_empty(self, session_id: str) -> None:
        talk = self.talks[session_id]
        if session_id != self.current and not talk.visible() and not talk.clears:
            del self.talks[session_id]

    def switch(self, session_id: str) -> None:
        before, self.current = self.current, session_id
        self.talks.setdefault(session_id, Talk())
        if before != session_id:
            self.drop_if_empty(before)


async def do(store: Store, model: Model, act: str, number: int) -> None:
    """One step, in the store and in the model."""
    model.now += 1
    if act == "say":
        model.purge()
        model.talk.last += 1
        model.talk.messages[model.talk.last] = f"said {model.now}"
        await say(store, f"said {model.now}", now=model.now)
    elif act == "clear":
        model.purge()
        if model.talk.visible():
            model.talk.clears.append(Clear(model.talk.floor, model.talk.last, model.now + number))
            model.talk.floor = model.talk.last
        await store.clear(MAIN, undo_until=model.now + number, now=model.now)
    elif act == "undo":
        if any(clear.until >= model.now for clear in model.talk.clears):
            model.purge()
            model.talk.floor = model.talk.clears.pop().floor
            await store.undo_clear(MAIN, now=model.now)
        else:  # what is refused changes nothing, so it purges nothing either
            with pytest.raises(NotFound):
                await store.undo_clear(MAIN, now=model.now)
    elif act == "reset":
        model.switch((await store.new_transcript(MAIN, now=model.now)).session_id)
    elif act == "restore":
        model.switch(sorted(model.talks)[number % len(model.talks)])
        await store.restore(model.current, now=model.now)


async def compare(store: Store, model: Model) -> None:
    visible = model.talk.visible()
    page = await store.history(session_key=MAIN, limit=1000)
    assert {m.seq: text_of(body(m)) for m in page.messages} == visible
    assert [m.parent_seq for m in page.messages] == [0, *(m.seq for m in page.messages)][: len(visible)]
    session = await store.get_session(MAIN)
    assert session is not None and session == page.session
    texts = list(visible.values()) or [""]
    assert (session.session_id, session.message_count, session.title, session.preview, session.last_seq) == (
        model.current, len(visible), texts[0], texts[-1], model.talk.last,
    )
    assert session.clear_undo_until == (model.talk.clears[-1].until if model.talk.clears else 0)
    assert {t.session_id: t.message_count for t in await store.transcripts(MAIN)} == {
        session_id: len(talk.visible()) for session_id, talk in model.talks.items()
    }


ACTS = ["say", "say", "say", "say", "clear", "undo", "undo", "reset", "restore"]


@pytest.mark.parametrize("seed", range(12))
def test_any_order_of_saying_clearing_undoing_resetting_and_restoring(drive, seed):
    dice = random.Random(seed)

    async def scenario(store: Store) -> None:
        model = Model(current=(await store.create_session(MAIN, settings={}, now=1)).session_id)
        model.talks[model.current] = Talk()
        for _ in range(100):
            before = await store.get_session(MAIN)
            await do(store, model, dice.choice(ACTS), dice.randint(0, 12))
            await compare(store, model)
            after = await store.get_session(MAIN)
            assert before is not None and after is not None and after.epoch - before.epoch in (0, 1)

    drive(scenario)
