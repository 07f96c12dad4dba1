"""Command-line options of ``jupyter clawdbot``, ``clawdbot gateway run`` and ``python -m clawdbot_ext.app``.

Imports nothing slow: the command line is checked before ``process_tuning`` prepares the process.
"""

from __future__ import annotations

import argparse
import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._version import __version__
from ..i18n import catalogue, environment_language

RESTARTED = "CLAWDBOT_RESTARTED"
"""In the environment of a server that replaced itself: it opens no browser and prints no greeting. The value is what
``lock.adopt`` needs."""

NEAR = 0.8
"""Similarity above which an unknown option counts as a misspelt one. Jupyter's own options are less similar."""

t = catalogue("server")


@dataclass(frozen=True)
class Options:
    """The parsed command line. ``flags`` are settings by dotted name; ``rest`` is for Jupyter's own parser."""

    flags: Mapping[str, Any] = field(default_factory=dict)
    force: bool = False
    verbose: bool = False
    browser: bool = True
    allow_root: bool = False
    rest: Sequence[str] = ()


def parse(argv: Sequence[str]) -> Options:
    """Read the command line. Prints help or what is wrong and raises ``SystemExit``, as ``argparse`` does."""
    parser = _parser()
    given, rest = parser.parse_known_args(argv)
    if "" in (given.token, given.password, given.ip):
        parser.error(t(environment_language(), "help.empty"))
    _refuse_misspelt(parser, rest)
    flags: dict[str, Any] = {
        "gateway.port": given.port,
        "gateway.bind": given.bind,
        "gateway.auth.token": given.token,
        "gateway.auth.password": given.password,
        "gateway.tailscale.mode": given.tailscale,
    }
    if given.ip is not None:
        everywhere = "0.0.0.0"  # noqa: S104  asked for by name
        host = everywhere if given.ip == "*" else given.ip
        local = given.ip == "localhost"
        flags |= {"gateway.bind": "loopback"} if local else {"gateway.bind": "custom", "gateway.customBindHost": host}
    return Options(
        flags={name: value for name, value in flags.items() if value is not None},
        force=given.force,
        verbose=given.verbose,
        browser=not given.no_browser and RESTARTED not in os.environ,
        allow_root=given.allow_root,
        rest=tuple(rest),
    )


def _refuse_misspelt(parser: argparse.ArgumentParser, rest: Sequence[str]) -> None:
    """Refuse options that are nearly one of this package's; Jupyter would silently ignore them."""
    names = [name for action in parser._actions for name in action.option_strings if name.startswith("--")]
    for word in rest:
        name = word.partition("=")[0]
        near = difflib.get_close_matches(name, names, n=1, cutoff=NEAR) if name.startswith("--") else ()
        if near:
            parser.error(t(environment_language(), "help.nearest", name=name, nearest=near[0]))


def _parser() -> argparse.ArgumentParser:
    lang = environment_language()
    parser = argparse.ArgumentParser(
        prog="jupyter clawdbot",
        allow_abbrev=False,
        description=t(lang, "help.description"),
        epilog=t(lang, "help.epilog"),
    )
    add = parser.add_argument
    add("--port", type=int, metavar="PORT", help=t(lang, "help.port"))
    add("--bind", choices=("loopback", "lan", "tailnet", "custom"), help=t(lang, "help.bind"))
    add("--ip", metavar="ADDR", help=t(lang, "help.ip"))
    add("--token", help=t(lang, "help.token"))
    add("--password", help=t(lang, "help.password"))
    add("--tailscale", choices=("off", "serve", "funnel"), help=t(lang, "help.tailscale"))
    add("--no-browser", action="store_true", help=t(lang, "help.noBrowser"))
    add("--force", action="store_true", help=t(lang, "help.force"))
    add("--allow-root", action="store_true", help=t(lang, "help.allowRoot"))
    add("--verbose", action="store_true", help=t(lang, "help.verbose"))
    add("--version", action="version", version=__version__)
    return parser
