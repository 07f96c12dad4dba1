"""What our own server says in the terminal: a few lines for people, never a secret that lasts."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from .._version import __version__

if TYPE_CHECKING:
    from .bootstrap import Bootstrap


def say(text: str, *, error: bool = False) -> None:
    """Write a line or more to the terminal. A closed pipe is no reason to stop."""
    stream = sys.stderr if error else sys.stdout
    with contextlib.suppress(OSError):
        stream.write(f"{text}\n")
        stream.flush()


def greet(startup: Bootstrap, url: str, link: str) -> None:
    """Say where the page is. ``link`` logs in once, within a minute."""
    lines = [
        startup.text("greet.title", version=__version__),
        f"  {url}",
        "",
        startup.text("greet.link"),
        f"  {link}",
        "",
        startup.text("greet.later"),
    ]
    if startup.tls is not None:
        lines += ["", startup.text("greet.fingerprint", fingerprint=startup.tls.fingerprint)]
    if startup.as_root:
        lines += ["", startup.text("start.root")]
    if startup.addresses.exposed:
        lines += ["", startup.text("greet.exposedTls" if startup.tls else "greet.exposed")]
    say("\n".join(lines))
