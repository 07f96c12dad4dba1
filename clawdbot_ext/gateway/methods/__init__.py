"""The handlers of the gateway protocol, a module for each group of methods. Importing the package registers all."""

from __future__ import annotations

from . import (  # noqa: F401  each registers its methods
    agents,
    approvals,
    auth,
    branches,
    chat,
    commands,
    compaction,
    config,
    devices,
    export,
    files,
    gateway_info,
    hands,
    importing,
    logs,
    media,
    models,
    nodes,
    presence,
    prompts,
    search,
    session_tables,
    sessions,
    storage,
    system,
    unsupported,
    usage,
)
