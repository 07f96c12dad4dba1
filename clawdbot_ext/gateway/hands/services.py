"""The services of the assistant's hands, built once for the gateway."""

from __future__ import annotations

from dataclasses import dataclass

from ...config.live import LiveConfig
from ...store.api import Store
from ..connections.broadcast import Broadcast
from ..connections.nodes import Nodes
from ..media.library import MediaLibrary
from .approvals import Approvals
from .attached import attachment_tool
from .catalog import Catalog
from .changes import Changes
from .grants import Grants
from .permission import Permission
from .plans import Plans
from .retention import Retention
from .running import Running
from .targets import Targets
from .toolbox import Toolbox


@dataclass(frozen=True)
class HandsServices:
    """Everything about tools in notebooks and files."""

    grants: Grants
    changes: Changes
    targets: Targets
    running: Running
    permission: Permission
    catalog: Catalog
    retention: Retention


def hands_services(
    config: LiveConfig, store: Store, events: Broadcast, nodes: Nodes, approvals: Approvals, media: MediaLibrary
) -> HandsServices:
    """Build the services."""
    grants, plans = Grants(store, events), Plans(store)
    changes, running = Changes(store, events), Running()
    targets = Targets(nodes, changes.server_of)
    return HandsServices(
        grants=grants,
        changes=changes,
        targets=targets,
        running=running,
        permission=Permission(config, store, approvals, grants, plans, targets),
        retention=Retention(config, store, approvals),
        catalog=Catalog(Toolbox(targets, changes, approvals, plans, running), attachment_tool(store, media)),
    )
