"""Failures of the HTTP request that opens a connection, as exceptions of the client and in a few words."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any

from tornado.httpclient import HTTPClientError
from tornado.websocket import WebSocketError

from ..protocol.errors import GatewayError, RateLimited, Unauthorized
from . import tls
from .errors import ClientError, Foreign, NoTls, Unreachable, Untrusted


def no_connection(exc: Exception, url: str) -> ClientError | GatewayError:
    """The exception for an upgrade to a WebSocket that came to nothing."""
    if isinstance(exc, HTTPClientError):
        answered = 200 <= exc.code < 500  # 5xx is what a proxy says of a gateway that is away
        return refusal(exc) or (Foreign if answered else Unreachable)(url, problem(exc))
    if isinstance(exc, WebSocketError):
        return Foreign(url, problem(exc))
    if isinstance(exc, ssl.SSLError):
        if tls.is_about_trust(exc):
            return Untrusted(url, problem(exc), getattr(exc, "seen", ""))
        return NoTls(url, problem(exc))
    return Unreachable(url, problem(exc))


def refusal(exc: HTTPClientError) -> GatewayError | None:
    """The error for a refused upgrade; ``None`` where it is no refusal of the credential."""
    if exc.code in (401, 403):
        return Unauthorized(f"unauthorized: HTTP {exc.code}")
    if exc.code == 429 and exc.response is not None:
        seconds = exc.response.headers.get("Retry-After", "")
        return RateLimited(
            "too many failed logins, try again later", retry_after_ms=1000 * int(seconds) if seconds.isdigit() else None
        )
    return None


def problem(exc: BaseException) -> str:
    """Short description of a network failure."""
    if isinstance(exc, asyncio.TimeoutError):
        return "no answer in time"
    if isinstance(exc, HTTPClientError):
        return exc.message or "" if exc.code == 599 else f"HTTP {exc.code} {exc.message or ''}".rstrip()
    if isinstance(exc, OSError) and exc.strerror:
        return exc.strerror
    return str(exc) or type(exc).__name__


def object_of(value: Any) -> Mapping[str, Any]:
    """The value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}
