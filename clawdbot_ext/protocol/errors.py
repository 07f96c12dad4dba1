"""Every failure that may reach a client, as one exception class each.

    GatewayError                 code             details.reason
    ├── InvalidRequest           INVALID_REQUEST  (given by the raiser, or absent)
    │   ├── UnknownMethod        INVALID_REQUEST  UNKNOWN_METHOD
    │   ├── NotFound             INVALID_REQUEST  NOT_FOUND
    │   ├── IdempotencyConflict  INVALID_REQUEST  IDEMPOTENCY_CONFLICT
    │   ├── Stale                INVALID_REQUEST  STALE            (base hash guard)
    │   ├── SendDenied               INVALID_REQUEST  SEND_DENIED      (the session's sendPolicy)
    │   ├── SwitchedOff          INVALID_REQUEST  DISABLED_BY_POLICY
    │   ├── OperatorOnly         INVALID_REQUEST  OPERATOR_ONLY    (in the space of a user)
    │   ├── LimitReached         INVALID_REQUEST  LIMIT_REACHED    (carries what is used, and when it begins anew)
    │   ├── MissingScope         INVALID_REQUEST  MISSING_SCOPE
    │   ├── TooLarge             INVALID_REQUEST  TOO_LARGE
    │   └── Unauthorized         INVALID_REQUEST  UNAUTHORIZED     (the socket closes with 1008)
    ├── NotPaired                NOT_PAIRED       PAIRING_REQUIRED (carries requestId; the socket closes with 1008)
    └── Unavailable              UNAVAILABLE      (given by the raiser)
        ├── RateLimited          UNAVAILABLE      RATE_LIMITED     (carries retryAfterMs)
        ├── QueueFull            UNAVAILABLE      QUEUE_FULL
        ├── StorageFull          UNAVAILABLE      STORAGE_FULL
        └── ShuttingDown         UNAVAILABLE      SHUTTING_DOWN

The five codes are Clawdbot's; what tells failures of one code apart is ``details.reason``. What a client must not see
(a bug, a path, a secret) is no ``GatewayError``: dispatch turns it into ``UNAVAILABLE`` "internal error" and logs it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, ClassVar


class ErrorCode(str, Enum):
    """The codes of the wire (Clawdbot's ``ErrorCodes``)."""

    NOT_LINKED = "NOT_LINKED"
    NOT_PAIRED = "NOT_PAIRED"
    AGENT_TIMEOUT = "AGENT_TIMEOUT"
    INVALID_REQUEST = "INVALID_REQUEST"
    UNAVAILABLE = "UNAVAILABLE"


class GatewayError(Exception):
    """A failure with its wire code. ``message`` is for people, in English; programs go by ``code`` and ``reason``."""

    code: ClassVar[ErrorCode]
    reason: str | None = None
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, reason: str | None = None, retry_after_ms: int | None = None, **facts: Any):
        super().__init__(message)
        self.message = message
        if reason is not None:
            self.reason = reason
        self.retry_after_ms = retry_after_ms
        self.facts = facts

    def to_wire(self) -> dict[str, Any]:
        """The ``error`` object of a response frame."""
        error: dict[str, Any] = {"code": self.code.value, "message": self.message}
        details = {**({"reason": self.reason} if self.reason else {}), **self.facts}
        if details:
            error["details"] = details
        if self.retryable:
            error["retryable"] = True
        if self.retry_after_ms is not None:
            error["retryAfterMs"] = self.retry_after_ms
        return error


class InvalidRequest(GatewayError):
    """The request can never succeed as it stands."""

    code = ErrorCode.INVALID_REQUEST


class UnknownMethod(InvalidRequest):
    """There is no such method here."""

    reason = "UNKNOWN_METHOD"


class NotFound(InvalidRequest):
    """The session, transcript, run or model that the request names does not exist."""

    reason = "NOT_FOUND"


class IdempotencyConflict(InvalidRequest):
    """The idempotency key was used before for another message or another session."""

    reason = "IDEMPOTENCY_CONFLICT"


class Stale(InvalidRequest):
    """The ``baseHash`` given is not that of the present state."""

    reason = "STALE"


class SendDenied(InvalidRequest):
    """The session's ``sendPolicy`` is ``deny``."""

    reason = "SEND_DENIED"


class SwitchedOff(InvalidRequest):
    """The administrator has switched ``details.feature`` off (``policy.disabled``)."""

    reason = "DISABLED_BY_POLICY"


class OperatorOnly(InvalidRequest):
    """The method in ``details.method`` is about the server, which the users who share it do not have."""

    reason = "OPERATOR_ONLY"


class LimitReached(InvalidRequest):
    """A spending limit is used up: ``details.limit`` is the setting, ``max`` its value, ``used`` what is used of it,
    ``resetsAt`` when it begins anew (milliseconds)."""

    reason = "LIMIT_REACHED"


class MissingScope(InvalidRequest):
    """The caller's scopes do not include the one in ``details.scope``."""

    reason = "MISSING_SCOPE"


class TooLarge(InvalidRequest):
    """The frame, or a part of it, is larger than the gateway takes."""

    reason = "TOO_LARGE"


class Unauthorized(InvalidRequest):
    """No credential, or a wrong one."""

    reason = "UNAUTHORIZED"


class NotPaired(GatewayError):
    """The device has to be approved first, by a user with the scope for it: ``details.requestId`` names the request."""

    code = ErrorCode.NOT_PAIRED
    reason = "PAIRING_REQUIRED"


class Unavailable(GatewayError):
    """The request may succeed later; nothing of it took effect."""

    code = ErrorCode.UNAVAILABLE
    retryable = True


class RateLimited(Unavailable):
    """Too many attempts: ``retryAfterMs`` says when the next one is looked at."""

    reason = "RATE_LIMITED"


class QueueFull(Unavailable):
    """The session already has ``session.maxQueued`` sends waiting."""

    reason = "QUEUE_FULL"


class StorageFull(Unavailable):
    """The disk is full: nothing was stored."""

    reason = "STORAGE_FULL"


class ShuttingDown(Unavailable):
    """The gateway is stopping and starts nothing new."""

    reason = "SHUTTING_DOWN"


class Relayed(GatewayError):
    """An error that another gateway answered, with its texts as they are."""

    code = ErrorCode.UNAVAILABLE

    def __init__(self, wire: Mapping[str, Any]):
        super().__init__(str(wire.get("message", "")))
        self._wire = dict(wire)

    def to_wire(self) -> dict[str, Any]:
        return dict(self._wire)
