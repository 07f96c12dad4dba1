"""``auth.*``: one-time links, another token, and logging everybody out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..config import ConfigError
from ..protocol.errors import InvalidRequest, Unavailable
from ..protocol.frames import CloseCode
from ..protocol.schema import LinkCreateResult, LogOutResult, NoParams, RotateResult
from .methods import method
from .rotation import rotate_token

if TYPE_CHECKING:
    from .client import Client
    from .core import Gateway

LOG_OUT_AFTER_S = 0.1
"""Until the answer to whoever has changed the secret is out."""


@method("auth.link")
async def auth_link(gw: Gateway, client: Client, params: NoParams) -> LinkCreateResult:
    """A login code for one use: what ``clawdbot web`` opens."""
    code, expires_at = gw.auth.create_link()
    gw.auth.note("link", client.who())
    return LinkCreateResult(code=code, path=f"chat?code={code}", expires_at=expires_at)


@method("auth.rotate")
async def auth_rotate(gw: Gateway, client: Client, params: NoParams) -> RotateResult:
    """Replace the token. Whoever is connected is disconnected, the caller too, and every cookie and link is void."""
    gw.changing_config += 1
    try:
        token = await asyncio.to_thread(rotate_token, gw.live())
        gw.live.reload()  # the edge sees another secret and disconnects
    except ConfigError as exc:
        raise InvalidRequest(str(exc), reason="INVALID_CONFIG", setting=exc.name) from exc
    except OSError as exc:
        raise Unavailable(f"the token cannot be written: {exc.strerror or exc}", reason="NOT_WRITTEN") from exc
    finally:
        gw.changing_config -= 1
    gw.auth.note("rotated", client.who())
    return RotateResult(token=token)


@method("auth.logoutEverywhere")
async def auth_logout_everywhere(gw: Gateway, client: Client, params: NoParams) -> LogOutResult:
    """End every login of a browser; programs that have the token stay."""
    try:
        closed = log_out_everywhere(gw)
    except OSError as exc:
        raise Unavailable(f"nobody was logged out: {exc.strerror or exc}", reason="NOT_WRITTEN") from exc
    gw.auth.note("logout.everywhere", client.who())
    return LogOutResult(ok=True, closed=closed)


def log_out_everywhere(gw: Gateway) -> int:
    """Void every cookie and link, and disconnect who came by one; returns how many. Raises ``OSError``.

    Whoever came through a Jupyter server may have done so by a cookie of ours, which only that one saw; who has not is
    back at once.
    """
    gw.auth.log_out_everywhere()
    gone = [client for client in gw.broadcast.clients
            if client.peer.cookie or (client.identity is not None and client.identity.via == "jupyter")]
    disconnect(gone, "logged out")
    return len(gone)


def disconnect(clients: Iterable[Client], why: str) -> None:
    """Close sockets for good, once the answer under way is out: a client has to log in again."""
    asyncio.get_running_loop().call_later(LOG_OUT_AFTER_S, _close, tuple(clients), why)


def _close(clients: Iterable[Client], why: str) -> None:
    for client in clients:
        client.close(CloseCode.POLICY, why)
