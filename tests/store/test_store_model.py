"""Whatever is said, asked anew, switched, deleted, cleared, reset and taken back, in any order: nothing is lost, what
is shown is one path, and everything that is counted agrees with it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from clawdbot_ext.protocol.errors import InvalidRequest, NotFound
from clawdbot_ext.store.api import BranchPoint, HistoryPage, Message, Siblings, Store

from .kit import MAIN, body, reply, say, sweep, text_of, user


@dataclass
class Clear:
    floor: int
    """Number of the last message out of sight before it."""
    last: int
    until: int


@dataclass
class Talk:
    """A transcript: its messages by number, how much of it is out of sight, and what can come back."""

    messages: dict[int, str] = field(default_factory=dict)
    last: int = 0
    floor: int = 0
    clears: list[Clear] = field(default_factory=list)
    removed: dict[int, tuple[int, str]] = field(default_factory=dict)
    """Deleted messages: until when they can come back, and their ids."""

    def there(self) -> dict[int, str]:
        return {seq: text for seq, text in self.messages.items() if seq > self.floor and seq not in self.removed}


@dataclass
class Model:
    """A person's expectation of one session."""

    now: int = 1
    talks: dict[str, Talk] = field(default_factory=dict)
    current: str = ""
    runs: int = 0

    @property
    def talk(self) -> Talk:
        return self.talks[self.current]

    def add(self, text: str) -> None:
        self.talk.last += 1
        self.talk.messages[self.talk.last] = text

    def expire(self) -> None:
        for session_id, talk in list(self.talks.items()):
            for seq in [seq for seq, (until, _) in talk.removed.items() if until < self.now]:
                del talk.removed[seq], talk.messages[seq]
            for clear in [c for c in talk.clears if c.until < self.now]:
                talk.clears.remove(clear)
                for seq in range(clear.floor + 1, clear.last + 1):
                    talk.messages.pop(seq, None)
                    talk.removed.pop(seq, None)
                self.drop_if_empty(session_id)

    def drop_if_empty(self, session_id: str) -> None:
        talk = self.talks[session_id]
        if session_id != self.current and not talk.there() and not talk.clears:
            del self.talks[session_id]

    def switch(self, session_id: str) -> None:
        before, self.current = self.current, session_id
        self.talks.setdefault(session_id, Talk())
        if before != session_id:
            self.drop_if_empty(before)


async def whole(store: Store) -> HistoryPage:
    return await store.history(session_key=MAIN, limit=1000, whole=True)


async def path(store: Store) -> Sequence[Message]:
    return (await store.history(session_key=MAIN, limit=1000)).messages


async def alternative(store: Store, model: Model, target: Message, number: int) -> None:
    """Another question or another reply; some of these come to nothing."""
    model.runs += 1
    run_id = f"run {model.runs}"
    before = [m.seq for m in await path(store)]
    place = BranchPoint(kind="edit" if target.role == "user" else "regenerate", message_id=target.id)
    try:
        await store.accept_run(
            run_id=run_id,
            session_key=MAIN,
            request_hash="h",
            message=user(f"asked {model.now}"),
            options={},
            start=True,
            now=model.now,
            place=place,
        )
    except InvalidRequest:
        assert target.role == "assistant" and before == [m.seq for m in await path(store)], "it answers nothing"
        return
    model.expire()
    shown = await path(store)
    if place.kind == "edit":
        model.add(f"asked {model.now}")
        assert [m.parent_seq for m in shown[-1:]] == [target.parent_seq]
    else:
        assert (shown[-1].seq if shown else 0) == target.parent_seq
    answered = number % 3
    await store.finish_run(
        run_id,
        state="done" if answered else "aborted",
        result={},
        now=model.now,
        message=reply(f"answered {model.now}") if answered else None,
    )
    if answered:
        model.add(f"answered {model.now}")
    elif place.kind == "regenerate" and target.seq in before:
        assert target.seq in [m.seq for m in await path(store)], "nothing came of it: as it was"


TREE_ACTS = ["alternative", "alternative", "branch", "delete", "delete and take back", "undelete"]


async def do_in_tree(store: Store, model: Model, act: str, number: int) -> None:
    """One step with a message picked from all branches."""
    messages = (await whole(store)).messages
    target = messages[number % len(messages)] if messages else None
    if act == "alternative" and target:
        await alternative(store, model, target, number)
    elif act == "branch" and target:
        await store.show_branch(MAIN, target.id, now=model.now)
        assert target.id in [m.id for m in await path(store)]
    elif act == "delete" and target:
        model.expire()
        model.talk.removed[target.seq] = (model.now + number, target.id)
        await store.delete_message(MAIN, target.id, undo_until=model.now + number, now=model.now)
    elif act == "delete and take back" and target:
        model.expire()
        before = await whole(store)
        await store.delete_message(MAIN, target.id, undo_until=model.now, now=model.now)
        await store.undelete_message(MAIN, target.id, busy=False, now=model.now)
        after = await whole(store)
        assert list(map(place_of, after.messages)) == list(map(place_of, before.messages)), "as if nothing had been"
    elif act == "undelete":
        seqs = [seq for seq, (until, _) in model.talk.removed.items() if seq > model.talk.floor and until >= model.now]
        if seqs:
            model.expire()
            _, message_id = model.talk.removed.pop(seqs[number % len(seqs)])
            await store.undelete_message(MAIN, message_id, busy=False, now=model.now)


