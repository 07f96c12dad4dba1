"""A real ipykernel, driven as a notebook drives it: cells in, outputs out."""

from __future__ import annotations

import contextlib
import queue
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

CELL_S = 90.0


@dataclass
class Ran:
    """Result of one cell in the notebook. Outputs are as they are saved: updates of a display are in its place."""

    outputs: list[dict[str, Any]] = field(default_factory=list)
    updates: int = 0
    next_input: str | None = None
    page: str = ""
    """Text shown in the pager: help."""
    updated: str = ""
    """Source of the newest update of a display, whichever cell showed it first."""

    @property
    def markdown(self) -> str:
        """Sources of the outputs as HTML."""
        bundles = [out["data"] for out in self.outputs if "text/html" in out.get("data", {})]
        return "\n".join(bundle["text/plain"] for bundle in bundles)

    def take_payload(self, payload: list[dict[str, Any]]) -> None:
        for each in payload:
            if each.get("source") == "page":
                self.page += each["data"].get("text/plain", "")
            elif each.get("source") == "set_next_input":
                self.next_input = each["text"]

    @property
    def errors(self) -> list[str]:
        return [f"{out['ename']}: {out['evalue']}" for out in self.outputs if "ename" in out]

    @property
    def text(self) -> str:
        return "".join(out.get("text", "") for out in self.outputs)


class Kernel:
    """A kernel whose environment is ``environment``; or the one of a connection file, which its server ends."""

    def __init__(self, environment: Mapping[str, str] | None = None, *, connection: Path | None = None):
        self._manager: KernelManager | None = None
        if connection is None:
            self._manager = KernelManager(kernel_name="python3")
            self._manager.start_kernel(env=dict(environment or {}))
            self._client = self._manager.blocking_client()
        else:
            self._client = BlockingKernelClient(connection_file=str(connection))
            self._client.load_connection_file()
        self._client.start_channels()
        self._wait_until_ready()
        self.comms: list[dict[str, Any]] = []
        """Messages of the widgets so far."""

    def _wait_until_ready(self) -> None:
        """As ``wait_for_ready``; a kernel that is busy starting misses heartbeats, which that takes for its death."""
        deadline = time.monotonic() + CELL_S
        while True:
            try:
                return self._client.wait_for_ready(timeout=CELL_S)
            except RuntimeError:
                if time.monotonic() > deadline or (self._manager is not None and not self._manager.is_alive()):
                    raise

    def run(self, code: str) -> Ran:
        """Run a cell to its end."""
        return self.collect(self.start(code))

    def start(self, code: str, *, stdin: bool = True) -> str:
        return str(self._client.execute(code, allow_stdin=stdin))

    def prompt(self) -> dict[str, Any]:
        """The next request of a cell for input."""
        content: dict[str, Any] = self._client.get_stdin_msg(timeout=CELL_S)["content"]
        return content

    def answer(self, text: str) -> None:
        """Type into the input that waits."""
        self._client.input(text)

    def collect(self, asked: str, until: str | None = None) -> Ran:
        """Everything of a cell until it is idle, or until some output has ``until`` in it."""
        ran, places = Ran(), {}
        deadline = time.monotonic() + CELL_S
        while True:
            try:
                message = self._said(max(0.1, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"the cell did not end: {ran}") from None
            if message["parent_header"].get("msg_id") != asked:
                continue
            kind, content = message["msg_type"], message["content"]
            shown = content.get("transient", {}).get("display_id")
            if kind == "update_display_data":
                ran.updated = content["data"].get("text/plain", "")
                if shown in places:
                    ran.updates += 1
                    ran.outputs[places[shown]] = content
            elif kind in ("display_data", "execute_result", "error", "stream"):
                if shown:
                    places[shown] = len(ran.outputs)
                ran.outputs.append(content)
            if until is not None and until in ran.markdown:
                return ran
            if kind == "status" and content["execution_state"] == "idle":
                break
        reply = self._client.get_shell_msg(timeout=CELL_S)
        while reply["parent_header"].get("msg_id") != asked:
            reply = self._client.get_shell_msg(timeout=CELL_S)
        ran.take_payload(reply["content"].get("payload", []))
        return ran

    def listen(self) -> None:
        """Take in what has come since; widgets talk also when no cell runs."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._said(0)

    def _said(self, timeout_s: float) -> dict[str, Any]:
        """The next message. Raises ``queue.Empty``."""
        message: dict[str, Any] = self._client.get_iopub_msg(timeout=timeout_s)
        if message["msg_type"].startswith("comm_"):
            self.comms.append(message)
        return message

    def tell(self, comm: str, data: Mapping[str, Any]) -> None:
        """Say something to a widget, as its page does."""
        message = self._client.session.msg("comm_msg", {"comm_id": comm, "data": data})
        self._client.shell_channel.send(message)

    def complete(self, code: str) -> list[str]:
        reply = self._client.complete(code, len(code), reply=True, timeout=CELL_S)
        return list(reply["content"]["matches"])

    def interrupt(self) -> None:
        assert self._manager is not None
        self._manager.interrupt_kernel()

    def stop(self) -> None:
        self._client.stop_channels()
        if self._manager is not None:
            self._manager.shutdown_kernel(now=True)
