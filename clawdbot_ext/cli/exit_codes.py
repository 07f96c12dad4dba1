"""Exit codes, and the one place where a failure becomes a line of text.

0    done
1    it did not work: the run failed, the gateway refused, ``doctor`` found a problem
2    wrong command line or configuration
3    no gateway can be reached
4    the gateway does not accept the credentials, or its certificate is not the right one
5    the reply was stopped or interrupted before its end
6    something needed a permission, and no person was there to ask
130  Ctrl+C
"""

from __future__ import annotations

from ..client.endpoint import NoGateway
from ..client.errors import ClientError, ConnectionLost, Foreign, NoTls, NotUnderstood, TimedOut, Unreachable, Untrusted
from ..config import ConfigError
from ..escapes import clean
from ..protocol.errors import GatewayError, RateLimited, Unauthorized
from .printing import language, say

OK, FAILED, USAGE, UNREACHABLE, UNAUTHORIZED, INTERRUPTED, PERMISSION, CTRL_C = 0, 1, 2, 3, 4, 5, 6, 130

EXPECTED = (ConfigError, NoGateway, ClientError, GatewayError, OSError)
"""Failures that are told in one line; anything else is a bug and shows its traceback."""


REASONS = (
    "NOT_FOUND",
    "QUEUE_FULL",
    "STORAGE_FULL",
    "SHUTTING_DOWN",
    "UNKNOWN_METHOD",
    "PROTOCOL_MISMATCH",
    "MISSING_SCOPE",
)
"""Reasons of the gateway that have a text here; the rest is shown in the gateway's own words."""


TOLD = ("NOT_FOUND", "UNKNOWN_METHOD", "MISSING_SCOPE")
"""Those of them for which the gateway's own sentence, where it came in this language, says more."""


def describe(issue: ConfigError) -> str:
    """Explain what is wrong with a setting, with the nearest valid one."""
    text = say("error.config", name=issue.name, problem=issue.problem_in(language()))
    return f"{text} {say('error.nearest', suggestion=issue.suggestion)}" if issue.suggestion else text


def explain(exc: BaseException) -> tuple[int, str]:
    """The exit code and the line for one of ``EXPECTED``: what is wrong, then what to do."""
    if isinstance(exc, ConfigError):
        return USAGE, describe(exc)
    if isinstance(exc, NoGateway):
        return UNREACHABLE, say("error.noGateway", home=exc.home)
    if isinstance(exc, Unreachable):
        return _no_connection(exc)
    if isinstance(exc, ConnectionLost):
        return UNREACHABLE, say("error.lost", reason=exc.reason or exc.code or "-")
    if isinstance(exc, TimedOut):
        return UNREACHABLE, say("error.timedOut", method=exc.method, seconds=f"{exc.seconds:g}")
    if isinstance(exc, NotUnderstood):
        return FAILED, say("error.malformed", problem=exc.problem)
    if isinstance(exc, Unauthorized):
        return UNAUTHORIZED, say("error.unauthorized")
    if isinstance(exc, RateLimited) and exc.retry_after_ms is not None:
        return UNAUTHORIZED, say("error.rateLimited", seconds=-(-exc.retry_after_ms // 1000))
    if isinstance(exc, GatewayError):
        return FAILED, _refusal(exc)
    if isinstance(exc, OSError):
        where = f"{exc.filename}: " if exc.filename else ""
        return FAILED, say("error.os", problem=f"{where}{exc.strerror or exc}")
    raise exc


def _no_connection(exc: Unreachable) -> tuple[int, str]:
    if isinstance(exc, Untrusted):
        key = "error.otherCertificate" if exc.seen else "error.untrusted"
        return UNAUTHORIZED, say(key, url=exc.url, problem=exc.problem, seen=exc.seen)
    kinds: dict[type, str] = {Foreign: "error.foreign", NoTls: "error.noTls"}
    return UNREACHABLE, say(kinds.get(type(exc), "error.unreachable"), url=exc.url, problem=exc.problem)


def _refusal(error: GatewayError) -> str:
    """The gateway's message, as far as possible in the language of the terminal."""
    text, hint = error.facts.get("text"), error.facts.get("hint")
    if error.reason in REASONS and not (isinstance(text, str) and error.reason in TOLD):
        return say(f"error.reason.{error.reason}", message=error.message)
    said = clean(text) if isinstance(text, str) else say("error.gateway", message=error.message)
    stop = "" if said[-1:] in ".!?…" else "."
    return f"{said}{stop} {clean(hint)}" if isinstance(hint, str) else said
