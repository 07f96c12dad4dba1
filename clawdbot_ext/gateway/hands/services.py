"""The services of the assistant's hands, built once for the gateway."""

from __future__ import annotations

from dataclasses import dataclass

from .changes import Changes
from .grants import Grants


@dataclass(frozen=True)
class HandsServices:
    """Everything that tools in notebooks and files share."""

    grants: Grants
    changes: Changes