async def do(store: Store, model: Model, act: str, number: int) -> None:
    """One step, in the store and in the model."""
    model.now += 1
    if act == "say":
        model.expire()
        model.add(f"said {model.now}")
        await say(store, f"said {model.now}", now=model.now)
    elif act == "answer":
        model.expire()
        model.add(f"answered {model.now}")
        await store.append(session_key=MAIN, message=reply(f"answered {model.now}"), now=model.now)
    elif act in TREE_ACTS:
        await do_in_tree(store, model, act, number)
    elif act == "clear":
        model.expire()
        if model.talk.there():
            model.talk.clears.append(Clear(model.talk.floor, model.talk.last, model.now + number))
            model.talk.floor = model.talk.last
        await store.clear(MAIN, undo_until=model.now + number, now=model.now)
    elif act == "undo":
        if any(clear.until >= model.now for clear in model.talk.clears):
            model.expire()
            model.talk.floor = model.talk.clears.pop().floor
            await store.undo_clear(MAIN, now=model.now)
        else:  # what is refused changes nothing, so it gives up nothing either
            with pytest.raises(NotFound):
                await store.undo_clear(MAIN, now=model.now)
    elif act == "reset":
        model.switch((await store.new_transcript(MAIN, now=model.now)).session_id)
    elif act == "restore":
        model.switch(sorted(model.talks)[number % len(model.talks)])
        await store.restore(model.current, now=model.now)
    elif act == "sweep":
        model.expire()
        await sweep(store, model.now)


def place_of(message: Message) -> tuple[int, int, bool]:
    return message.seq, message.parent_seq, message.shown


async def compare(store: Store, model: Model) -> None:
    tree = await whole(store)
    assert {m.seq: text_of(body(m)) for m in tree.messages} == model.talk.there(), "nothing is lost, nothing comes back"
    page = await store.history(session_key=MAIN, limit=1000)
    shown = page.messages
    assert [m.seq for m in shown] == [m.seq for m in tree.messages if m.shown]
    assert [m.parent_seq for m in shown] == [0, *(m.seq for m in shown)][: len(shown)], "what is shown is one path"
    seqs = {0, *(m.seq for m in tree.messages)}
    assert all(m.parent_seq in seqs and m.parent_seq < m.seq for m in tree.messages)
    assert bool(shown) == bool(tree.messages)
    family = {m.id: [other.id for other in tree.messages if other.parent_seq == m.parent_seq] for m in shown}
    assert list(page.branches) == [Siblings(message_id=id_, ids=ids) for id_, ids in family.items() if len(ids) > 1]
    session = await store.get_session(MAIN)
    assert session is not None and session == page.session
    texts = [(m.role, text_of(body(m))) for m in shown]
    title = next((text for role, text in texts if role == "user"), "")
    assert (session.session_id, session.message_count, session.title, session.last_seq) == (
        model.current,
        len(shown),
        title,
        model.talk.last,
    )
    assert session.preview == (texts[-1][1] if texts else "")
    assert session.clear_undo_until == (model.talk.clears[-1].until if model.talk.clears else 0)
    assert {t.session_id for t in await store.transcripts(MAIN)} == set(model.talks)


ACTS = [*TREE_ACTS, "say", "say", "answer", "answer", "answer", "clear", "undo", "undo", "reset", "restore", "sweep"]


@pytest.mark.parametrize(
    ("make_store", "seed"),
    [*(("sqlite", seed) for seed in range(16)), ("postgres", 0), ("postgres", 1), ("space", 2)],
    indirect=["make_store"],
)
def test_any_order_of_what_can_be_done_to_a_conversation(drive, seed):
    dice = random.Random(seed)

    async def scenario(store: Store) -> None:
        model = Model(current=(await store.create_session(MAIN, settings={}, now=1)).session_id)
        model.talks[model.current] = Talk()
        for _ in range(80):
            before, seen = await store.get_session(MAIN), await path(store)
            await do(store, model, dice.choice(ACTS), dice.randint(0, 12))
            await compare(store, model)
            after, shown = await store.get_session(MAIN), await path(store)
            assert before is not None and after is not None
            if [m.id for m in shown][: len(seen)] != [m.id for m in seen]:
                assert after.epoch > before.epoch, "more than an addition: clients must read again"

    drive(scenario)
