"""Every method, event and shape of the wire: the single source.

A module for each noun holds its shapes and its rows; this is where the rows become the two tables. From them come
validation (``gateway.methods``), scopes, the ``features`` of ``hello-ok``, the reference in ``docs/reference`` and the
TypeScript types of the browser client (``scripts/generate.py``). Field names are the wire's (camelCase by ``rename``).
Unknown fields from a client are ignored. Source: the recorded frames of Clawdbot 2026.1.24-3 and the JSON Schema that
it publishes, for what it has; what is ours says so.
"""

from __future__ import annotations

from collections.abc import Mapping

from . import (
    agents,
    approvals,
    base,
    chat,
    connect,
    control,
    devices,
    hands,
    media,
    monitoring,
    nodes,
    prompts,
    search,
    session_tables,
    sessions,
    system,
    unsupported,
)
from .agents import *  # noqa: F403  the shapes of every noun are exported here
from .approvals import *  # noqa: F403
from .base import *  # noqa: F403
from .base import Event, Method
from .chat import *  # noqa: F403
from .connect import *  # noqa: F403
from .control import *  # noqa: F403
from .devices import *  # noqa: F403
from .hands import *  # noqa: F403
from .media import *  # noqa: F403
from .monitoring import *  # noqa: F403
from .nodes import *  # noqa: F403
from .prompts import *  # noqa: F403
from .search import *  # noqa: F403
from .session_tables import *  # noqa: F403
from .sessions import *  # noqa: F403
from .system import *  # noqa: F403
from .unsupported import *  # noqa: F403

_NOUNS = (
    connect,
    chat,
    media,
    agents,
    sessions,
    session_tables,
    search,
    prompts,
    system,
    monitoring,
    control,
    devices,
    nodes,
    approvals,
    hands,
    unsupported,
)
MODULES = (base, *_NOUNS)
"""The modules that define the shapes; `scripts.shapes` reads their notes."""

_ROWS = [row for noun in _NOUNS for row in noun.ROWS]
METHODS: Mapping[str, Method] = {row.name: row for row in _ROWS if isinstance(row, Method)}
EVENTS: Mapping[str, Event] = {row.name: row for row in _ROWS if isinstance(row, Event)}
