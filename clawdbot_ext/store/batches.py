"""Messages that are appended many at once: a commit for each of them would be what an import takes its time for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class NewMessage(NamedTuple):
    """A message to be appended. ``id`` is its id where it comes from, which others of the batch may name as parent."""

    id: str
    message: Mapping[str, Any]
    now: int
    parent: str | None = None
    """Empty for nothing; ``None``: whatever came before."""
    shown: bool = True


@dataclass(frozen=True)
class Places:
    """Outcome of the batches so far: ids of stored messages, by their ids where they come from."""

    ids: Mapping[str, str] = field(default_factory=dict)
    end: str = ""
    """The last message that is to be shown."""
    last: str = ""
    """The last message that was appended."""
