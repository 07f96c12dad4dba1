"""The table of method handlers, filled by the decorator ``method``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeVar

from ..protocol.schema import METHODS
from .connections.connection import Connection
from .services import Services

Handler = Callable[["Services", "Connection", Any], Any]
"""A function of the services, the caller and the parameters. What is not a coroutine is the answer itself."""


F = TypeVar("F", bound=Handler)


HANDLERS: dict[str, Handler] = {}


class TwoResponses(NamedTuple):
    """Two responses under one request id: ``ack`` at once, ``result`` once it is there (the method ``agent``)."""

    ack: Any
    result: Awaitable[Any]


def method(name: str) -> Callable[[F], F]:
    """Register the function that serves ``name``, which must have a row in ``protocol.schema.METHODS``."""

    def register(function: F) -> F:
        if name not in METHODS or name in HANDLERS:
            raise RuntimeError(f"{name} has no row in METHODS, or two handlers")
        HANDLERS[name] = function
        return function

    return register
