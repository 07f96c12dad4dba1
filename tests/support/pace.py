"""Promises in seconds, on machines that have other things to do."""

from __future__ import annotations

import os


def promptly(seconds: float) -> float:
    """``seconds`` of a quiet machine as seconds of this one: longer by as much as more programs want a core than there
    are. Only for what a promise says in seconds; everything else waits for an event, with the usual long end."""
    return seconds * max(1.0, 2 * os.getloadavg()[0] / (os.cpu_count() or 1))
