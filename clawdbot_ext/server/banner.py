"""Terminal output of the standalone server: a few lines for people, never a lasting secret."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from .._version import __version__
from ..runtime.program import command

if TYPE_CHECKING:
    from .bootstrap import Bootstrap


def say(text: str, *, error: bool = False) -> None:
    """Write one or more lines to the terminal; a closed pipe is ignored."""
    stream = sys.stderr if error else sys.stdout
    with contextlib.suppress(OSError):
        stream.write(f"{text}\n")
        stream.flush()


def greet(startup: Bootstrap, url: str, link: str) -> None:
    """Print the address of the page. ``link`` logs in once, within a minute."""
    lines = [
        startup.text("greet.title", version=__version__),
        f"  {url}",
        "",
        startup.text("greet.link"),
        f"  {link}",
        "",
        startup.text("greet.later", program=command()),
    ]
    if startup.tls is not None:
        lines += ["", startup.text("greet.fingerprint", fingerprint=startup.tls.fingerprint)]
    if startup.as_root:
        lines += ["", startup.text("start.root")]
    if startup.addresses.exposed:
        lines += ["", startup.text("greet.exposedTls" if startup.tls else "greet.exposed")]
    say("\n".join(lines))
