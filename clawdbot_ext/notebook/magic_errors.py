"""Failures of the magics: exceptions that a notebook shows in a line or two, and the texts of what went wrong below.

ClawdbotError          the cell has failed, so *Run All*, papermill and nbconvert stop there
└── UsageProblem       the line or the question is not right; nothing was sent
Stopped                the cell was interrupted (a ``KeyboardInterrupt``)
"""

from __future__ import annotations

from collections.abc import Callable

from ..client.endpoint import NoGateway
from ..client.errors import ClientError, ConnectionLost, TimedOut, Unreachable, Untrusted
from ..config import ConfigError
from ..i18n import environment_language
from ..protocol.errors import GatewayError, Unauthorized

EXPECTED = (ConfigError, NoGateway, ClientError, GatewayError, OSError)
"""Failures that are told in a sentence; anything else is a bug and shows its traceback."""
_UNSEEN = {number: None for number in (*range(0x20), *range(0x7F, 0xA0)) if chr(number) not in "\n\t"}


class ClawdbotError(Exception):
    """A magic did not do what it was asked for. The text is for people, in their language."""

    def _render_traceback_(self) -> list[str]:
        """IPython's way for an exception to show itself: here without our own frames."""
        return [without_controls(str(self))]


class UsageProblem(ClawdbotError):
    """The line is not right; the text says why."""


class Stopped(KeyboardInterrupt):
    """The cell was interrupted; the answer has been stopped."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def without_controls(text: str) -> str:
    """``text`` without what a terminal would take for commands; tab and newline stay."""
    return text.translate(_UNSEEN)


def sentences(*parts: object) -> str:
    """Join those ``parts`` that are there, each with its full stop where another follows."""
    given = [str(part).strip() for part in parts if part]
    return " ".join([*(part if part[-1:] in ".!?…:" else f"{part}." for part in given[:-1]), *given[-1:]])


def error_text(exc: BaseException, t: Callable[..., str]) -> str:
    """One of ``EXPECTED`` in a sentence, with what to do; ``t`` has the texts of ``locale/notebook``."""
    if isinstance(exc, NoGateway):
        return t("error.noGateway", home=exc.home)
    if isinstance(exc, ConfigError):
        return t("error.config", name=exc.name, problem=exc.problem_in(environment_language()))
    if isinstance(exc, Untrusted):
        return t("error.untrusted", url=exc.url, problem=exc.problem)
    if isinstance(exc, Unreachable):
        return t("error.unreachable", url=exc.url, problem=exc.problem)
    if isinstance(exc, ConnectionLost):
        return t("error.lost")
    if isinstance(exc, TimedOut):
        return t("error.timedOut", seconds=f"{exc.seconds:g}")
    if isinstance(exc, Unauthorized):
        return t("error.unauthorized")
    if isinstance(exc, GatewayError) and exc.reason == "UNKNOWN_MODEL":
        near = exc.facts.get("suggestions") or ()
        more = f" {t('near', word=near[0])}" if near else ""
        return t("error.unknownModel", spec=exc.facts.get("spec", "")) + more
    if isinstance(exc, GatewayError):
        return sentences(exc.facts.get("text") or exc.message, exc.facts.get("hint"))
    if isinstance(exc, OSError) and exc.strerror:
        return f"{exc.filename}: {exc.strerror}" if exc.filename else exc.strerror
    return str(exc) or type(exc).__name__
