"""``clawdbot_ext.connect()``: a client of the user's gateway for notebooks and scripts, found by itself.

Explicit arguments win; then ``gateway.remote.url``; on a JupyterHub the mount of the user's own server with the Hub's
token; else the gateway of the state directory with the client credential in it. No secret is taken from, or put into, a
kernel's environment besides the Hub's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..config import load
from ..i18n import environment_language
from .endpoint import Endpoint, locate
from .gateway_client import CAPS, GatewayClient

if TYPE_CHECKING:
    from .sync import SyncClient


def connect(
    url: str | None = None,
    *,
    token: str | None = None,
    password: str | None = None,
    locale: str | None = None,
    caps: Sequence[str] = CAPS,
    tls_fingerprint: str | None = None,
) -> SyncClient:
    """A connected client with synchronous methods; close it, or use it in ``with``. Works in a running cell, too.

    Args:
        url: a gateway's address, as a browser or a socket has it; ``None``: the user's own.
        token, password: for that address; ``None``: what is stored for it.
        locale: the language of the gateway's texts, such as ``ko``; ``None``: the environment's.
        caps: what this client understands.
        tls_fingerprint: SHA-256 of the certificate that must be shown there; ``None``: what is stored for it, else one
            that this machine trusts.

    Raises:
        NoGateway: none runs and none is named.
        Unreachable: no program answers at the address.
        Untrusted: it shows another certificate than it should.
        Unauthorized: the credentials are missing or wrong.
        ConfigError: ``url`` or the configuration is not right.
    """
    from .sync import SyncClient

    return SyncClient(
        connect_async(url, token=token, password=password, locale=locale, caps=caps, tls_fingerprint=tls_fingerprint)
    )


def connect_async(
    url: str | None = None,
    *,
    token: str | None = None,
    password: str | None = None,
    locale: str | None = None,
    caps: Sequence[str] = CAPS,
    tls_fingerprint: str | None = None,
) -> GatewayClient:
    """The same for the running event loop: ``async with connect_async() as client``, which connects."""

    def find() -> Endpoint:
        return locate(load(), url=url, token=token, password=password, tls_fingerprint=tls_fingerprint)

    return GatewayClient(
        find(), caps=caps, locale=locale or environment_language(), client_id="python", mode="backend", locate=find
    )
