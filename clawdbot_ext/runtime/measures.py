"""Figures of this process for monitoring: counts, and distributions of times. Cheap enough for every message."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Distribution:
    """The number of times of each length. Each is written by one thread."""

    def __init__(self, bounds: Sequence[float] = BOUNDS_S) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        """Below each bound and above the one before; the last one is above them all."""
        self.total = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds

    def quantile(self, share: float) -> float:
        """The bound below which this share of the times lies; the largest bound if some of them are longer."""
        seen, wanted = 0, share * sum(self.counts)
        for bound, count in zip(self.bounds, self.counts, strict=False):
            seen += count
            if seen >= wanted:
                return bound if seen else 0.0
        return self.bounds[-1]


class Measures:
    """The figures, since the process began."""

    def __init__(self) -> None:
        self.commit = Distribution()
        """One transaction of the store, from its first statement to what ``fsync`` said."""
        self.first_token = Distribution()
        """From the start of a run to the first text that it shows."""
        self.loop_lag = Distribution()
        """The delay of the event loop with the work that was due, taken once a second."""
        self.last_lag = 0.0
        """The last of them, in seconds."""
        self.last_failure: Mapping[str, Any] | None = None
        """The provider's last failure that ended a run, for the method ``gateway.info``."""
        self.ended: Counter[str] = Counter()
        """Runs by the state in which they ended."""
        self.retries: Counter[str] = Counter()
        """Requests to a provider that are made again, by the kind of failure."""
        self.held_deltas = 0
        """Deltas that a client with much unread did not get by themselves: a later one has their text."""


MEASURES = Measures()
