"""Failpoints: named places in the code at which a test lets a process fail, by ``CLAWDBOT_FAILPOINT``.

    CLAWDBOT_FAILPOINT="store.write=EIO@/tmp/flag;store.committed=kill"

An action is an errno's name (``OSError`` is raised) or ``kill`` (SIGKILL). With ``@FILE`` it acts only while that file
exists. The variable is read once, when the process starts; without it ``hit`` is one look at an empty dictionary.
"""

from __future__ import annotations

import errno
import os
import signal


def _parse(given: str) -> dict[str, tuple[str, str]]:
    """Actions and their files, by the name of the place."""
    found = {}
    for entry in filter(None, given.split(";")):
        name, _, action = entry.partition("=")
        what, _, file = action.partition("@")
        found[name.strip()] = (what.strip(), file.strip())
    return found


_ARMED = _parse(os.environ.get("CLAWDBOT_FAILPOINT", ""))


def hit(name: str) -> None:
    """Fail here if that was asked for. Raises ``OSError``."""
    if _ARMED and name in _ARMED:
        _act(*_ARMED[name])


def _act(what: str, file: str) -> None:
    if file and not os.path.exists(file):
        return
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    raise OSError(getattr(errno, what), f"failpoint: {what}")
