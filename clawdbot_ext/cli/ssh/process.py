"""The system's ssh: whom it calls, how it is called, and what its failures mean.

Nothing of SSH is made here: keys, agents, jump hosts and host keys are those of the user's own ssh and its
configuration. ``CLAWDBOT_SSH`` names another program, or the same with options (``ssh -J gate``).
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import click

from ...config import program_environment
from ...config.setting_types import FINGERPRINT
from .. import exit_codes
from ..printing import texts

tell = texts("remote")

PROGRAM = "CLAWDBOT_SSH"
"""Environment variable: the ssh to use, as words of a shell."""
REMOTE_COMMAND = "clawdbot"
LOOKED_AT_CHARS, LINES_TRIED = 64_000, 100
"""Of what the other machine prints: the end, and the lines of it that may begin our answer."""
FIND_S = 45.0
FIND_ASKING_S = 180.0
"""Time limit where a person types a password meanwhile."""
_ALIVE = ("ServerAliveInterval=15", "ServerAliveCountMax=3", "ConnectTimeout=15", "RemoteCommand=none")
"""A dead connection is noticed within a minute; a command in the user's configuration does not run instead of ours."""

_USER = r"[A-Za-z0-9_][A-Za-z0-9._+@-]*"
_HOST = r"[A-Za-z0-9_][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\]"
_TARGET = re.compile(rf"(?:(?P<user>{_USER})@)?(?P<host>{_HOST})(?::(?P<port>[0-9]{{1,5}}))?")
"""Nothing that ssh could take for an option, and nothing that a shell in a user's ProxyCommand could act on."""
_PATH = re.compile(r"/[A-Za-z0-9/_.~%-]*")
_CODE = re.compile(r"code=[A-Za-z0-9_-]+")

_SIGNS = (
    ("hostKeyChanged", exit_codes.UNAUTHORIZED, r"REMOTE HOST IDENTIFICATION HAS CHANGED"),
    ("hostKey", exit_codes.UNAUTHORIZED, r"Host key verification failed|host key is known"),
    ("denied", exit_codes.UNAUTHORIZED, r"Permission denied|Too many authentication failures"),
    ("port", exit_codes.FAILED, r"Address already in use|cannot listen to port|Could not request local forwarding"),
    ("forbidden", exit_codes.FAILED, r"administratively prohibited|forwarding is disabled"),
    ("gatewayGone", exit_codes.UNREACHABLE, r"open failed: connect failed"),
    ("unresolved", exit_codes.UNREACHABLE, r"Could not resolve hostname"),
    (
        "unreachable",
        exit_codes.UNREACHABLE,
        r"Connection refused|timed out|No route to host|unreachable|Connection (?:closed|reset)|kex_exchange|Timeout",
    ),
)
"""Kind of failure, exit code, and what ssh says of it. The first that fits."""


class SshError(click.ClickException):
    """The way there does not work: ``kind`` is the text's key, the message says what to do."""

    def __init__(self, kind: str, exit_code: int = exit_codes.UNREACHABLE, **facts: Any):
        super().__init__(tell(f"ssh.{kind}", **facts))
        self.kind = kind
        self.exit_code = exit_code  # type: ignore[misc]  # click has it for a class; it reads the instance's

    @property
    def final(self) -> bool:
        """Will trying again not help?"""
        return self.kind in ("hostKeyChanged", "hostKey", "denied", "forbidden", "noSsh")


@dataclass(frozen=True)
class Host:
    """Whom to call. ``user`` and ``port`` are the configuration's where they are ``None``."""

    name: str
    user: str | None = None
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> Host:
        """``[user@]host[:port]``, an IPv6 address in brackets. Raises ``click.BadParameter``."""
        found = _TARGET.fullmatch(text)
        port = int(found["port"]) if found and found["port"] else None
        if found is None or (port is not None and not 0 < port < 65536):
            raise click.BadParameter(tell("ssh.target", given=text[:200]))
        return cls(found["host"].strip("[]"), found["user"], port)

    def __str__(self) -> str:
        return f"{self.user}@{self.name}" if self.user else self.name

    def call(self, *options: str, asking: bool) -> list[str]:
        """The words that call this host, up to its name. ``asking``: ssh may ask for a password on the terminal."""
        named = [*(("-p", str(self.port)) if self.port else ()), *(("-l", self.user) if self.user else ())]
        settings = [*_ALIVE, f"BatchMode={'no' if asking else 'yes'}", *options]
        return [
            *program(),
            "-T",
            "-a",
            "-x",
            *(word for each in settings for word in ("-o", each)),
            *named,
            "--",
            self.name,
        ]


