"""Clawdbot for Jupyter: a chat gateway in Jupyter Server, with a browser page and a command line.

Importing the package loads nothing else, because every Jupyter server on the machine does it at its start, and so does
every call of the command line.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .client.auto_connect import connect, connect_async
    from .client.reply import ReplyFailed
    from .notebook.widget import ChatWidget

__all__ = ["ChatWidget", "ReplyFailed", "__version__", "connect", "connect_async"]

_LAZY = {
    "ChatWidget": "notebook.widget",
    "ReplyFailed": "client.reply",
    "connect": "client.auto_connect",
    "connect_async": "client.auto_connect",
}
"""Public name → the module that defines it, imported at the first use of the name."""


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_LAZY[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Extension points for Jupyter Server: called in a process that has imported ``jupyter_server`` anyway."""
    from .server.extension import ClawdbotApp

    return [{"module": "clawdbot_ext", "app": ClawdbotApp}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Path of the built JupyterLab extension, for ``jupyter labextension develop``."""
    return [{"src": "_labextension", "dest": "jupyter-clawdbot"}]


def load_ipython_extension(shell: Any) -> None:
    """``%load_ext clawdbot_ext``: the magics ``%clawdbot`` and ``%%clawdbot``."""
    from .notebook.magics import register

    shell.clawdbot = register(shell)


def unload_ipython_extension(shell: Any) -> None:
    """``%unload_ext clawdbot_ext``"""
    shell.clawdbot.unload()
    del shell.clawdbot
