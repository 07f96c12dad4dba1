"""Exposure of a gateway by Tailscale: started when the gateway answers, its address published, stopped at the end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ..config import Config
from ..runtime import server_info
from ..runtime.gateway_lock import GatewayLock
from .net.tailscale import Offer, TailscaleError

log = logging.getLogger(__name__)

STOP_TIMEOUT_S = 5.0
"""The longest time that a stop waits for Tailscale."""

Notify = Callable[..., None]
"""Receiver of a message: a key of the catalogue ``server`` and its facts."""


class TailscaleServe:
    """``gateway.tailscale`` for one gateway. The gateway's start does not wait for it and does not depend on it."""

    def __init__(self, config: Config, port: int, *, tls: bool, notify: Notify):
        mode = config["gateway.tailscale.mode"]
        self._config, self._notify = config, notify
        self._path = config["gateway.controlUi.basePath"].strip("/")
        self._offer = None if mode == "off" else Offer.of(mode, port, tls=tls)
        self._task: asyncio.Task[None] | None = None
        self._name: str | None = None
        """The machine's name in the tailnet, once the gateway is exposed there."""

    def start(self, lock: GatewayLock) -> None:
        """Expose the gateway and publish its tailnet address. ``lock`` is held, with an address published."""
        if self._offer is not None:
            self._task = asyncio.get_running_loop().create_task(self._start(self._offer, lock), name="tailscale")

    async def _start(self, offer: Offer, lock: GatewayLock) -> None:
        try:
            self._name = await offer.start()
        except (TailscaleError, OSError) as exc:
            key, facts = self._failure(exc)
            self._publish(lock, tailscale_problem={"key": key, **{name: str(fact) for name, fact in facts.items()}})
            self._notify(key, **facts)
            return
        url = f"https://{self._name}/" + (f"{self._path}/" if self._path else "")
        self._publish(lock, tailscale_url=url)
        self._notify(f"tailscale.{offer.mode}", url=url)

    def _publish(self, lock: GatewayLock, **facts: Any) -> None:
        info = server_info.read_info(self._config)
        if info is not None:
            lock.publish(replace(info, **facts))

    def _failure(self, exc: Exception) -> tuple[str, Mapping[str, Any]]:
        """The key of the text that says why, and its facts."""
        if isinstance(exc, TailscaleError):
            return exc.key, exc.facts
        return "tailscale.failed", {"command": "-", "problem": exc}

    async def stop(self, *, restarts: bool = False) -> None:
        """Stop the exposure if ``gateway.tailscale.resetOnExit`` is set; not for a restart, which starts it again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        name, self._name = self._name, None
        if self._offer is None or name is None or restarts or not self._config["gateway.tailscale.resetOnExit"]:
            return
        with contextlib.suppress(asyncio.TimeoutError):
            try:
                await asyncio.wait_for(self._offer.stop(name), STOP_TIMEOUT_S)
            except (TailscaleError, OSError) as exc:
                log.warning("the gateway is still offered by Tailscale: %s", exc)
