"""The server's sessions and kernels, by the path of the notebook."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jupyter_server.utils import ensure_async
from tornado.web import HTTPError

from .errors import HandsError
from .host import JupyterHost

log = logging.getLogger(__name__)

_FAILURES = (HTTPError, OSError, RuntimeError, KeyError)
"""Of a kernel manager, also of one that keeps its kernels on other machines."""


@dataclass
class Sessions:
    """Sessions, and the kernels' incarnations: a restart is another process, whatever restarted it."""

    host: JupyterHost
    _ours: set[str] = field(default_factory=set)
    """Ids of sessions that this node started and that no page was seen to use."""
    _incarnations: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Kernel id → its process and how often that has changed."""

    async def all(self) -> list[Mapping[str, Any]]:
        """The models of all sessions of notebooks, with their kernels."""
        found = await ensure_async(self.host.sessions.list_sessions())
        return [model for model in found if model.get("type") == "notebook" or model["path"].endswith(".ipynb")]

    async def of(self, path: str) -> Mapping[str, Any] | None:
        """The session of a notebook."""
        return next((model for model in await self.all() if model["path"].strip("/") == path), None)

    async def maybe_open(self, path: str) -> bool:
        """Whether a page that is not ours may have the notebook open, with changes that a write would endanger.

        Nothing tells what pages have open; a page with a notebook open has a session for it. A session that this node
        started counts when a page has connected to its kernel.
        """
        for model in await self.all():
            if model["path"].strip("/") == path:
                if (model.get("kernel") or {}).get("connections"):
                    self._ours.discard(model["id"])
                if model["id"] not in self._ours:
                    return True
        return False

    async def kernel_id(self, path: str) -> str:
        """The id of a notebook's kernel. Raises ``NO_KERNEL``."""
        session = await self.of(path)
        kernel = session.get("kernel") if session is not None else None
        if not kernel or kernel["id"] not in self.host.kernels:
            raise HandsError("NO_KERNEL", f"{path} has no running kernel")
        return str(kernel["id"])

    async def start(self, path: str, kernel_name: str | None) -> str:
        """Start a session for a notebook; its kernel's id. Raises ``NO_KERNEL``."""
        await self.host.require("write", "sessions")
        await self.host.require("write", "kernels")
        names = await ensure_async(self.host.app.kernel_spec_manager.get_all_specs())
        if kernel_name is not None and kernel_name not in names:
            raise HandsError("NO_KERNEL", f"this server has no kernel {kernel_name}", kernels=sorted(names)[:50])
        try:
            model = await ensure_async(
                self.host.sessions.create_session(
                    path=path, name=path.rpartition("/")[2], type="notebook", kernel_name=kernel_name
                )
            )
        except _FAILURES as exc:
            raise HandsError("NO_KERNEL", f"the kernel of {path} did not start: {exc}"[:500]) from exc
        self._ours.add(model["id"])
        return str(model["kernel"]["id"])

    async def end(self, path: str) -> None:
        """End the session of a notebook, with its kernel, if there is one. Raises ``FORBIDDEN``, ``FAILED``."""
        session = await self.of(path)
        if session is None:
            return
        await self.host.require("write", "sessions")
        try:
            await ensure_async(self.host.sessions.delete_session(session["id"]))
        except _FAILURES as exc:
            raise HandsError("FAILED", f"the kernel of {path} did not stop: {exc}"[:500]) from exc
        self._ours.discard(session["id"])

    async def not_started(self, kernel_name: str | None) -> dict[str, Any] | None:
        """The kernel that a notebook would get, told as one without an id; ``None``: it is not installed."""
        name = kernel_name or self.host.kernels.default_kernel_name
        found = (await ensure_async(self.host.app.kernel_spec_manager.get_all_specs())).get(name)
        if found is None:
            return None
        return {
            "id": None,
            "name": name,
            "displayName": found["spec"].get("display_name") or name,
            "language": found["spec"].get("language") or "",
            "status": "not started",
            "restarts": 0,
        }

    def describe(self, kernel_id: str) -> dict[str, Any]:
        """A kernel as the gateway is told of it. Raises ``NO_KERNEL``."""
        if kernel_id not in self.host.kernels:
            raise HandsError("NO_KERNEL", "the kernel does not run any more")
        manager = self.host.kernels.get_kernel(kernel_id)
        spec = getattr(manager, "kernel_spec", None)
        return {
            "id": kernel_id,
            "name": manager.kernel_name,
            "displayName": getattr(spec, "display_name", "") or manager.kernel_name,
            "language": getattr(spec, "language", "") or "",
            "status": self.status(kernel_id),
            "restarts": self.incarnation(kernel_id),
        }

    def status(self, kernel_id: str) -> str:
        """``idle``, ``busy``, ``starting``, … as the server knows it."""
        return str(getattr(self.host.kernels.get_kernel(kernel_id), "execution_state", None) or "unknown")

    def incarnation(self, kernel_id: str) -> int:
        """Number of times that the kernel was seen to be another process."""
        provisioner = getattr(self.host.kernels.get_kernel(kernel_id), "provisioner", None)
        process: int = getattr(provisioner, "pid", None) or id(provisioner)
        known, count = self._incarnations.get(kernel_id, (process, 0))
        if known != process:
            count += 1
        self._incarnations[kernel_id] = process, count
        return count

    async def interrupt(self, kernel_id: str) -> None:
        """Raises ``NO_KERNEL``, ``FAILED``."""
        await self._ask(self.host.kernels.interrupt_kernel, kernel_id)

    async def restart(self, kernel_id: str) -> None:
        """Raises ``NO_KERNEL``, ``FAILED``."""
        await self._ask(self.host.kernels.restart_kernel, kernel_id)

    async def _ask(self, function: Any, kernel_id: str) -> None:
        if kernel_id not in self.host.kernels:
            raise HandsError("NO_KERNEL", "the kernel does not run any more")
        try:
            await ensure_async(function(kernel_id))
        except _FAILURES as exc:
            raise HandsError("FAILED", f"the kernel did not do that: {exc}"[:500]) from exc
