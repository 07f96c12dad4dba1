"""Base types of the wire's description: shapes, rows of the two tables, shared names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

PROTOCOL_VERSION = 3

CAP_APPEND = "chat.append"
"""Ours: ``chat`` deltas carry ``{offset, text}`` (UTF-16 code units) instead of the whole text so far."""
CAP_SESSION_EVENTS = "session.events"
"""Ours: ``session.message``, ``session.changed`` and ``session.queue`` events."""
CAP_SWITCH = "session.switch"
"""Ours: the client can follow ``switchTo``, so ``/new`` opens a new key instead of a new transcript."""

CAP_SUBSCRIBE = "sessions.subscribe"
"""Ours: the client gets events of the sessions that it named by ``sessions.subscribe``, and of no others."""

SCOPE_READ, SCOPE_WRITE, SCOPE_ADMIN = "operator.read", "operator.write", "operator.admin"
SCOPE_APPROVALS, SCOPE_PAIRING = "operator.approvals", "operator.pairing"
OPERATOR_SCOPES = (SCOPE_READ, SCOPE_WRITE, SCOPE_ADMIN, SCOPE_APPROVALS, SCOPE_PAIRING)

Key = Annotated[str, Meta(min_length=1, max_length=512, description="A session key; `main` is an alias.")]
RunId = Annotated[str, Meta(min_length=1, max_length=256)]
Ms = Annotated[int, Meta(ge=0, le=2**53)]
Level = Annotated[str, Meta(min_length=1, max_length=32)]
Text = Annotated[str, Meta(max_length=1_000_000)]


class Params(msgspec.Struct, rename="camel", kw_only=True):
    """Base of all parameter shapes."""


class Result(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=False):
    """Base of all result and event shapes; unset fields are left out."""


class NoParams(Params):
    """Nothing is read."""


class OkResult(Result):
    ok: bool


AnyResult = Mapping[str, Any]

Role = Literal["operator", "node"]


class Method(msgspec.Struct, frozen=True):
    """One row: the wire's name, its shapes, the scope a caller needs, one sentence, and whether it is ours."""

    name: str
    params: type[Params]
    result: Any
    scope: str
    """Empty for methods of nodes: their role alone decides."""
    help: str
    ours: bool = False
    role: Role = "operator"


class Event(msgspec.Struct, frozen=True):
    name: str
    payload: Any
    help: str
    cap: str | None = None
    """Only clients that announced this capability get it."""
    ours: bool = False
    scope: str = SCOPE_READ
    """The scope an operator needs to receive it; empty for every client, nodes included."""
    own: bool = False
    """Each gateway sends it to its own clients by itself; of many gateways none passes it on to another's."""


Rows = tuple[Method | Event, ...]
