"""The services that method handlers and slash commands work with. ``gateway.Gateway`` builds them, once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..agent.context.system_prompt import Environment
from ..agent.model_catalog import Model
from ..agent.providers.base import ThinkingLevel
from ..agent.providers.registry import Providers
from ..config.live import LiveConfig
from ..protocol.clock import now_ms
from ..protocol.keys import canonical, is_temporary, main_session_key
from ..protocol.schema import SessionChange, SessionChangedEvent
from ..runtime.supervision import Supervisor
from ..store.api import Session, Store
from .access.control import AccessControl
from .access.policy import disabled, require
from .connections.broadcast import Broadcast
from .connections.nodes import Nodes
from .connections.presence import Presence
from .hands.modes import hands_of
from .media.attachments import ReadFile
from .media.library import MediaLibrary
from .runs.manager import RunManager
from .runs.request_writer import thinking_level
from .sweeper import Sweeper
from .wire_forms import session_entry


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
    started_at: int = field(default_factory=now_ms)


@dataclass(frozen=True)
class Peers:
    """The programs and devices around the gateway."""

    presence: Presence
    nodes: Nodes


class SessionDirectory:
    """Questions about sessions that many handlers ask, and the announcements of their changes."""

    def __init__(
        self, config: LiveConfig, providers: Providers, events: Broadcast, runs: RunManager, sweeper: Sweeper
    ) -> None:
        self._config, self._providers, self._events, self._runs = config, providers, events, runs
        self.sweeper = sweeper
        self.known: dict[str, Any] = {"count": 0, "recent": []}
        """The number of sessions and the newest of them, as ``health`` last looked them up."""

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
        return session_entry(
            session,
            model=self.model(session),
            running=self._runs.active(session.key) is not None,
            queued=len(self._runs.queued(session.key)),
            hands=hands_of(self._config(), session.settings, now_ms()).entry(),
            titles=titles,
            last_message=last_message,
        )

    def announce(self, session: Session, reason: SessionChange) -> None:
        """Emit ``session.changed`` to clients with ``session.events``; nothing for a deleted session (epoch 0)."""
        if session.epoch == 0:
            return
        self._events.emit(
            "session.changed",
            lambda: SessionChangedEvent(key=session.key, reason=reason, entry=self.entry(session)),
            session=session.key,
        )

    def announce_deleted(self, key: str) -> None:
        """Emit that a session was deleted."""
        self._events.emit("session.changed", lambda: SessionChangedEvent(key=key, reason="deleted"), session=key)


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


def provider_setup(services: Services) -> dict[str, Any]:
    """The provider that answers by default, and whether the user should be asked for a key."""
    name = services.providers.default_name()
    return {"provider": name, "needsKey": name == "demo" and not disabled(services.config(), "settings")}


def after_response(call: Callable[[], None]) -> None:
    """Run ``call`` once the response under way has been sent."""
    asyncio.get_running_loop().call_soon(call)
