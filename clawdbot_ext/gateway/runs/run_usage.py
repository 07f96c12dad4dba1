"""Tokens and cost of a whole run, its steps together, in wire form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TOKENS = ("input", "output", "cacheRead", "cacheWrite", "totalTokens")
_COSTS = ("input", "output", "cacheRead", "cacheWrite", "total")


class RunUsage:
    """The sum of the ``usage`` of a run's steps."""

    def __init__(self) -> None:
        self.steps = 0
        self._tokens = dict.fromkeys(_TOKENS, 0)
        self._cost = dict.fromkeys(_COSTS, 0.0)

    def add(self, usage: Mapping[str, Any]) -> None:
        """Count one more step."""
        self.steps += 1
        for name in _TOKENS:
            self._tokens[name] += int(usage.get(name) or 0)
        for name in _COSTS:
            self._cost[name] += float(usage["cost"].get(name) or 0.0)

    def with_last(self, usage: Mapping[str, Any]) -> dict[str, Any]:
        """The ``runUsage`` of a run's last message, whose own ``usage`` is given: the sum, and the number of ``steps``,
        which are calls of the model."""
        whole = RunUsage()
        whole.add({**self._tokens, "cost": self._cost})
        whole.add(usage)
        return {"steps": self.steps + 1, **whole._tokens, "cost": whole._cost}
