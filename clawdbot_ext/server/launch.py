"""Start of the standalone server, from the command line to the exit code.

Slow modules are imported only after the command line has been checked and ``process_tuning`` has prepared the process.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from . import secret_handover


def main(argv: Sequence[str] | None = None) -> int:
    """Run the gateway until it is stopped; returns the exit code.

    0 stopped, or this state directory's gateway runs already; 2 wrong command line; 78 wrong configuration; 98 the
    address is in use; 1 anything else that kept it from starting.
    """
    secret_handover.receive()
    if not secret_handover.received():
        secret_handover.start_again(os.environ)
    from .options import parse

    options = parse([*(sys.argv[1:] if argv is None else argv), *secret_handover.received().arguments])
    from . import process_tuning

    process_tuning.before_imports()
    from .process import run

    return run(options)
