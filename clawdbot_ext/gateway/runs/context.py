"""The services that runs are built with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...agent.context.system_prompt import Environment
from ...agent.providers.registry import Providers
from ...config.live import LiveConfig
from ...protocol.schema import SessionChange
from ...store.api import Session, Store
from ..connections.broadcast import Broadcast
from ..hands.approvals import Approvals
from ..hands.services import HandsServices
from ..media.library import MediaLibrary
from .budget import Budget
from .conversation import Conversations


@dataclass(frozen=True)
class RunContext:
    """Everything a run may use."""

    config: LiveConfig
    store: Store
    events: Broadcast
    providers: Providers
    media: MediaLibrary
    approvals: Approvals
    hands: HandsServices
    environment: Environment
    announce: Callable[[Session, SessionChange], None]
    """Emits ``session.changed``."""
    conversations: Conversations
    budget: Budget