class HostType(click.ParamType):  # type: ignore[type-arg]  # generic in the newest click alone
    """``[user@]host[:port]`` on the command line."""

    name = "[user@]host[:port]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Host:
        return value if isinstance(value, Host) else Host.parse(value)


@dataclass(frozen=True)
class RemoteGateway:
    """Address of a gateway as its own machine sees it, and a login code for one use."""

    scheme: str
    address: str
    port: int
    root: str
    """The path of the mount, with a slash at both ends."""
    query: str
    tls_fingerprint: str | None = None
    """Of the certificate that it shows, where it is its own."""

    @classmethod
    def read(cls, host: Host, printed: str) -> RemoteGateway:
        """The output of ``clawdbot web --print --json``, whatever a login script printed around it. Raises
        ``SshError``."""
        answer = _last_object(printed)
        url = answer.get("url")
        if not isinstance(url, str):
            raise SshError("noAnswer", exit_codes.FAILED, host=host)
        if answer.get("expiresAt") is None:
            raise SshError("hub", exit_codes.FAILED, host=host, url=url)
        try:
            parts = urlsplit(url)
            port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        except (ValueError, KeyError):
            raise SshError("noAnswer", exit_codes.FAILED, host=host) from None
        root = parts.path.removesuffix("chat")
        address = parts.hostname or ""
        address = f"[{address}]" if ":" in address else address
        # It becomes an argument of ssh and an address in the browser: the other machine may fill in nothing but names.
        if not (
            re.fullmatch(_HOST, address)
            and _PATH.fullmatch(root)
            and root.endswith("/")
            and _CODE.fullmatch(parts.query)
        ):
            raise SshError("noAnswer", exit_codes.FAILED, host=host)
        fingerprint = answer.get("tlsFingerprint")
        known = isinstance(fingerprint, str) and FINGERPRINT.fullmatch(fingerprint) is not None
        return cls(parts.scheme, address, port, root, parts.query, fingerprint if known else None)


def program() -> list[str]:
    """The ssh to call."""
    return shlex.split(os.environ.get(PROGRAM, "")) or ["ssh"]


def may_ask() -> bool:
    """Report whether there is a person whom ssh could ask."""
    return sys.stdin.isatty()


def find(host: Host, remote_command: str, *, asking: bool) -> RemoteGateway:
    """Ask the ``clawdbot`` of ``host`` where its gateway answers, and for a login code.

    ``remote_command`` is what ``host``'s shell calls it by. Raises ``SshError``.
    """
    words = [*host.call("ClearAllForwardings=yes", asking=asking), f"{remote_command} web --print --json"]
    seconds = FIND_ASKING_S if asking else FIND_S
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=False,
            env=program_environment(),
        )
    except FileNotFoundError:
        raise SshError("noSsh", program=words[0]) from None
    except subprocess.TimeoutExpired:
        raise SshError("slow", host=host, seconds=f"{seconds:g}") from None
    said = done.stderr.decode("utf-8", "replace")
    if done.returncode == 0:
        return RemoteGateway.read(host, done.stdout.decode("utf-8", "replace"))
    if done.returncode == 255:
        raise explain(host, said)
    if done.returncode in (126, 127):
        raise SshError("noClawdbot", exit_codes.FAILED, host=host, command=remote_command)
    if done.returncode == exit_codes.UNREACHABLE:
        raise SshError("noGateway", host=host)
    raise SshError("remoteFailed", exit_codes.FAILED, host=host, command=remote_command, problem=_last_line(said))


def explain(host: Host, said: str, *, port: int = 0) -> SshError:
    """Translate ssh's messages into ours. ``port`` is the local one that it was to listen on."""
    for kind, code, sign in _SIGNS:
        if re.search(sign, said):
            return SshError(kind, code, host=host, port=port, problem=_last_line(said))
    return SshError("failed", host=host, problem=_last_line(said))


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "-"


def _last_object(text: str) -> dict[str, Any]:
    """The last JSON object that begins a line of ``text``; an empty one without."""
    decoder = json.JSONDecoder()
    text = text[-LOOKED_AT_CHARS:]
    for start in reversed([found.start() for found in re.finditer(r"^\{", text, re.MULTILINE)][-LINES_TRIED:]):
        try:
            value, _ = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            return value
    return {}
