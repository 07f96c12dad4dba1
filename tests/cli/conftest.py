"""A real gateway for the command line's tests, and the command line: in this process, or in one of its own."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import pytest

from clawdbot_ext.cli import main, printing
from tests.support.server import GatewayProcess, clean_environment, free_port

TIMEOUT_S = 90.0


class Done(NamedTuple):
    """Result of a command."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


def run_cli(environment: Mapping[str, str], *arguments: str, stdin: str | None = None) -> Done:
    """``clawdbot ARGUMENTS`` in this process, as in a pipe. Without ``stdin`` there is nothing to read."""
    out, err = io.StringIO(), io.StringIO()
    piped = io.TextIOWrapper(io.BytesIO((stdin or "").encode()), encoding="utf-8")
    printing._language.cache_clear()
    with (
        mock.patch.dict(os.environ, environment, clear=True),
        mock.patch.object(sys, "stdin", piped),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        code = main(arguments)
    printing._language.cache_clear()
    return Done(code, out.getvalue(), err.getvalue())


def run_process(environment: Mapping[str, str], *arguments: str) -> Done:
    """``clawdbot ARGUMENTS`` as a process."""
    done = subprocess.run(
        [sys.executable, "-m", "clawdbot_ext", *arguments],
        env=dict(environment),
        text=True,
        capture_output=True,
        timeout=TIMEOUT_S,
        stdin=subprocess.DEVNULL,
        encoding="utf-8",
    )
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A running gateway with the demo provider."""
    process = GatewayProcess(tmp_path_factory.mktemp("state"))
    process.start()
    yield process
    process.stop()


@pytest.fixture
def cli(gateway: GatewayProcess) -> Run:
    """The command line of a user whose gateway runs."""

    def run(*arguments: str, stdin: str | None = None, **environment: str) -> Done:
        return run_cli({**gateway.environment, **environment}, *arguments, stdin=stdin)

    return run


@pytest.fixture
def own(tmp_path: Path) -> dict[str, str]:
    """The environment of a user without a gateway."""
    return clean_environment(tmp_path, CLAWDBOT_GATEWAY_PORT=str(free_port()))


@pytest.fixture
def alone(own: dict[str, str]) -> Run:
    """The command line of a user without a gateway."""

    def run(*arguments: str, stdin: str | None = None, **environment: str) -> Done:
        return run_cli({**own, **environment}, *arguments, stdin=stdin)

    return run


def eventually(what: Callable[[], bool]) -> bool:
    """Wait until ``what`` holds; whether it does at the end of the patience."""
    ends = time.monotonic() + TIMEOUT_S
    while not (done := what()) and time.monotonic() < ends:
        time.sleep(0.05)
    return done
