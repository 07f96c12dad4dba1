"""The command line ``clawdbot``: a module a command, each imported when it is used.

``main`` is the program. Client commands talk to the gateway through ``clawdbot_ext.client`` and never import the server
or the SDK; what they print from outside goes through ``escapes.clean``.
"""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code (``exit_codes`` has the list)."""
    from .program import run

    return run(argv)
