"""The gateway's figures in Jupyter's ``/metrics``, for Prometheus. Read when asked for; nothing is computed before."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client import REGISTRY, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from ..runtime.measures import MEASURES, Distribution

if TYPE_CHECKING:
    from ..gateway.gateway import Gateway


class GatewayMetrics:
    """The collector of one gateway, from ``start`` to ``stop``; with users of all that the process has open."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.of_users: Callable[[], Sequence[Gateway]] | None = None
        """Returns the gateways of users' spaces; ``None`` in a gateway of one user."""
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Called on the gateway's event loop."""
        self._loop = asyncio.get_running_loop()
        REGISTRY.register(self)

    def stop(self) -> None:
        REGISTRY.unregister(self)

    def describe(self) -> Iterable[Metric]:
        """Nothing, so that registering does not collect."""
        return ()

    def collect(self) -> Iterator[Metric]:
        spaces = () if self.of_users is None else tuple(self.of_users())
        roles: dict[str, int] = {"operator": 0, "node": 0}
        runs: Counter[str] = Counter()
        for gateway in (self._gateway, *spaces):
            for client in tuple(gateway.services.events.connections):
                roles[client.role] += not client.remote
            for state, count in gateway.services.runs.counts().items():
                runs[state] += count
        healthy = all(gateway.services.store.health.ok for gateway in (self._gateway, *spaces))
        if self.of_users is not None:
            yield _gauge("clawdbot_spaces", "Spaces of users that are open.", "", {"": len(spaces)})
        yield _gauge("clawdbot_connections", "Clients that have logged in.", "role", roles)
        yield _gauge("clawdbot_tasks", "Tasks of the event loop.", "", {"": len(asyncio.all_tasks(self._loop))})
        yield _gauge("clawdbot_runs", "Replies being written, and sends that wait in line.", "state", runs)
        yield _gauge("clawdbot_storage_ok", "1 while everything can be read and written.", "", {"": healthy})
        yield _counter("clawdbot_runs_ended", "Runs by the state in which they ended.", "state", MEASURES.ended)
        yield _counter("clawdbot_provider_retries", "Requests to a provider made again.", "reason", MEASURES.retries)
        held = {"": MEASURES.held_deltas}
        yield _counter("clawdbot_held_deltas", "Deltas joined with later ones for slow clients.", "", held)
        yield _histogram("clawdbot_commit_seconds", "Transactions of the store.", MEASURES.commit)
        yield _histogram("clawdbot_first_token_seconds", "From a run's start to its first text.", MEASURES.first_token)
        yield _histogram("clawdbot_loop_lag_seconds", "How late the event loop is.", MEASURES.loop_lag)


def _gauge(name: str, about: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, about, labels=[label] if label else None)
    for value in values:
        family.add_metric([value] if label else [], values[value])
    return family


def _counter(name: str, about: str, label: str, values: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(name, about, labels=[label] if label else None)
    for value in tuple(values):
        family.add_metric([value] if label else [], values[value])
    return family


def _histogram(name: str, about: str, times: Distribution) -> Metric:
    counts = list(accumulate(times.counts))
    bounds = [*map(str, times.bounds), "+Inf"]
    family = HistogramMetricFamily(name, about)
    family.add_metric([], list(zip(bounds, counts, strict=True)), times.total)
    return family
