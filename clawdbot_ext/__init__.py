"""Clawdbot for Jupyter: a chat gateway in Jupyter Server, with a browser page and a command line.

Importing the package loads nothing else, because every Jupyter server on the machine does it at its start, and so does
every call of the command line.
"""

from __future__ import annotations

from typing import Any

from ._version import __version__

__all__ = ["__version__"]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """What Jupyter Server loads: called in a process that has imported ``jupyter_server`` anyway."""
    from .extension import ClawdbotApp

    return [{"module": "clawdbot_ext", "app": ClawdbotApp}]
