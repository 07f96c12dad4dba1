"""Tailscale: exposure of the gateway by ``tailscale serve`` or ``funnel``, and the identity of its users.

Everything is done by the ``tailscale`` command that the user has installed and logged in. It only changes the https
port of this machine's name in the tailnet; anything else that the user serves there stays."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import logging
import os
import shutil
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal

from ...config import program_environment

if TYPE_CHECKING:
    from tornado.httputil import HTTPHeaders

log = logging.getLogger(__name__)

HTTPS_PORT = 443
COMMAND_S = 20.0
"""Time-out of the command, which waits for ever if the user has to confirm something in a browser."""
WHOIS_S = 3.0
KNOWN_S, UNKNOWN_S = 60.0, 5.0
"""Seconds for which a known and an unknown login of an address are cached."""
MAX_KNOWN = 256
AT_ONCE = 4
"""Concurrent lookups: a local program may claim any address, and each lookup costs a process."""
_MAC = "/Applications/Tailscale.app/Contents/MacOS/Tailscale"

Mode = Literal["serve", "funnel"]


class TailscaleError(Exception):
    """The gateway cannot be exposed. ``key`` names the text for people."""

    def __init__(self, key: str, **facts: Any):
        super().__init__(f"{key} {facts}")
        self.key, self.facts = key, facts


def program() -> str | None:
    """Return the path of the command, if it is installed."""
    return shutil.which("tailscale") or (_MAC if os.access(_MAC, os.X_OK) else None)


# -- exposure ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Offer:
    """The exposure of the gateway at ``target`` (its own port on this machine) by ``mode``."""

    mode: Mode
    target: str

    @classmethod
    def of(cls, mode: Mode, port: int, *, tls: bool) -> Offer:
        """Return the exposure of the gateway at ``port``; its certificate is not checked, since it stays on this
        machine."""
        return cls(mode, f"{'https+insecure' if tls else 'http'}://127.0.0.1:{port}")

    async def start(self) -> str:
        """Expose the gateway and return its name in the tailnet, or the internet.

        Raises:
            TailscaleError: there is no Tailscale, it is not connected, the port is taken there, or it refused.
        """
        name = await self._name()
        present = await _json("serve", "status", "--json")
        taken = _proxy(present, name)
        if taken not in (None, self.target):
            raise TailscaleError("tailscale.taken", name=name, target=taken)
        await _run(self.mode, "--bg", "--yes", f"--https={HTTPS_PORT}", self.target)
        return name

    async def stop(self, name: str) -> None:
        """Stop the exposure if it still points to this gateway. Raises ``TailscaleError``."""
        if _proxy(await _json("serve", "status", "--json"), name) == self.target:
            await _run(self.mode, "--yes", f"--https={HTTPS_PORT}", "off")

    async def _name(self) -> str:
        status = await _json("status", "--json")
        own = status.get("Self")
        name = str(own.get("DNSName") or "").rstrip(".") if isinstance(own, Mapping) else ""
        if status.get("BackendState", "Running") != "Running" or not name:
            raise TailscaleError("tailscale.down", state=status.get("BackendState", "?"))
        return name


def _proxy(status: Mapping[str, Any], name: str) -> str | None:
    """Return the current target of this machine's https port; ``None`` if there is none."""
    sites = status.get("Web")
    site = sites.get(f"{name}:{HTTPS_PORT}") if isinstance(sites, Mapping) else None
    handlers = site.get("Handlers") if isinstance(site, Mapping) else None
    root = handlers.get("/") if isinstance(handlers, Mapping) else None
    if not isinstance(root, Mapping):
        return None
    return str(root.get("Proxy") or root.get("Path") or root.get("Text") or "?")


async def _json(*words: str) -> Mapping[str, Any]:
    try:
        found = json.loads(await _run(*words) or b"{}") or {}
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, Mapping):
        raise TailscaleError("tailscale.failed", command=" ".join(words), problem="no JSON")
    return found


async def _run(*words: str, seconds: float = COMMAND_S) -> bytes:
    """Run the command and return its output. Raises ``TailscaleError``."""
    command = program()
    if command is None:
        raise TailscaleError("tailscale.missing")
    process = await asyncio.create_subprocess_exec(
        command,
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=program_environment(),
    )
    try:
        printed, said = await asyncio.wait_for(process.communicate(), seconds)
    except asyncio.TimeoutError:
        raise TailscaleError("tailscale.slow", command=" ".join(words)) from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode != 0:
        lines = [line.strip() for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
        raise TailscaleError(
            "tailscale.failed", command=" ".join(words), problem=lines[-1][:300] if lines else process.returncode
        )
    return printed


# -- identity ---------------------------------------------------------------------------------------------------------
class Whois:
    """Lookup of the Tailscale login of a request; call it with the request's headers and its peer's address.

    ``Tailscale-User-Login`` alone is only a header, which every local program can send. It counts when the request
    comes as Serve sends it, from this machine with each forwarding header once, and ``tailscale whois`` of the
    forwarded address names the same login. What comes through Funnel has no identity.
    """

    def __init__(self, seconds: float = WHOIS_S):
        self._seconds = seconds
        self._known: OrderedDict[str, tuple[float, str | None]] = OrderedDict()
        self._at_once = asyncio.Semaphore(AT_ONCE)

    async def __call__(self, headers: HTTPHeaders, peer_address: str) -> str | None:
        """Return the login, as Tailscale writes it; ``None`` for other clients."""
        given = [
            headers.get_list(name)
            for name in ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Tailscale-User-Login")
        ]
        if (
            not _is_loopback(peer_address)
            or "Tailscale-Funnel-Request" in headers
            or any(len(values) != 1 or not values[0].strip() for values in given)
        ):
            return None
        address, proto, _, claimed = (values[0].strip() for values in given)
        try:
            address = str(ipaddress.ip_address(address))
        except ValueError:
            return None
        if proto.lower() != "https":
            return None
        login = await self._login(address)
        return login if login is not None and login.lower() == claimed.lower() else None

    async def _login(self, address: str) -> str | None:
        known = self._recent(address)
        if known is not None:
            return known[1]
        async with self._at_once:
            known = self._recent(address)  # another request may have looked it up meanwhile
            if known is not None:
                return known[1]
            login = await self._ask(address)
            self._known[address] = (monotonic() + (UNKNOWN_S if login is None else KNOWN_S), login)
            self._known.move_to_end(address)
            while len(self._known) > MAX_KNOWN:
                self._known.popitem(last=False)
        return login

    def _recent(self, address: str) -> tuple[float, str | None] | None:
        known = self._known.get(address)
        return known if known is not None and known[0] > monotonic() else None

    async def _ask(self, address: str) -> str | None:
        try:
            answer = json.loads(await _run("whois", "--json", address, seconds=self._seconds))
            login = answer["UserProfile"]["LoginName"]
        except TailscaleError as exc:
            log.warning("tailscale whois: %s", exc.facts.get("problem", exc.key))
            return None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            log.warning("tailscale whois gives no login")
            return None
        return login.strip() or None if isinstance(login, str) else None


def _is_loopback(address: str) -> bool:
    try:
        peer = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = peer.ipv4_mapped if isinstance(peer, ipaddress.IPv6Address) else None
    return (mapped or peer).is_loopback
