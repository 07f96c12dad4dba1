"""The command by which a person calls this installation, which need not be on PATH."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

LOOKED_AT = 4096
"""Bytes of a script in which the name of its package stands."""


def command(name: str = "clawdbot") -> str:
    """The words to type for ``clawdbot``: its name where PATH leads here, else its path."""
    found = shutil.which(name)
    if found is not None and is_ours(Path(found)):
        return name
    own = Path(sys.executable).with_name(name)
    if os.access(own, os.X_OK):
        return shlex.quote(str(own))
    return f"{shlex.quote(sys.executable)} -m clawdbot_ext"


def without_home(words: str) -> str:
    """A command that says nothing of the account where its path allows it: ``~`` stands for the home directory."""
    home = f"{Path.home()}/"
    return f"~/{words[len(home) :]}" if words.startswith(home) and home != "//" else words


def is_ours(path: Path) -> bool:
    """Report whether a program is this package's, and not Clawdbot's own of that name."""
    try:
        with path.open("rb") as file:
            return b"clawdbot_ext" in file.read(LOOKED_AT)
    except OSError:
        return False
