"""Exceptions of the client, and the translation of an error on the wire into one of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..protocol import errors
from ..protocol.errors import ErrorCode, GatewayError, InvalidRequest, Unauthorized, Unavailable


class ClientError(Exception):
    """The connection failed, not the request."""


class Unreachable(ClientError):
    """No connection came about: ``problem`` says why in a few words."""

    def __init__(self, url: str, problem: str):
        super().__init__(f"{url}: {problem}")
        self.url, self.problem = url, problem


class Foreign(Unreachable):
    """A program answers that is no Clawdbot gateway."""


class NoTls(Unreachable):
    """The server does not speak TLS, and the address says that it should."""


class Untrusted(Unreachable):
    """The server answers with a certificate that is not believed. ``seen`` is its fingerprint if another was pinned."""

    def __init__(self, url: str, problem: str, seen: str = ""):
        super().__init__(url, problem)
        self.seen = seen


class ConnectionLost(ClientError):
    """The connection ended. ``code`` is the close frame's, ``None`` where there was none."""

    def __init__(self, code: int | None, reason: str):
        super().__init__(f"connection lost ({code or 'no close frame'}{': ' + reason if reason else ''})")
        self.code, self.reason = code, reason


class Closed(ConnectionLost):
    """This client was closed, on purpose: it neither asks nor comes back until it is told to connect."""

    def __init__(self) -> None:
        super().__init__(None, "closed by this side")
        self.args = ("this client was closed; connect again for another",)


class TimedOut(ClientError):
    """No answer within ``seconds``; whether the request took effect is unknown."""

    def __init__(self, method: str, seconds: float):
        super().__init__(f"{method}: no answer within {seconds:g} s")
        self.method, self.seconds = method, seconds


class NotUnderstood(ClientError):
    """An answer is not of the shape that the protocol gives it. ``problem`` says how in a few words."""

    def __init__(self, problem: str):
        super().__init__(f"what answers does not speak the protocol: {problem}")
        self.problem = problem


MALFORMED = (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, RecursionError)
"""Exceptions of code that reads an answer of another shape than the protocol's."""
LONGEST_RETRY_MS = 86_400_000


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Read an answer of the kind ``what``. Raises ``NotUnderstood`` where it is of another shape."""
    try:
        yield
    except MALFORMED as exc:
        raise NotUnderstood(f"{what}: {type(exc).__name__}") from exc


class OtherGatewayError(GatewayError):
    """A code that this gateway never sends but Clawdbot's may (``NOT_PAIRED``, ``AGENT_TIMEOUT``)."""

    def __init__(self, code: str, message: str, **facts: Any):
        super().__init__(message, **facts)
        self.wire_code = code


_BY_REASON = {
    cls.reason: cls
    for cls in vars(errors).values()
    if isinstance(cls, type) and issubclass(cls, GatewayError) and cls.reason
}
"""Only the classes of ``protocol.errors``: others, of a gateway in this process, are built from other arguments."""
_BY_CODE: dict[str, type[GatewayError]] = {
    ErrorCode.INVALID_REQUEST.value: InvalidRequest,
    ErrorCode.UNAVAILABLE.value: Unavailable,
}


def _bounded(retry_after: Any) -> int | None:
    """A time to wait from the wire, at most ``LONGEST_RETRY_MS``."""
    return max(0, min(retry_after, LONGEST_RETRY_MS)) if isinstance(retry_after, int) else None


def from_wire(error: Any) -> GatewayError:
    """The exception that an ``error`` object stands for; the inverse of ``GatewayError.to_wire``."""
    error = error if isinstance(error, dict) else {}
    details = error.get("details")
    facts = {str(key): value for key, value in details.items()} if isinstance(details, dict) else {}
    reason = facts.pop("reason", None)
    reason = reason if isinstance(reason, str) else None
    code, message = str(error.get("code", "")), str(error.get("message") or "no reason given")
    retry_after = error.get("retryAfterMs")
    reserved = {"message", "self", "retry_after_ms", "code"}
    known: dict[str, Any] = {key: value for key, value in facts.items() if key not in reserved}
    known |= {"reason": reason, "retry_after_ms": _bounded(retry_after)}
    if reason is None and message.lower().startswith("unauthorized"):  # Clawdbot's own gateway gives no reason
        return Unauthorized(message, **known | {"reason": Unauthorized.reason})
    cls = _BY_REASON.get(reason or "") or _BY_CODE.get(code)
    return cls(message, **known) if cls else OtherGatewayError(code, message, **known)
