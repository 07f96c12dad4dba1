"""What our own server says in the terminal: a few lines for people, never a secret that lasts."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from .._version import __version__

if TYPE_CHECKING:
    from .bootstrap import Settled


def say(text: str, *, error: bool = False) -> None:
    """Write a line or more to the terminal. A closed pipe is no reason to stop."""
    stream = sys.stderr if error else sys.stdout
    with contextlib.suppress(OSError):
        stream.write(f"{text}\n")
        stream.flush()


def greet(settled: Settled, url: str, link: str) -> None:
    """Say where the page is. ``link`` logs in once, within a minute."""
    lines = [
        settled.text("greet.title", version=__version__),
        f"  {url}",
        "",
        settled.text("greet.link"),
        f"  {link}",
        "",
        settled.text("greet.later"),
    ]
    if settled.tls is not None:
        lines += ["", settled.text("greet.fingerprint", fingerprint=settled.tls.fingerprint)]
    if settled.as_root:
        lines += ["", settled.text("start.root")]
    if settled.addresses.exposed:
        lines += ["", settled.text("greet.exposedTls" if settled.tls else "greet.exposed")]
    say("\n".join(lines))
