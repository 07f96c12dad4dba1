"""Permission modes of a session: set over the wire, capped by the administrator, ending by themselves."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from clawdbot_ext.gateway.hands.modes import hands_of, mode_changes
from clawdbot_ext.protocol.errors import InvalidRequest
from tests.support.wire import WireError, run, wired


def config(cap: str) -> Any:
    return {"policy.maxHandsMode": cap}


@pytest.mark.parametrize(
    ("cap", "settings", "mode"),
    [
        ("notebook", {}, "ask"),
        ("notebook", {"handsMode": "edits"}, "edits"),
        ("read", {"handsMode": "edits"}, "read"),
        ("read", {}, "read"),
        ("chat", {}, "chat"),
        ("edits", {"handsMode": "notebook", "handsNotebook": "a.ipynb", "handsUntilMs": 2000}, "ask"),
        ("notebook", {"handsMode": "notebook", "handsNotebook": "a.ipynb", "handsUntilMs": 2000}, "notebook"),
        ("notebook", {"handsMode": "notebook", "handsNotebook": "a.ipynb", "handsUntilMs": 1000}, "ask"),
        ("notebook", {"handsMode": "unattended", "handsUntilMs": 2000}, "ask"),
        ("unattended", {"handsMode": "unattended", "handsUntilMs": 2000}, "unattended"),
        ("unattended", {"handsMode": "unattended"}, "ask"),
        ("unattended", {"handsMode": "what is this"}, "ask"),
    ],
)
def test_the_mode_in_force_is_the_session_s_own_within_the_cap_and_its_time(
    cap: str, settings: dict[str, Any], mode: str
) -> None:
    assert hands_of(config(cap), settings, 1000).mode == mode


def test_a_timed_mode_ends_and_another_mode_forgets_its_notebook() -> None:
    changes: dict[str, Any] = {"handsMode": "notebook", "handsNotebook": "a.ipynb", "handsMinutes": 5}
    mode_changes(config("notebook"), changes, {}, 1000)
    assert changes == {"handsMode": "notebook", "handsNotebook": "a.ipynb", "handsUntilMs": 301_000}
    changes = {"handsMode": None}
    mode_changes(config("notebook"), changes, {}, 1000)
    assert changes == {"handsMode": None, "handsNotebook": None, "handsUntilMs": None}


@pytest.mark.parametrize("changes", [{"handsMinutes": 5}, {"handsNotebook": "a"}, {"handsMode": "notebook"}])
def test_a_change_that_says_too_little_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        mode_changes(config("notebook"), changes, {}, 0)


def test_every_client_sees_the_mode_and_none_sets_it_beyond_the_cap(standing_gateway: SimpleNamespace) -> None:
    async def main() -> None:
        url, token = standing_gateway.ws_url, standing_gateway.token
        async with (
            wired(url, token, caps=("session.events",)) as other,
            wired(url, token, scopes=["operator.write", "operator.read"]) as wire,
        ):
            entry = (await wire.call("sessions.new", {"key": "modes"}))["entry"]
            assert entry["hands"] == {"mode": "ask", "cap": "notebook"}
            patch = {"key": "modes", "handsMode": "notebook", "handsNotebook": "분석.ipynb"}
            hands = (await wire.call("sessions.patch", patch))["entry"]["hands"]
            assert (hands["mode"], hands["notebook"]) == ("notebook", "분석.ipynb") and hands["untilMs"] > 0
            told = await other.wait("session.changed", lambda p: p["key"] == "modes" or p["key"].endswith(":modes"))
            assert told["payload"]["entry"]["hands"]["cap"] == "notebook"
            with pytest.raises(WireError) as refused:
                await wire.call("sessions.patch", {"key": "modes", "handsMode": "unattended"})
            assert refused.value.details["reason"] == "HANDS_CAP"
            rows = (await wire.call("sessions.list"))["sessions"]
            assert [row["hands"] for row in rows if row["key"].endswith(":modes")] == [hands]
            assert not [name for row in rows for name in row if name in ("handsMode", "handsUntilMs")]

    run(main())
