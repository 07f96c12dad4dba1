"""Process of the standalone server: from the options to the exit code, and the restart in place."""

from __future__ import annotations

import os
import sys

from . import secret_handover
from .extension import ClawdbotApp
from .options import RESTARTED, Options
from .serverapp import ClawdbotServer


def run(options: Options) -> int:
    """Run the server until it is stopped; returns the exit code. A requested restart replaces the process."""
    if {"--help-all", "--generate-config"} & set(options.rest):
        ClawdbotApp.launch_instance(list(options.rest))  # type: ignore[no-untyped-call]  # prints or writes, and exits
    server: ClawdbotServer = ClawdbotApp.initialize_server(  # type: ignore[no-untyped-call]
        list(options.rest), options=options
    )
    server.start()
    if server._restart:
        environment = {**server._bootstrap.environment, RESTARTED: server._bootstrap.lock.hand_over()}
        secret_handover.start_again(environment)
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)  # noqa: S606  ourselves again
    return server.exit_code
