"""Permission modes: how much a session's assistant does in notebooks and files without a question.

A session's own mode never goes beyond ``policy.maxHandsMode``. The modes ``notebook`` and ``unattended`` end by
themselves; the session is in the default mode then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from ...config import Config
from ...protocol.errors import InvalidRequest
from ...protocol.schema import HANDS_MODES, HandsMode

DEFAULT: HandsMode = "ask"
MINUTES = 60
"""How long ``notebook`` and ``unattended`` last unless the person says otherwise."""
TIMED = frozenset({"notebook", "unattended"})


@dataclass(frozen=True)
class Hands:
    """The mode that is in force for a session."""

    mode: HandsMode
    cap: HandsMode
    notebook: str = ""
    until_ms: int = 0

    def entry(self) -> dict[str, Any]:
        """``hands`` of a session entry."""
        found: dict[str, Any] = {"mode": self.mode, "cap": self.cap}
        if self.notebook:
            found["notebook"] = self.notebook
        if self.until_ms:
            found["untilMs"] = self.until_ms
        return found


def rank(mode: str) -> int:
    """The position of a mode from the least to the most that is done without a question."""
    return HANDS_MODES.index(mode)


def hands_of(config: Config, settings: Mapping[str, Any], now: int) -> Hands:
    """The mode in force: the session's own unless it has ended, and never more than the cap."""
    cap: HandsMode = config["policy.maxHandsMode"]
    mode = settings.get("handsMode")
    mode = cast(HandsMode, mode) if mode in HANDS_MODES else DEFAULT
    until = int(settings.get("handsUntilMs") or 0)
    if mode in TIMED and until <= now:
        mode = DEFAULT
    if rank(mode) > rank(cap):
        mode = min(cap, DEFAULT, key=rank) if mode in TIMED else cap
    if mode not in TIMED:
        return Hands(mode, cap)
    return Hands(mode, cap, str(settings.get("handsNotebook") or "") if mode == "notebook" else "", until)


def mode_changes(config: Config, changes: dict[str, Any], settings: Mapping[str, Any], now: int) -> None:
    """Turn ``handsMode``, ``handsNotebook`` and ``handsMinutes`` of a patch into what is stored, in place.

    Raises:
        InvalidRequest: beyond the cap (``HANDS_CAP``); ``notebook`` without a notebook (``HANDS_NOTEBOOK``).
    """
    minutes = changes.pop("handsMinutes", None)
    if "handsMode" not in changes:
        if minutes or "handsNotebook" in changes:
            raise InvalidRequest("handsNotebook and handsMinutes go with handsMode", reason="HANDS_MODE")
        return
    mode = changes["handsMode"]
    cap = config["policy.maxHandsMode"]
    if mode is not None and rank(mode) > rank(cap):
        raise InvalidRequest(f"the administrator allows no more than {cap}", reason="HANDS_CAP", cap=cap)
    if mode == "notebook":
        changes["handsNotebook"] = changes.get("handsNotebook") or settings.get("handsNotebook")
        if not changes["handsNotebook"]:
            raise InvalidRequest("the mode notebook needs handsNotebook", reason="HANDS_NOTEBOOK")
    else:
        changes["handsNotebook"] = None
    changes["handsUntilMs"] = now + (minutes or MINUTES) * 60_000 if mode in TIMED else None
