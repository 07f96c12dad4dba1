"""Importing the SDK without being felt: in a thread, with the cyclic garbage collector off meanwhile.

``import anthropic`` takes 1–2 s of CPU. In a thread the event loop keeps running, but the import allocates so much that
full collections, which stop every thread, made the loop lag 80 ms; without them it is 8 ms (DESIGN.md §6).
Nothing else in the package imports ``agent.anthropic``, so a gateway that only has the demo never loads the SDK.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import threading
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from .anthropic import AnthropicProvider

_lock = threading.Lock()


def _import() -> type[AnthropicProvider]:
    with _lock:
        collecting = gc.isenabled()
        gc.disable()
        try:
            module = importlib.import_module("clawdbot_ext.agent.anthropic")
        finally:
            if collecting:
                gc.enable()
        return cast("type[AnthropicProvider]", module.AnthropicProvider)


async def warm() -> type[AnthropicProvider]:
    """Import the SDK if that was not done yet; returns the provider class. Free once it is loaded.

    Call it when the port answers, so that the first message does not wait for the import.
    """
    return await asyncio.to_thread(_import)


async def build(name: str, api_key: str, base_url: str) -> AnthropicProvider:
    """An ``AnthropicProvider``, made in a thread: the import, the TLS trust store and the SDK's lazy parts take long.

    Raises:
        ProviderError: ``invalid``, when the base URL is no address.
    """

    def make() -> AnthropicProvider:
        return _import()(name, api_key, base_url)

    return await asyncio.to_thread(make)
