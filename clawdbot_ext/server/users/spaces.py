"""The users' spaces: a gateway for each user, with a store, files, secrets and connections of its own.

A space is opened by its user's first request and closed when it has been idle for ``users.idleMinutes``: no client, no
reply, nothing in line. Isolation is by construction: what works in a space has no reference to anything else.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ... import private_files
from ...config import Config
from ...config.live import LiveConfig
from ...config.spaces import load_space
from ...gateway.access.policy import OPERATORS_OWN
from ...protocol.clock import now_ms
from ...protocol.errors import GatewayError
from ...protocol.frames import CloseCode
from ...runtime.gateway_lock import acquire
from ...runtime.secrets import client_credential, get_or_create_secret
from ...store.api import SchemaTooNew, StoreDamaged
from ..context import ServerContext, close_request
from ..handlers.base import Refused
from .principals import is_allowed, slug_of
from .sign_in import SignedIn

if TYPE_CHECKING:
    from ...gateway.gateway import Gateway

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""Seconds between two looks at who may still be here, and at what has been idle long enough."""
JUST_USED_S = 5.0
"""A space that was asked for within this time does not make room for another one."""
ABOUT = "user.json"
"""The file in a space's folder that says whose it is."""


class NotAllowed(Refused):
    """A user who is signed in and has no space here."""

    def __init__(self) -> None:
        super().__init__(403, "users.notAllowed", "USER_NOT_ALLOWED")


class TooManySpaces(Refused):
    """``users.maxOpen`` spaces are open, and in each of them something is going on."""

    def __init__(self) -> None:
        super().__init__(503, "users.full", "TOO_MANY_SPACES", retryAfterMs=60_000)


class SpaceAway(Refused):
    """The files of a space cannot be opened: another process has them, or the disk fails."""

    def __init__(self) -> None:
        super().__init__(503, "users.away", "SPACE_AWAY")


class SpaceContext(ServerContext):
    """The context of a space: as of a server, without a server around it."""

    async def open_space(self) -> Gateway:
        """Start the gateway. Raises ``SpaceAway``."""
        from ...agent.context.system_prompt import Environment
        from ...gateway.services import HostFacts

        config = self.live()
        try:
            if not config["storage.url"]:  # a database keeps its gateways apart by itself
                self._lock = await asyncio.to_thread(acquire, config)
                if self._lock is None:
                    log.error("the space in %s is open in another process", config.home)
                    raise SpaceAway
            holds_lock = self._lock.still_ours if self._lock is not None else lambda: True
            host = HostFacts(Environment(server_root="(none)"), holds_lock=holds_lock, closed=OPERATORS_OWN)
            return await self._start(host)
        except (StoreDamaged, SchemaTooNew, GatewayError, OSError) as exc:
            log.error("the space in %s cannot be opened: %s", config.home, exc)
            await self.stop("not started")
            raise SpaceAway from exc

    def shut_out(self, why: str) -> None:
        """Close every socket and request."""
        gateway = self.gateway
        for client in () if gateway is None else (*gateway.clients(), *gateway.newcomers()):
            client.close(CloseCode.POLICY, why)
        for handler in list(self._open_requests):
            close_request(handler)


class Space:
    """A user's space that is open in this process."""

    def __init__(self, user: SignedIn, slug: str, home: Path, base: ServerContext):
        self.user, self.slug, self.home, self._base = user, slug, home, base
        self.context = SpaceContext(LiveConfig(self._load), "standalone")
        self.context.auth.note = base.auth.note
        self.used_at = time.monotonic()

    def _load(self) -> Config:
        return load_space(self._base.live(), self.user.name, self.user.groups, self.home, self.slug)

    def use(self, user: SignedIn) -> None:
        """Take note of a request; other groups than before bring other settings."""
        self.used_at = time.monotonic()
        if user.groups != self.user.groups:
            self.user = user
            self.context.live.reload()

    @property
    def idle(self) -> bool:
        """Whether no client is connected and nothing goes on or waits."""
        gateway = self.context.gateway
        if gateway is None or self.context.busy:
            return gateway is None
        counts = gateway.services.runs.counts()
        return not (gateway.clients() or gateway.newcomers() or any(counts.values()))


