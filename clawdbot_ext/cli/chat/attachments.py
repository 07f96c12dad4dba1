"""Files that go with the next message of ``clawdbot chat``: ``/attach FILE…`` and ``/detach``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .. import exit_codes, files
from ..printing import say


class PendingFiles:
    """The files that wait. ``tell`` prints a line in a style."""

    def __init__(self, tell: Callable[[str, str], None]):
        self._tell = tell
        self.paths: list[Path] = []

    def run(self, text: str) -> bool:
        """Do what a line says; ``False`` for a line that is none of these commands."""
        word, _, rest = text.partition(" ")
        if word == files.DETACH:
            self.paths = []
            self._tell(say("attach.off"), "dim")
        elif word == files.ATTACH:
            try:
                self.paths += files.named_in(rest.strip()) if rest.strip() else []
            except OSError as exc:
                self._tell(exit_codes.explain(exc)[1], "red")
                return True
            self.tell_waiting()
        else:
            return False
        return True

    def tell_waiting(self) -> None:
        """Say which files wait."""
        waiting = say("attach.waiting", names=files.names(self.paths))
        self._tell(waiting if self.paths else say("attach.none"), "dim")

    def pop_all(self) -> list[Path]:
        """The files, which wait no longer."""
        taken, self.paths = self.paths, []
        return taken
