"""Failpoints: named places in the code at which a test lets a process fail, by ``CLAWDBOT_FAILPOINT``.

    CLAWDBOT_FAILPOINT="store.write=EIO@/tmp/flag;store.committed=kill"

An action is an errno's name (``OSError`` is raised) or ``kill`` (SIGKILL). With ``@FILE`` it acts only while that file
exists. The variable is read once, when the process starts; without it ``hit`` is one look at an empty dictionary.
``tests/reliability/test_failpoints.py`` kills a gateway at each of them.
"""

from __future__ import annotations

import errno
import os
import signal

VARIABLE = "CLAWDBOT_FAILPOINT"

POINTS = (
    "store.read",
    "store.write",
    "store.commit",
    "store.committed",
    "response.send",
    "response.sent",
    "queue.start",
    "queue.edited",
    "run.started",
    "run.begin",
    "provider.call",
    "run.flushed",
    "run.end",
    "end.stored",
    "step.store",
    "step.stored",
    "tool.call",
    "tool.called",
    "approval.use",
    "approval.used",
    "change.made",
    "change.stored",
    "undo.made",
    "undo.stored",
    "media.place",
    "media.placed",
    "media.kept",
    "fork.copy",
    "fork.copied",
    "import.stored",
    "backup.written",
    "backup.placed",
)
"""All places. A participle: what the name says is done, on the disk or elsewhere, and nothing that follows from it."""

_armed: dict[str, tuple[str, str]] = {}
"""Actions and their files, by the name of the place."""


def arm(given: str) -> None:
    """Ask for failures, in place of those asked for before. Raises ``ValueError``: there is no such place."""
    _armed.clear()
    for entry in filter(None, given.split(";")):
        name, _, action = entry.partition("=")
        if name.strip() not in POINTS:
            raise ValueError(f"{VARIABLE}: no such place: {name}")
        what, _, file = action.partition("@")
        _armed[name.strip()] = (what.strip(), file.strip())


def hit(name: str) -> None:
    """Fail here if that was asked for. Raises ``OSError``."""
    if _armed and name in _armed:
        _act(*_armed[name])


def _act(what: str, file: str) -> None:
    if file and not os.path.exists(file):
        return
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    raise OSError(getattr(errno, what), f"failpoint: {what}")


arm(os.environ.get(VARIABLE, ""))
