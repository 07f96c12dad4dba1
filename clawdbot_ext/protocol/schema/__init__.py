"""Every method, event and shape of the wire: the single source.

A module for each noun holds its shapes and its rows; this is where the rows become the two tables. From them come
validation (``gateway.methods``), scopes, the ``features`` of ``hello-ok``, the reference in ``docs/reference`` and the
TypeScript types of the browser client (``scripts/generate.py``). Field names are the wire's (camelCase by ``rename``).
Unknown fields from a client are ignored. Source: the recorded frames of Clawdbot 2026.1.24-3 and the JSON Schema that
it publishes, for what it has; what is ours says so.
"""

from __future__ import annotations

from collections.abc import Mapping

from . import base, chat, connect, sessions, system
from .base import *  # noqa: F403  the shapes of every noun are exported here
from .base import Event, Method
from .chat import *  # noqa: F403
from .connect import *  # noqa: F403
from .sessions import *  # noqa: F403
from .system import *  # noqa: F403

MODULES = (base, connect, chat, sessions, system)

METHODS: Mapping[str, Method] = {row.name: row for noun in (chat, sessions, system) for row in noun.METHODS}
EVENTS: Mapping[str, Event] = {row.name: row for noun in (connect, chat, sessions, system) for row in noun.EVENTS}
