"""Certificates that a client trusts: one that the machine trusts, or exactly the one with a known fingerprint.

A gateway's own certificate is signed by no authority, so its fingerprint is all that tells it from another's. It is
compared before the first byte of a request is sent: the credential goes to no other machine.
"""

from __future__ import annotations

import hashlib
import hmac
import ssl
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .endpoint import Endpoint


class WrongCertificate(ssl.SSLError):
    """The other side has another certificate than the one that was pinned; ``seen`` is its fingerprint."""

    def __init__(self, seen: str):
        # The number keeps Tornado from writing a warning of its own to the terminal.
        super().__init__(ssl.SSL_ERROR_EOF, "its certificate is another than the pinned one")
        self.seen = seen


def fingerprint(certificate: bytes) -> str:
    """The SHA-256 of a certificate (DER), as programs show it: ``AB:CD:…``."""
    return shown(hashlib.sha256(certificate).hexdigest())


def shown(text: str) -> str:
    """One way to write what people may write with or without colons, in capitals or not."""
    digits = text.strip().lower().removeprefix("sha256:").removeprefix("sha-256:").replace(":", "").upper()
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))


def pinned(expected: str) -> ssl.SSLContext:
    """A client's context for the one certificate with the fingerprint ``expected``; names and dates do not matter."""
    wanted = shown(expected)

    class Pinned(ssl.SSLSocket):
        def do_handshake(self, block: bool = False) -> None:
            super().do_handshake(block)
            seen = fingerprint(self.getpeercert(binary_form=True) or b"")
            if not hmac.compare_digest(seen, wanted):
                raise WrongCertificate(seen)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.sslsocket_class = Pinned
    return context


def is_about_trust(exc: ssl.SSLError) -> bool:
    """Report whether a certificate was shown and not believed; else the other side does not speak TLS at all."""
    return isinstance(exc, (ssl.SSLCertVerificationError, WrongCertificate))


def options(endpoint: Endpoint) -> dict[str, Any]:
    """TLS options of an HTTP request to ``endpoint``; none where the machine's own trust decides."""
    if not endpoint.tls_fingerprint or not endpoint.ws_url.startswith("wss:"):
        return {}
    return {"ssl_options": pinned(endpoint.tls_fingerprint)}
