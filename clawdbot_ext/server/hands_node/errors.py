"""The one failure of a node's command: a code, an English message for the model, and facts."""

from __future__ import annotations

from typing import Any


class HandsError(Exception):
    """A command was refused or failed; sent as ``{code, message, …facts}``."""

    def __init__(self, code: str, message: str, **facts: Any):
        super().__init__(message)
        self.code, self.message, self.facts = code, message, facts

    def to_wire(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message, **self.facts}
