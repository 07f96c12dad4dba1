"""``auth.*``: one-time links, another token, and logging everybody out."""

from __future__ import annotations

import asyncio

from ...config import ConfigError
from ...protocol.clock import now_ms
from ...protocol.errors import InvalidRequest, Unavailable
from ...protocol.schema import LinkCreateResult, LogOutResult, NoParams, RotateResult
from ..access.rotation import rotate_token
from ..connections.connection import Connection
from ..connections.logout import log_out_everywhere
from ..registry import method
from ..services import Services


@method("auth.link")
async def auth_link(services: Services, caller: Connection, params: NoParams) -> LinkCreateResult:
    """Create a login code for one use, as ``clawdbot web`` does.

    The login has the rights of the caller's, and ends with it. Any gateway on the same database opens it.
    """
    code, expires_at = await services.access.auth.links.create(caller.standing())
    services.access.auth.note("link", caller.audit_fields())
    return LinkCreateResult(code=code, path=f"chat?code={code}", expires_at=expires_at)


@method("auth.rotate")
async def auth_rotate(services: Services, caller: Connection, params: NoParams) -> RotateResult:
    """Replace the token. Every client is disconnected, the caller too, and every cookie and link is void.

    The new one is in the response only for a client that gave the old one: a cookie or a device must not get
    what outlives it."""
    services.config.changing += 1
    try:
        services.access.before_rotation()
        token = await asyncio.to_thread(rotate_token, services.config())
        services.config.reload()  # the edge sees another secret and disconnects
    except ConfigError as exc:
        raise InvalidRequest(str(exc), reason="INVALID_CONFIG", setting=exc.name) from exc
    except OSError as exc:
        raise Unavailable(f"the token cannot be written: {exc.strerror or exc}", reason="NOT_WRITTEN") from exc
    finally:
        services.config.changing -= 1
    services.access.auth.note("rotated", caller.audit_fields())
    standing = caller.standing()
    return RotateResult(token=token) if standing.via == "token" and standing.is_account else RotateResult()


@method("auth.logoutEverywhere")
async def auth_logout_everywhere(services: Services, caller: Connection, params: NoParams) -> LogOutResult:
    """End every login of a browser; programs that have the token stay."""
    try:
        closed = log_out_everywhere(services.access, services.events)
    except OSError as exc:
        raise Unavailable(f"no browser was logged out: {exc.strerror or exc}", reason="NOT_WRITTEN") from exc
    services.others.tell("logins", services.access.auth.generation())
    services.access.auth.note("logout.everywhere", caller.audit_fields())
    return LogOutResult(ok=True, closed=closed)


LOGGED_OUT = "logged-out"


async def keep_logged_out(services: Services, mark: str, ends: int) -> None:
    """Remember over a restart that a cookie was logged out. ``ends`` is when it would have (seconds)."""
    await services.store.put_record(LOGGED_OUT, mark, {"mark": mark, "ends": ends}, now=now_ms())
    services.others.tell("logged-out", mark)


async def load_logged_out(services: Services) -> None:
    """Take up what ``keep_logged_out`` has kept, and forget what has expired. Raises the store's errors."""
    known = await services.store.list_records(LOGGED_OUT)
    for record in known:
        if record["ends"] * 1000 < now_ms():
            await services.store.delete_record(LOGGED_OUT, record["mark"])
    services.access.auth.log_out({record["mark"]: record["ends"] for record in known})
