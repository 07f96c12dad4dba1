"""Hiding of start-up secrets from other processes: the server re-executes itself without them.

``/proc/<pid>/environ`` and ``/proc/<pid>/cmdline`` show what a process was started with, whatever it does to its
environment later, to the kernels that it starts in the first case and to all users in the second. So a start with a
secret in either is followed by another one, in the same process, that gets them through a pipe. It costs two dozen
milliseconds, since the first start imports next to nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

VARIABLE = "CLAWDBOT_SECRETS_FD"
"""Environment variable of the second start with the file descriptor of the pipe."""
MAX_BYTES = 32 * 1024
"""Size that fits into a pipe before anything is read from it."""
SECRET_VARIABLES = (
    "ANTHROPIC_API_KEY",
    "CLAWDBOT_GATEWAY_PASSWORD",
    "CLAWDBOT_GATEWAY_TOKEN",
    "CLAWDBOT_STORAGE_URL",
    "CLAWDBOT_USERS_SECRET",
)
"""``config.secret_variables``, which a test holds against it: the settings take longer to import than all the rest."""
_SECRET_WORDS = ("token", "password", "secret", "apikey", "api_key", "gateway_config", "gatewayconfig")
"""Parts of the names of options whose value may be a secret, this package's or Jupyter's."""


class Secrets(NamedTuple):
    """Secrets given to the process besides its visible command line and environment. Falsy if there are none."""

    environment: Mapping[str, str] = MappingProxyType({})
    arguments: Sequence[str] = ()

    def __bool__(self) -> bool:
        return bool(self.environment or self.arguments)


_received = Secrets()


def received() -> Secrets:
    """Return the secrets that ``receive`` read."""
    return _received


def receive() -> None:
    """Read the secrets handed over by the first start, if any. Call it once, before parsing the command line."""
    global _received
    descriptor = os.environ.pop(VARIABLE, "")
    if not descriptor.isdigit():
        return
    with contextlib.suppress(OSError, ValueError, KeyError), os.fdopen(int(descriptor), "rb") as pipe:
        given = json.loads(pipe.read())
        _received = Secrets(given["environment"], given["arguments"])


def split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split the arguments into plain ones and those that may hold secrets (``--token x``,
    ``--ServerApp.password=x``)."""
    plain: list[str] = []
    secret: list[str] = []
    words = iter(arguments)
    for word in words:
        name, equals, _ = word.partition("=")
        if not (name.startswith("-") and any(telling in name.lower() for telling in _SECRET_WORDS)):
            plain.append(word)
            continue
        secret.append(word)
        if not equals and (value := next(words, None)) is not None:
            secret.append(value)
    return plain, secret


def start_again(environment: Mapping[str, str]) -> None:
    """Replace this process by itself, with ``environment``, if there is a secret to hide; else return. On Windows
    another process would receive its place, and no other can look into it."""
    if os.name == "nt":
        return
    visible, arguments = split(sys.orig_argv[1:])
    arguments += _received.arguments
    hidden = {name: environment[name] for name in SECRET_VARIABLES if environment.get(name)}
    if hidden or arguments:
        replace(
            visible,
            {name: value for name, value in environment.items() if name not in hidden},
            Secrets(hidden, arguments),
        )


def replace(arguments: Sequence[str], environment: Mapping[str, str], secrets: Secrets) -> None:
    """Replace this process by Python with ``arguments``; ``secrets`` go through a pipe. Returns if they do not fit."""
    data = json.dumps({"environment": dict(secrets.environment), "arguments": list(secrets.arguments)}).encode()
    if len(data) > MAX_BYTES:
        return
    reading, writing = os.pipe()
    os.write(writing, data)
    os.close(writing)
    os.set_inheritable(reading, True)
    os.execve(sys.executable, [sys.executable, *arguments], {**environment, VARIABLE: str(reading)})  # noqa: S606