class UserSpaces:
    """The spaces that are open in this process, by slug."""

    def __init__(self, base: ServerContext):
        self.base = base
        self._open: dict[str, Space] = {}
        self._changing: dict[str, asyncio.Lock] = {}
        self._watch: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def directory(self) -> Path:
        """The folder with the folders of the spaces."""
        config = self.base.live.at_start
        given: str = config["users.directory"]
        return Path(given).expanduser() if given else config.home / "users"

    def spaces(self) -> Mapping[str, Space]:
        """The open spaces by slug."""
        return self._open

    # -- life -------------------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Begin to look after the spaces, on the server's event loop."""
        self.base.live.watch(self._config_changed)
        self._watch = asyncio.create_task(self._look_after(), name="spaces")

    async def open(self, user: SignedIn) -> Space:
        """Return the space of ``user``, opened if need be.

        Raises:
            NotAllowed, TooManySpaces, SpaceAway.
        """
        if not is_allowed(self.base.live(), user):
            raise NotAllowed
        slug = slug_of(user.name)
        async with self._lock_of(slug):
            if self._closed:
                raise SpaceAway
            space = self._open.get(slug)
            if space is None:
                await self._make_room()
                space = await self._opened(user, slug)
            space.use(user)
            return space

    def _lock_of(self, slug: str) -> asyncio.Lock:
        return self._changing.setdefault(slug, asyncio.Lock())

    async def _opened(self, user: SignedIn, slug: str) -> Space:
        home = self.directory / slug
        try:
            await asyncio.to_thread(_prepare, home, user)
            space = Space(user, slug, home, self.base)
            await asyncio.to_thread(_secrets, space.context.live())
        except OSError as exc:
            log.error("the space in %s cannot be opened: %s", home, exc)
            raise SpaceAway from exc
        await space.context.open_space()
        self._open[slug] = space
        return space

    async def _make_room(self) -> None:
        """Close the longest idle space if there are as many as there may be. Raises ``TooManySpaces``."""
        if len(self._open) < self.base.live()["users.maxOpen"]:
            return
        before = time.monotonic() - JUST_USED_S
        idle = [space for space in self._open.values() if space.used_at < before and space.idle]
        if not idle:
            raise TooManySpaces
        await self._close(min(idle, key=lambda space: space.used_at), "idle")

    async def _close(self, space: Space, reason: str, *, restarts: bool = False) -> None:
        self._open.pop(space.slug, None)
        await space.context.stop(reason, restarts=restarts)

    async def close_idle(self) -> None:
        """Close what has been idle for ``users.idleMinutes``."""
        before = time.monotonic() - self.base.live()["users.idleMinutes"] * 60
        for slug, space in list(self._open.items()):
            if not space.idle:
                space.used_at = time.monotonic()
            elif space.used_at < before:
                async with self._lock_of(slug):
                    if self._open.get(slug) is space and space.used_at < before and space.idle:
                        await self._close(space, "idle")

    async def close(self, reason: str = "stopping", *, restarts: bool = False) -> None:
        """Close all of them at once; every client is told. None is opened afterwards."""
        self._closed = True
        if self._watch is not None:
            self._watch.cancel()
        await asyncio.gather(*(self._close(space, reason, restarts=restarts) for space in list(self._open.values())))

    # -- what the operator changes ----------------------------------------------------------------------------------
    def _config_changed(self, config: Config) -> None:
        """Carry a change of the operator's configuration into the open spaces, and shut those out who may not stay."""
        for space in self._open.values():
            if is_allowed(config, space.user):
                space.context.live.reload()
            else:
                space.context.shut_out("not allowed")

    def disconnect(self, user: SignedIn, why: str) -> None:
        """Close everything that a user has open; does nothing without a space."""
        space = self._open.get(slug_of(user.name))
        if space is not None:
            space.context.shut_out(why)

    async def _look_after(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            await self.close_idle()


def _prepare(home: Path, user: SignedIn) -> None:
    """Make the folder of a space, and write down whose it is. Raises ``OSError``."""
    private_files.make_directory(home.parent)
    private_files.make_directory(home)
    path = home / ABOUT
    about: dict[str, Any] = {"createdAt": now_ms()}
    if path.exists():
        about = json.loads(path.read_bytes())
    about |= {"name": user.name, "groups": sorted(user.groups), "lastSeenAt": now_ms()}
    private_files.write(path, json.dumps(about, ensure_ascii=False, indent=2).encode() + b"\n")


def _secrets(config: Config) -> None:
    """Make the secrets of a space, while no request waits for the event loop. Raises ``OSError``."""
    get_or_create_secret(config, "cookie")
    client_credential(config, create=True)
