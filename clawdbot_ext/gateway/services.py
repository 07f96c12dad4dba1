"""The services that method handlers and slash commands work with. ``gateway.Gateway`` builds them, once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from ..agent.context.system_prompt import Environment
from ..agent.model_catalog import Model
from ..agent.providers.base import ThinkingLevel
from ..agent.providers.registry import Providers
from ..config.live import LiveConfig
from ..protocol.clock import now_ms
from ..protocol.frames import encode
from ..protocol.keys import canonical, is_temporary, main_session_key
from ..protocol.schema import SessionChange, SessionChangedEvent
from ..runtime.supervision import Supervisor
from ..store.api import Session, Store
from .access.control import AccessControl
from .access.policy import OPERATORS_OWN, disabled, require
from .backups import Backups
from .connections.broadcast import Broadcast
from .connections.nodes import Nodes
from .connections.presence import Presence
from .hands.modes import hands_of
from .media.attachments import ReadFile
from .media.library import MediaLibrary
from .runs.manager import RunManager
from .runs.request_writer import thinking_level
from .sweeper import Sweeper
from .wire_forms import CLAWDBOT_FIELDS, session_entry

if TYPE_CHECKING:
    from .connections.connection import Connection

KNOWN_S = 1.0
"""Seconds for which ``health`` says the same of the sessions, unless one changes."""
MOST_ROWS = 10_000
"""Encoded rows that are kept."""


async def _nothing_found(locale: str) -> Sequence[Mapping[str, Any]]:
    return ()


async def _nothing_claimed(key: str) -> None:
    pass


async def _nobody_asked(
    caller: Connection, method: str, params: Mapping[str, Any], key: str
) -> Mapping[str, Any] | None:
    return None


@dataclass
class HostFacts:
    """The process around the gateway, as far as handlers may know it."""

    environment: Environment
    list_files: Callable[..., Any] | None = None
    """Lists a directory of the Jupyter server; ``None`` where there is none."""
    read_file: ReadFile | None = None
    """Reads a file of the Jupyter server; ``None`` where there is none."""
    on_stop_requested: Callable[[bool], None] = lambda restart: None
    """Called by the method ``gateway.stop``; the server decides what stopping means where it runs."""
    problem_of_restart: Callable[[], str] = lambda: ""
    """Returns why a restart would fail; called by ``gateway.stop``, in a thread, before anything stops."""
    examine: Callable[[str], Awaitable[Sequence[Mapping[str, Any]]]] = _nothing_found
    """Makes the checks of ``doctor`` and ``security audit``, in a language; for the method ``gateway.checks``."""
    holds_lock: Callable[[], bool] = lambda: True
    """Whether no other process can become the gateway of the state directory."""
    of_user: bool = False
    """This is the space of one of the users who share the process and the machine."""
    spaces: Callable[[], int] | None = None
    """Returns the number of users' spaces that the process has open; ``None`` in a gateway of one user."""
    started_at: int = field(default_factory=now_ms)

    @property
    def closed(self) -> Mapping[str, str]:
        """Methods that this gateway does not have, and why."""
        return OPERATORS_OWN if self.of_user else {}


@dataclass(frozen=True)
class Peers:
    """The programs and devices around the gateway."""

    presence: Presence
    nodes: Nodes


Ask: TypeAlias = Callable[["Connection", str, Mapping[str, Any], str], Awaitable[Mapping[str, Any] | None]]


@dataclass
class Others:
    """The other gateways on the same database, as far as handlers have to do with them; there may be none."""

    tell: Callable[[str, str], None] = lambda what, id_: None
    """Tells that something is another than they have in memory: its kind, and which one."""
    claim: Callable[[str], Awaitable[None]] = _nothing_claimed
    """Makes this gateway the home of a session that is in its memory alone."""
    count: Callable[[], int] = lambda: 1
    """The number of gateways on the database, with this one."""
    ask: Ask = _nobody_asked
    """Has the home of a temporary session answer a method for a caller; ``None``: this gateway is the home. Raises the
    error that it answers."""


class KnownSessions:
    """The number of sessions and the newest of them, as ``health`` last looked them up."""

    def __init__(self) -> None:
        self._count = 0
        self._recent: Sequence[tuple[str, int]] = ()
        self._changes = 0
        self._until = 0.0

    def fresh(self) -> bool:
        """Whether they need not be looked up again yet."""
        return time.monotonic() < self._until

    def changed(self) -> None:
        """A session has changed: the next one who asks has them looked up."""
        self._changes += 1
        self._until = 0.0

    def asking(self) -> int:
        """The state of affairs as of which the caller is about to look them up."""
        return self._changes

    def found(self, asked: int, count: int, recent: Sequence[tuple[str, int]]) -> None:
        """Remember what was found, keys and times of the newest; for a while, unless it has changed since ``asked``."""
        self._count, self._recent = count, recent
        if asked == self._changes:
            self._until = time.monotonic() + KNOWN_S

    def entry(self, now: int) -> dict[str, Any]:
        """``sessions`` of ``health``."""
        recent = [{"key": key, "updatedAt": at, "age": now - at} for key, at in self._recent]
        return {"count": self._count, "recent": recent}


