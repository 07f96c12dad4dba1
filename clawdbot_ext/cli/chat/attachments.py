"""Files that go with the next message of ``clawdbot chat``: ``/attach FILE…`` and ``/detach [FILE…]``."""

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
            self._detach(rest.strip())
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

    def _detach(self, text: str) -> None:
        """Take away the files that are named, by path or by name alone; all of them where none is."""
        if text:
            left, unknown = files.without(self.paths, text)
            if unknown:
                self._tell(say("attach.notWaiting", names=files.names(unknown)), "red")
                return
            self.paths = left
        else:
            self.paths = []
        self._tell(say("attach.waiting", names=files.names(self.paths)) if self.paths else say("attach.off"), "dim")

    def tell_waiting(self) -> None:
        """Say which files wait."""
        waiting = say("attach.waiting", names=files.names(self.paths))
        self._tell(waiting if self.paths else say("attach.none"), "dim")

    def pop_all(self) -> list[Path]:
        """The files, which wait no longer."""
        taken, self.paths = self.paths, []
        return taken
