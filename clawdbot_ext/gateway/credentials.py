"""``auth.*``: one-time links, another token, and logging everybody out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..config import ConfigError
from ..protocol.clock import now_ms
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
    """A login code for one use: what ``clawdbot web`` opens. The login is worth what the caller's is, and ends with it."""
    code, expires_at = gw.auth.create_link(client.standing())
    gw.auth.note("link", client.who())
    return LinkCreateResult(code=code, path=f"chat?code={code}", expires_at=expires_at)


@method("auth.rotate")
async def auth_rotate(gw: Gateway, client: Client, params: NoParams) -> RotateResult:
    """Replace the token. Whoever is connected is disconnected, the caller too, and every cookie and link is void.

    The new one is in the answer for who has shown the old one, and for nobody else: a cookie or a device must not get
    what outlives it."""
    gw.changing_config += 1
    try:
        gw.before_rotation()
        token = await asyncio.to_thread(rotate_token, gw.live())
        gw.live.reload()  # the edge sees another secret and disconnects
    except ConfigError as exc:
        raise InvalidRequest(str(exc), reason="INVALID_CONFIG", setting=exc.name) from exc
    except OSError as exc:
        raise Unavailable(f"the token cannot be written: {exc.strerror or exc}", reason="NOT_WRITTEN") from exc
    finally:
        gw.changing_config -= 1
    gw.auth.note("rotated", client.who())
    standing = client.standing()
    return RotateResult(token=token) if standing.via == "token" and standing.is_account else RotateResult()


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
    gone = [
        client
        for client in gw.broadcast.clients
        if client.identity is not None and (client.identity.lineage or client.identity.via == "jupyter")
    ]
    disconnect(gone, "logged out")
    gw.on_void()
    return len(gone)


LOGGED_OUT = "logged-out"


async def keep_logged_out(gw: Gateway, mark: str, ends: int) -> None:
    """Remember over a restart that a cookie was logged out. ``ends`` is when it would have (seconds)."""
    await gw.store.put_record(LOGGED_OUT, mark, {"mark": mark, "ends": ends}, now=now_ms())


async def load_logged_out(gw: Gateway) -> None:
    """Take up what ``keep_logged_out`` has kept, and forget what has expired. Raises the store's errors."""
    known = await gw.store.list_records(LOGGED_OUT)
    for record in known:
        if record["ends"] * 1000 < now_ms():
            await gw.store.delete_record(LOGGED_OUT, record["mark"])
    gw.auth.log_out({record["mark"]: record["ends"] for record in known})


def disconnect(clients: Iterable[Client], why: str) -> None:
    """Close sockets for good, once the answer under way is out: a client has to log in again."""
    asyncio.get_running_loop().call_later(LOG_OUT_AFTER_S, _close, tuple(clients), why)


def _close(clients: Iterable[Client], why: str) -> None:
    for client in clients:
        client.close(CloseCode.POLICY, why)
