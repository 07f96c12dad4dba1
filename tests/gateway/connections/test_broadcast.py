"""Events go to the clients that may see them, encoded once, and cost nothing where no client does."""

from __future__ import annotations

from typing import Any

import pytest

from clawdbot_ext.gateway.connections import broadcast as module
from clawdbot_ext.gateway.connections.broadcast import Broadcast
from clawdbot_ext.protocol.schema import EVENTS


class Listener:
    """A connection as far as events go: it sees one session's events, and keeps what it was sent."""

    def __init__(self, session: str | None):
        self.session = session
        self.asked: list[tuple[Any, str | None]] = []
        self.got: list[tuple[str, Any, Any]] = []

    def may_receive(self, row: Any, session: str | None) -> bool:
        self.asked.append((row, session))
        return session == self.session

    def send_event(self, name: str, data: Any, state_version: Any) -> None:
        self.got.append((name, data, state_version))


@pytest.fixture
def broadcast(monkeypatch: pytest.MonkeyPatch) -> Broadcast:
    monkeypatch.setattr(module, "now_ms", lambda: 77)
    return Broadcast()


def test_an_event_goes_to_all_clients_that_see_it_and_is_encoded_once(broadcast: Broadcast) -> None:
    first, second, other = Listener("main"), Listener("main"), Listener("other")
    broadcast.connections |= {first, second, other}  # type: ignore[arg-type]
    made: list[int] = []

    def payload() -> dict[str, int]:
        made.append(1)
        return {"n": 1}

    broadcast.emit("chat", payload, session="main", state_version={"health": 3})
    assert made == [1] and other.got == []
    assert first.got == second.got and first.got[0][1] is second.got[0][1]
    assert first.got == [("chat", b'{"n":1}', {"health": 3})]
    assert other.asked == [(EVENTS["chat"], "main")]


def test_a_payload_that_no_client_sees_is_never_made(broadcast: Broadcast) -> None:
    broadcast.connections.add(Listener("main"))  # type: ignore[arg-type]
    broadcast.emit("health", lambda: pytest.fail("made for no client"), session="other")


@pytest.mark.parametrize(("name", "at"), [("agent", 77), ("chat", 77), ("health", 0), ("tick", 0)])
def test_the_time_of_the_last_event_of_a_run_is_kept_though_no_client_listens(
    name: str, at: int, broadcast: Broadcast
) -> None:
    assert broadcast.last_run_event == 0
    broadcast.emit(name, {})
    assert broadcast.last_run_event == at
