"""Record of what ran in a shell besides the magics: the newest cell, and the newest failure with its cell."""

from __future__ import annotations

import re
import sys
import traceback
from typing import TYPE_CHECKING, Any

from .magic_errors import ClawdbotError, Stopped

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_OURS = re.compile(r"\s*%(?:clawdbot(?![\w.])|(?:(?:re|un)?load_ext)\s+clawdbot_ext\b)")
_OWN_FAILURES = (ClawdbotError, Stopped)


class LastRun:
    """Listens to the shell from its making to ``forget``."""

    def __init__(self, shell: InteractiveShell):
        self.source, self.failed_source, self.problem = "", "", ""
        error = getattr(sys, "last_value", None)
        history = [text for text in shell.user_ns.get("In", []) if text.strip() and not is_ours(text)]
        if error is not None and not isinstance(error, _OWN_FAILURES):  # it failed before these magics were loaded
            self.failed_source, self.problem = (history or [""])[-1], formatted(error)
        self.source = (history or [""])[-1]
        shell.events.register("post_run_cell", self.ran)

    def ran(self, result: Any) -> None:
        """IPython's event after each cell."""
        source = result.info.raw_cell or ""
        if not source.strip() or is_ours(source):
            return
        self.source = source
        error = result.error_in_exec or result.error_before_exec
        if error is not None and not isinstance(error, _OWN_FAILURES):
            self.failed_source, self.problem = source, formatted(error)

    def forget(self, shell: InteractiveShell) -> None:
        shell.events.unregister("post_run_cell", self.ran)


def is_ours(source: str) -> bool:
    """Report whether it is a cell of these magics, or of nothing but lines of them."""
    if re.match(r"\s*%%clawdbot(?![\w.])", source):
        return True
    lines = [line for line in source.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return all(_OURS.match(line) for line in lines)


def formatted(error: BaseException) -> str:
    """A traceback without the frames of IPython that ran the cell, and without colours."""
    frames = traceback.TracebackException.from_exception(error)
    own = [frame for frame in frames.stack if "IPython" not in frame.filename]
    frames.stack = traceback.StackSummary.from_list(own)
    return "".join(frames.format())
