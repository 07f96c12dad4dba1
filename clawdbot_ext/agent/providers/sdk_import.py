"""Importing the SDK without being felt: in a thread, and without the garbage collector stopping everything.

``import anthropic`` takes 1–2 s of CPU and leaves some 300,000 objects behind. In a thread the event loop keeps
running, but a full garbage collection stops every thread for 80–130 ms, and the import causes several. So the collector
is off meanwhile, and what was imported is then frozen: without that the pause only comes later, in the first reply.
Nothing else in the package imports ``agent.anthropic``, so a gateway that only has the demo never loads the SDK.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .anthropic import AnthropicProvider

_lock = threading.Lock()
_provider: type[AnthropicProvider] | None = None


async def warm() -> type[AnthropicProvider]:
    """Import the SDK if that was not done yet; returns the provider class.

    Call it when the port answers, so that the first message does not wait for the import.
    """
    return await asyncio.to_thread(_import) if _provider is None else _provider


async def build(name: str, api_key: str, base_url: str) -> AnthropicProvider:
    """An ``AnthropicProvider``, made in a thread, since reading the TLS trust store takes 40 ms.

    Raises:
        ProviderError: ``invalid``, when the base URL is no address.
    """
    return await asyncio.to_thread(await warm(), name, api_key, base_url)


def _import() -> type[AnthropicProvider]:
    global _provider
    with _lock:
        if _provider is None:
            collecting = gc.isenabled()
            gc.disable()
            try:
                module = importlib.import_module("clawdbot_ext.agent.providers.anthropic")
                asyncio.run(importlib.import_module("clawdbot_ext.agent.providers.sdk_warmup").rehearse())
                # What is alive now lives as long as the process, give or take a little that is now never collected.
                gc.freeze()
            finally:
                if collecting:
                    gc.enable()
            _provider = module.AnthropicProvider
        return _provider
