"""The users' spaces: a gateway for each user, with a store, files, secrets and connections of its own.

A space is opened by its user's first request and closed when it has been idle for ``users.idleMinutes``: no client, no
reply, nothing in line. Isolation is by construction: what works in a space has no reference to anything else.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from ... import private_files
from ...cluster.spaces import KnownSpace, NameTaken, SpaceRegistry
from ...config import Config
from ...config.live import LiveConfig
from ...config.spaces import load_space
from ...protocol.errors import GatewayError
from ...protocol.frames import CloseCode
from ...runtime.gateway_lock import acquire
from ...runtime.paths import users_folder
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
MEET_S = 5.0
"""Seconds that a space waits for other gateways that have it open, which look around once a second."""
TAKE_OVER_S = 2.0
"""Seconds between two looks for spaces of gateways that are gone."""
TAKEN_AT_ONCE = 4
NOTE_S = 1.0
"""Seconds of a stop in which it is noted what is left to do."""


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

    async def open_space(self, slug: str) -> Gateway:
        """Start the gateway. Raises ``SpaceAway``, or what the store raises."""
        from ...agent.context.system_prompt import Environment
        from ...gateway.services import HostFacts

        config = self.live()
        try:
            if not config["storage.url"]:  # a database keeps its gateways apart by itself
                self._lock = await asyncio.to_thread(acquire, config)
                if self._lock is None:
                    raise SpaceAway
            holds_lock = self._lock.still_ours if self._lock is not None else lambda: True
            host = HostFacts(Environment(server_root="(none)"), holds_lock=holds_lock, of_user=True)
            gateway = await self._start(host, slug)
            if gateway.forwarding is not None:
                await gateway.forwarding.meet(MEET_S)
            return gateway
        except BaseException:
            await self.stop("not started")
            raise

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
    def at_work(self) -> bool:
        """Whether a reply is being written, or one waits in line."""
        gateway = self.context.gateway
        return gateway is not None and any(gateway.services.runs.counts().values())

    @property
    def idle(self) -> bool:
        """Whether no client is connected and nothing goes on or waits."""
        gateway = self.context.gateway
        if gateway is None or self.context.busy:
            return gateway is None
        return not (gateway.clients() or gateway.newcomers() or self.at_work)


class UserSpaces:
    """The spaces that are open in this process, by slug."""

    def __init__(self, base: ServerContext):
        self.base = base
        self._registry: SpaceRegistry | None = None
        self._open: dict[str, Space] = {}
        self._opening: set[str] = set()
        self._changing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """The locks under which a space is opened and closed; each exists while it is used."""
        self._tasks: set[asyncio.Task[Any]] = set()
        self._told: dict[str, str] = {}
        self._closed = False

    @property
    def directory(self) -> Path:
        """The folder with the folders of the spaces."""
        return users_folder(self.base.live.at_start)

    def spaces(self) -> Mapping[str, Space]:
        """The open spaces by slug."""
        return self._open

    def gateways(self) -> Sequence[Gateway]:
        """The gateways of the open spaces."""
        return [space.context.gateway for space in self._open.values() if space.context.gateway is not None]

    # -- life -------------------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Begin to look after the spaces. The operator's own gateway has started."""
        gateway = self.base.gateway
        assert gateway is not None
        self._registry = SpaceRegistry(gateway.services.store, self.base.cluster)
        gateway.services.host.spaces = lambda: len(self._open)
        self.base.measure_users(self.gateways)
        self.base.live.watch(self._config_changed)
        supervisor = gateway.services.supervisor
        for name, work in (("spaces", self._look_after), ("spaces of others", self._take_over)):
            self._tasks.add(supervisor.run(name, work))

    async def open(self, user: SignedIn) -> Space:
        """Return the space of ``user``, opened if need be.

        Raises:
            NotAllowed, TooManySpaces, SpaceAway.
        """
        slug = slug_of(user.name)
        if not is_allowed(self.base.live(), user):
            self.disconnect(user, "not allowed")  # the sign-in may have taken a group away, which no setting tells
            raise NotAllowed
        async with self._lock_of(slug):
            space = self._open.get(slug)
            if space is None:
                await self._make_room()
                self._opening.add(slug)
                try:
                    space = await self._opened(user, slug)
                finally:
                    self._opening.discard(slug)
            if not is_allowed(self.base.live(), user):  # since it was asked for
                if self._open.get(slug) is space:
                    await self._close(space, "not allowed")
                raise NotAllowed
            space.use(user)
            return space

    def _stops(self) -> bool:
        return self._closed

    def _lock_of(self, slug: str) -> asyncio.Lock:
        lock = self._changing.get(slug)
        if lock is None:
            self._changing[slug] = lock = asyncio.Lock()
        return lock

    async def _opened(self, user: SignedIn, slug: str) -> Space:
        """Open a space. It is noted before, so that another gateway takes it over should this one die meanwhile."""
        home, registry = self.directory / slug, self._registry
        if registry is None or self._stops():
            raise SpaceAway
        try:
            await registry.opened(slug, user.name, user.groups)
            await asyncio.to_thread(_prepare, home)
            space = Space(user, slug, home, self.base)
            await asyncio.to_thread(_secrets, space.context.live())
            await space.context.open_space(slug)
        except (NameTaken, StoreDamaged, SchemaTooNew, GatewayError, OSError, SpaceAway) as exc:
            log.error("the space in %s cannot be opened: %s", home, exc)
            await registry.closed(slug)
            raise SpaceAway from exc
        self._open[slug] = space
        if self._stops():  # since it was asked for
            await self._close(space, "stopping")
            raise SpaceAway
        return space

    async def _make_room(self) -> None:
        """Close the longest idle space if there are as many as there may be. Raises ``TooManySpaces``."""
        while len(self._open) + len(self._opening) >= self.base.live()["users.maxOpen"]:
            before = time.monotonic() - JUST_USED_S
            idle = [space for space in self._open.values() if space.used_at < before and space.idle]
            if not idle:
                raise TooManySpaces
            await self._close_if_idle(min(idle, key=lambda space: space.used_at), before)

    async def _close_if_idle(self, space: Space, before: float) -> None:
        async with self._lock_of(space.slug):
            if self._open.get(space.slug) is space and space.used_at < before and space.idle:
                await self._close(space, "idle")

    async def _close(self, space: Space, reason: str, *, restarts: bool = False) -> None:
        """Close a space. Where something is left to do in it, the next one who opens it goes on with that."""
        self._open.pop(space.slug, None)
        await space.context.stop(reason, restarts=restarts)
        if self._registry is not None and not self._closed:
            await self._registry.closed(space.slug)

    async def close_idle(self) -> None:
        """Close what has been idle for ``users.idleMinutes``."""
        before = time.monotonic() - self.base.live()["users.idleMinutes"] * 60
        for space in list(self._open.values()):
            if not space.idle:
                space.used_at = time.monotonic()
            elif space.used_at < before:
                await self._close_if_idle(space, before)

    async def prepare_stop(self) -> None:
        """Note which spaces the next process goes on with. The operator's own store is still open."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        if self._registry is not None:
            busy = [slug for slug, space in self._open.items() if space.at_work]
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._registry.leave(busy), NOTE_S)

    async def close(self, reason: str = "stopping", *, restarts: bool = False) -> None:
        """Close all of them at once; every client is told. None is opened afterwards."""
        self._closed = True
        await asyncio.gather(*(self._close(space, reason, restarts=restarts) for space in list(self._open.values())))

    # -- what the operator changes ----------------------------------------------------------------------------------
    def _config_changed(self, config: Config) -> None:
        """Carry a change of the operator's configuration into the open spaces, and close those of users who may not
        stay: their sockets at once, what is being written when it has had its few seconds."""
        for space in list(self._open.values()):
            if is_allowed(config, space.user):
                space.context.live.reload()
            else:
                space.context.shut_out("not allowed")
                task = asyncio.create_task(self._expel(space), name="a space that is closed")
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _expel(self, space: Space) -> None:
        async with self._lock_of(space.slug):
            if self._open.get(space.slug) is space and not is_allowed(self.base.live(), space.user):
                await self._close(space, "not allowed")

    def disconnect(self, user: SignedIn, why: str) -> None:
        """Close everything that a user has open; does nothing without a space."""
        space = self._open.get(slug_of(user.name))
        if space is not None:
            space.context.shut_out(why)

    # -- in the background ------------------------------------------------------------------------------------------
    async def _look_after(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            await self.close_idle()

    async def _take_over(self) -> None:
        """Open the spaces of gateways that are gone, so that what they left half-done there is ended and goes on."""
        assert self._registry is not None
        at_once = asyncio.Semaphore(TAKEN_AT_ONCE)
        while True:
            left: Sequence[KnownSpace] = ()
            with suppress(GatewayError):  # the database is away, which ``health`` tells
                left = await self._registry.abandoned()
            await asyncio.gather(*(self._take(known, at_once) for known in left))
            await asyncio.sleep(TAKE_OVER_S)

    async def _take(self, known: KnownSpace, at_once: asyncio.Semaphore) -> None:
        async with at_once:
            try:
                await self.open(SignedIn(known.name, frozenset(known.groups)))
            except Refused as exc:  # tried again at the next look; told once
                reason = str(exc.facts["reason"])
                if self._told.get(known.slug) != reason:
                    log.warning("the space %s of a gateway that is gone is not taken over: %s", known.slug, reason)
                self._told[known.slug] = reason
            else:
                self._told.pop(known.slug, None)


def _prepare(home: Path) -> None:
    """Make the folder of a space. Raises ``OSError``."""
    private_files.make_directory(home.parent)
    private_files.make_directory(home)


def _secrets(config: Config) -> None:
    """Make the secrets of a space, while no request waits for the event loop. Raises ``OSError``."""
    get_or_create_secret(config, "cookie")
    client_credential(config, create=True)
