"""Sockets with a credential: headers, a device, Tailscale's word; and what their links and cookies open."""

from __future__ import annotations

import contextlib
import re

import pytest
from websockets.asyncio.client import connect

from tests.support.http import ask
from tests.support.tailnet import NAME
from tests.support.wire import Wire, WireError, opened


def through_tailscale(address: str, name: str) -> dict[str, str]:
    return {
        "Host": NAME,
        "Origin": f"https://{NAME}",
        "X-Forwarded-For": address,
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": NAME,
        "Tailscale-User-Login": name,
    }


@contextlib.asynccontextmanager
async def joined(process, headers=(), *, url=None, **handshake):
    """A socket with ``headers``."""
    headers = dict(headers)
    target = url or process.ws_url
    port = int(re.search(r":(\d+)", target.partition("//")[2])[1])
    host = headers.pop("Host", None)
    origin = headers.pop("Origin", None)
    where = {"host": "127.0.0.1", "port": port} if host else {}
    uri = target.replace(f"127.0.0.1:{port}", host) if host else target
    async with connect(uri, compression=None, proxy=None, origin=origin, additional_headers=headers, **where) as made:
        wire = Wire(made)
        await wire.handshake(**{"scopes": None, **handshake})
        yield wire


@contextlib.asynccontextmanager
async def device_joined(process, device, *, token, headers=None, **more):
    async with opened(process.ws_url, additional_headers=headers or {}) as wire:
        wire.start()
        nonce = (await wire.wait("connect.challenge"))["payload"]["nonce"]
        wire.hello = await wire.call("connect", device.connect(nonce, token=token, **more))
        yield wire


async def refusal(process, device, **more) -> WireError:
    with pytest.raises(WireError) as refused:
        async with device_joined(process, device, **more):
            pass
    return refused.value


def follow(process, path: str, headers=()) -> str:
    """The cookie of a one-time link."""
    return ask(process.port, path=f"/{path}", headers=list(headers)).cookie


def browser(process, cookie: str) -> dict[str, str]:
    return {"Cookie": cookie, "Origin": process.url.rstrip("/")}


def status(process, path: str, cookie: str) -> int:
    return ask(process.port, path=path, headers=[("Cookie", cookie)]).status