class SessionDirectory:
    """Questions about sessions that many handlers ask, and the announcements of their changes."""

    def __init__(
        self, config: LiveConfig, providers: Providers, events: Broadcast, runs: RunManager, sweeper: Sweeper
    ) -> None:
        self._config, self._providers, self._events, self._runs = config, providers, events, runs
        self.sweeper = sweeper
        self.known = KnownSessions()
        self.tell_temporary: Callable[[str, Session | None], None] = lambda key, session: None
        """Tells the other gateways what a temporary session, which is in the memory of this one, is like."""
        self.elsewhere: Mapping[str, tuple[str, bool, int]] = {}
        """Sessions busy at another gateway: which one, whether a reply is being written, the number in line."""
        self._rows: dict[tuple[str, bool, bool], tuple[Session, msgspec.Raw]] = {}
        self._rows_under: tuple[Any, Any] = (None, None)

    def canonical(self, key: str) -> str:
        """The one spelling of a session key. Raises ``InvalidRequest``, and ``SwitchedOff`` for a temporary one."""
        if is_temporary(found := canonical(key, self._config()["session.mainKey"])):
            require(self._config(), "temporary")
        return found

    def main_key(self) -> str:
        return main_session_key(self._config()["session.mainKey"])

    def thinking_level(self, session: Session | None) -> ThinkingLevel:
        """The session's own level, else the default's."""
        return thinking_level(self._config(), session)

    def model(self, session: Session | None) -> Model:
        """The model that would answer in a session now; the default when its own is gone."""
        own = session.settings.get("model") if session else None
        return self._providers.models.find(own) or self._providers.models.default()

    def entry(self, session: Session, *, titles: bool = True, last_message: bool = True) -> dict[str, Any]:
        """A session in wire form."""
        _, running, queued = self.elsewhere.get(session.key, ("", False, 0))
        return session_entry(
            session,
            model=self.model(session),
            running=running or self._runs.active(session.key) is not None,
            queued=queued + len(self._runs.queued(session.key)),
            hands=hands_of(self._config(), session.settings, now_ms()).entry(),
            titles=titles,
            last_message=last_message,
        )

    def rows(self, sessions: Sequence[Session], *, titles: bool, last_message: bool) -> list[msgspec.Raw]:
        """The rows of ``sessions.list``, encoded. One that says the same as the last time is not made again."""
        under = (self._config(), self._providers.models.remembered())
        if under[0] is not self._rows_under[0] or under[1] is not self._rows_under[1] or len(self._rows) > MOST_ROWS:
            self._rows, self._rows_under = {}, under
        return [self._row(session, titles, last_message) for session in sessions]

    def _row(self, session: Session, titles: bool, last_message: bool) -> msgspec.Raw:
        name = (session.key, titles, last_message)
        kept, row = self._rows.get(name, (None, None))
        busy = session.key in self.elsewhere or self._runs.active(session.key) or self._runs.queued(session.key)
        plain = not busy
        if row is not None and plain and (kept is session or kept == session):
            return row
        entry = self.entry(session, titles=titles, last_message=last_message)
        row = msgspec.Raw(encode({**entry, **CLAWDBOT_FIELDS}))
        if plain and "handsMode" not in session.settings:  # which ends by itself
            self._rows[name] = (session, row)
        return row

    def announce(self, session: Session, reason: SessionChange) -> None:
        """Emit ``session.changed`` to clients with ``session.events``; nothing for a deleted session (epoch 0)."""
        self.known.changed()
        if session.epoch == 0:
            return
        self.note(session)
        self._events.emit(
            "session.changed",
            lambda: SessionChangedEvent(key=session.key, reason=reason, entry=self.entry(session)),
            session=session.key,
        )

    def note(self, session: Session) -> None:
        """Have lists at other gateways say the same of a session, where it is in no database."""
        if is_temporary(session.key):
            self.tell_temporary(session.key, session)

    def announce_deleted(self, key: str, *, only: Callable[[Connection], bool] | None = None) -> None:
        """Emit that a session was deleted."""
        self.known.changed()
        if only is None and is_temporary(key):
            self.tell_temporary(key, None)
        event = SessionChangedEvent(key=key, reason="deleted")
        self._events.emit("session.changed", event, session=key, only=only)


@dataclass(frozen=True)
class Services:
    """The services passed to every method handler and slash command, each built once for the gateway."""

    config: LiveConfig
    store: Store
    events: Broadcast
    runs: RunManager
    sessions: SessionDirectory
    providers: Providers
    media: MediaLibrary
    access: AccessControl
    peers: Peers
    host: HostFacts
    supervisor: Supervisor
    backups: Backups
    others: Others = field(default_factory=Others)


def provider_setup(services: Services) -> dict[str, Any]:
    """The provider that answers by default, and whether the user should be asked for a key."""
    name = services.providers.default_name()
    return {"provider": name, "needsKey": name == "demo" and not disabled(services.config(), "settings")}


def after_response(call: Callable[[], None]) -> None:
    """Run ``call`` once the response under way has been sent."""
    asyncio.get_running_loop().call_soon(call)
