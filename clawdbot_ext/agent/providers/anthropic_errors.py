"""Every way a Messages API call can fail, as a ``ProviderError``. Imported by ``anthropic`` only (it needs the SDK).

The error's ``type`` in the body decides, not the status: an overload that is reported after the stream began has the
status 200.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from typing import Any

import anthropic
import httpx2

from ...protocol.outside_json import whole_characters
from .base import ProviderError

_BY_TYPE = {
    "authentication_error": "auth",
    "permission_error": "auth",
    "billing_error": "billing",
    "invalid_request_error": "invalid",
    "not_found_error": "not_found",
    "request_too_large": "too_large",
    "rate_limit_error": "rate_limit",
    "overloaded_error": "overloaded",
    "api_error": "server",
    "timeout_error": "server",
}
_BY_STATUS = {
    400: "invalid",
    401: "auth",
    402: "billing",
    403: "auth",
    404: "not_found",
    408: "server",
    409: "server",
    413: "too_large",
    422: "invalid",
    429: "rate_limit",
    529: "overloaded",
}
_SPENT = re.compile(r"spend_limit|credit balance|billing|quota")
_TOO_LONG = re.compile(
    r"prompt is too long|context (length|window|size)|too many tokens|exceed\w{0,9} .{0,200}context", re.I
)
_SECRET = re.compile(r"(?i)\b(sk-[\w-]{6,}|(?:x-api-key|authorization)\s*[:=]\s*(?:\w+\s+)?\S+|bearer\s+\S+)")
DETAIL_CHARS = 300
LOOKED_AT_CHARS = 4_000
"""Of a server's text this much is looked at; there is no bound on what one sends."""


def classify(exc: Exception, *, began: bool, secret: str) -> ProviderError:
    """The ``ProviderError`` for anything the SDK raised.

    Args:
        began: the answer's headers had come, so that a lost connection is a cut, not a failure to connect.
        secret: the key, which must not appear in ``detail`` even if a server echoes it.
    """
    if isinstance(exc, ProviderError):
        return exc
    if isinstance(exc, anthropic.APIStatusError):
        return from_body(exc.body, exc.status_code, exc.response.headers, secret)
    cause = _root(exc)
    if isinstance(cause, ProviderError):  # of a hook, in the SDK's wrapping
        return cause
    if isinstance(cause, httpx2.TimeoutException):
        connecting = isinstance(cause, (httpx2.ConnectTimeout, httpx2.PoolTimeout))
        return ProviderError(
            "connect" if connecting else "timeout", "no connection in time" if connecting else "the server fell silent"
        )
    if isinstance(cause, (httpx2.InvalidURL, httpx2.UnsupportedProtocol)):
        return ProviderError("invalid", "the base URL is not a valid http(s) address")
    if began and isinstance(cause, (httpx2.TransportError, OSError)):
        return ProviderError("cut", "the connection was cut")
    if isinstance(exc, anthropic.APIConnectionError) or isinstance(cause, (httpx2.TransportError, OSError)):
        return ProviderError("connect", _why_no_connection(cause))
    return ProviderError("protocol", "the server sent something that is not the Messages API")


def from_body(body: Any, status: int, headers: httpx2.Headers, secret: str) -> ProviderError:
    """The ``ProviderError`` for an error answer, or for an error event in a stream (whose ``status`` is 200)."""
    body = body if isinstance(body, Mapping) else {}
    error = body.get("error")
    error = error if isinstance(error, Mapping) else {"message": error if isinstance(error, str) else ""}
    whole = str(error.get("message") or body.get("message") or "")
    message = whole[:LOOKED_AT_CHARS]
    details = error.get("details")
    code = str(details.get("error_code", ""))[:DETAIL_CHARS] if isinstance(details, Mapping) else ""
    kind = _BY_TYPE.get(str(error.get("type"))) or _BY_STATUS.get(status) or _by_class(status)
    retry_after = _retry_after(headers)
    if kind in ("rate_limit", "invalid", "auth") and retry_after is None and _SPENT.search(f"{code} {message}".lower()):
        kind = "billing"
    elif kind == "invalid" and _TOO_LONG.search(message):
        kind = "too_large"
    return ProviderError(
        kind,
        safe(whole, secret) or f"status {status}",
        status=status,
        retry_after_s=retry_after,
        request_id=headers.get("request-id") or _text(body.get("request_id")),
    )


def _by_class(status: int) -> str:
    if status >= 500:
        return "server"
    return "invalid" if status >= 400 else "protocol"  # a redirect, or an error event of an unknown type


def _retry_after(headers: httpx2.Headers) -> float | None:
    """Seconds; of the two headers the finer one. A date is not used by the API and counts as absent."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) / unit
        except ValueError:
            continue
        if 0 <= seconds < 1e9:
            return seconds
    return None


def _root(exc: BaseException) -> BaseException:
    """The transport's own error beneath the SDK's wrapping."""
    while isinstance(exc, anthropic.APIConnectionError) and exc.__cause__ is not None:
        exc = exc.__cause__
    return exc


def _why_no_connection(cause: BaseException) -> str:
    """A short reason without addresses or paths."""
    seen: BaseException | None = cause
    while seen is not None:
        if isinstance(seen, ssl.SSLError):
            return "the TLS handshake failed"
        if isinstance(seen, ConnectionRefusedError) or "refused" in str(seen).lower():
            return "connection refused"
        if "name or service" in str(seen).lower() or "getaddrinfo" in str(seen).lower():
            return "the host name is not known"
        seen = seen.__cause__ or seen.__context__
    if isinstance(cause, (httpx2.RemoteProtocolError, httpx2.ReadError)):
        return "the connection was closed before an answer came"
    return "no connection"


def safe(text: str, secret: str) -> str:
    """A server's text, fit to be shown: one line, bounded, without the key or anything that looks like one."""
    if len(secret) >= 4:
        text = text.replace(secret, "***")
    text = " ".join(_SECRET.sub("***", whole_characters(text[:LOOKED_AT_CHARS])).split())
    return text if len(text) <= DETAIL_CHARS else text[: DETAIL_CHARS - 1] + "…"


def _text(value: Any) -> str | None:
    return whole_characters(value[:DETAIL_CHARS]) if isinstance(value, str) else None
