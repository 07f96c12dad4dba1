"""The providers that the configuration asks for, and their objects.

An object is made when it is first used (which imports the SDK, in a thread) and kept until its settings change. Without
any usable provider there is the demo.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..model_catalog import ModelCatalogue
from . import sdk_import
from .base import Provider, ProviderError
from .demo import NAME as DEMO
from .demo import DemoProvider

if TYPE_CHECKING:
    from ...config import Config, ProviderConfig

log = logging.getLogger(__name__)

API = "anthropic-messages"


@dataclass
class _Entry:
    """A provider of the configuration and, once used, its object."""

    config: ProviderConfig | None
    """``None`` for the demo."""
    provider: asyncio.Task[Provider] | None = None


class Providers:
    """The providers of the present configuration. Used on one event loop."""

    def __init__(self, config_source: Callable[[], Config], *, demo: Callable[[], Provider] = DemoProvider):
        """
        Args:
            config_source: gives the present configuration; ``reload`` asks it again.
            demo: makes the provider that answers while no other is configured (tests pass a faster one).
        """
        self._source, self._demo = config_source, demo
        self._entries: dict[str, _Entry] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self.models = ModelCatalogue(self)
        self.reload()

    def reload(self) -> None:
        """Take up a changed configuration. Replies that are being written go on with the provider they began with."""
        wanted: dict[str, ProviderConfig | None] = dict(usable(self._source())) or {DEMO: None}
        old, self._entries = self._entries, {}
        for name, config in wanted.items():
            kept = old.pop(name, None)
            self._entries[name] = kept if kept and kept.config == config else _Entry(config)
            if kept and kept is not self._entries[name]:
                self._retire(kept)
        for entry in old.values():
            self._retire(entry)
        self.models.forget_removed()

    def config(self) -> Config:
        """The present configuration."""
        return self._source()

    def current(self) -> Mapping[str, ProviderConfig | None]:
        """The providers that can be used, by name, the default one first; the demo has no configuration."""
        return {name: entry.config for name, entry in self._entries.items()}

    def default_name(self) -> str:
        """The provider that answers unless a session's model names another: ``anthropic`` if it is there."""
        return next(iter(self._entries))

    async def get(self, name: str) -> Provider:
        """The provider of that name, made now if need be.

        Raises:
            ProviderError: ``invalid``, when there is none of that name or it cannot be made (a malformed base URL).
        """
        entry = self._entries.get(name)
        if entry is None:
            raise ProviderError("invalid", f"no provider named {name} is configured")
        if entry.provider is None or (entry.provider.done() and _failed(entry.provider)):
            entry.provider = asyncio.create_task(self._make(entry.config), name=f"provider {name}")
        return await asyncio.shield(entry.provider)

    async def warm(self) -> None:
        """Import the SDK and fetch the list of models, if a provider needs them. Call it once the port answers."""
        await self.models.refresh()

    async def aclose(self) -> None:
        """Close every provider. Replies still being written are cut."""
        for entry in self._entries.values():
            self._retire(entry)
        self._entries = {DEMO: _Entry(None)}
        await self.models.aclose()
        if self._closing:
            await asyncio.wait(self._closing)

    async def _make(self, config: ProviderConfig | None) -> Provider:
        if config is None:
            return self._demo()
        return await sdk_import.build(config.name, config.api_key, config.base_url)

    def _retire(self, entry: _Entry) -> None:
        if entry.provider is None:
            return
        task = asyncio.get_running_loop().create_task(_close(entry.provider), name="close provider")
        self._closing.add(task)
        task.add_done_callback(self._closed)

    def _closed(self, task: asyncio.Task[None]) -> None:
        """Whatever a provider's closing comes to, it holds up neither a stop nor the next provider."""
        self._closing.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.warning("a provider was not closed cleanly: %r", error)


def usable(config: Config) -> dict[str, ProviderConfig]:
    """The configured providers that can be talked to, ``anthropic`` first, the others in the configuration's order.

    Anthropic's own server needs a key; any other may go without.
    """
    found = {
        name: provider
        for name, provider in config.providers().items()
        if provider.api == API and (provider.api_key or not is_anthropic(provider.base_url))
    }
    return {name: found[name] for name in sorted(found, key=lambda name: name != "anthropic")}


def is_anthropic(base_url: str) -> bool:
    """Report whether the address is Anthropic's own server, as an empty one is."""
    try:
        host = urlsplit(base_url).hostname or ""
    except ValueError:
        return False
    return not base_url or host == "anthropic.com" or host.endswith(".anthropic.com")


def _failed(task: asyncio.Task[Provider]) -> bool:
    return task.cancelled() or task.exception() is not None


async def _close(making: asyncio.Task[Provider]) -> None:
    try:
        provider = await making
    except ProviderError:
        return  # it was never made
    await provider.aclose()
