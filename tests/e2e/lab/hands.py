"""A page's hands, asked over the wire as the gateway asks for its tools: ``node.invoke`` by a client of the gateway."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Page

from clawdbot_ext.client.endpoint import Endpoint
from clawdbot_ext.client.sync import SyncClient, connect
from clawdbot_ext.protocol.errors import GatewayError

from .page import wait_until
from .server import TOKEN, Lab

INSTANCE = "() => globalThis[Symbol.for('clawdbot.instanceId')]"


class Refused(Exception):
    """The page's answer to a command that it did not carry out; ``facts`` as it gave them."""

    def __init__(self, facts: dict[str, Any]):
        super().__init__(json.dumps(facts))
        self.facts, self.code = facts, facts["code"]


class Hands:
    """The commands of one page."""

    def __init__(self, client: SyncClient, page: Page):
        self.client, self.page = client, page
        self._threads = ThreadPoolExecutor(4)
        wait_until(page, lambda: page.evaluate(INSTANCE) is not None)
        self.node: str = page.evaluate(INSTANCE)
        wait_until(page, lambda: self.node in self.nodes())

    def nodes(self) -> dict[str, dict[str, Any]]:
        return {node["nodeId"]: node for node in self.client.request("node.list")["nodes"] if node["connected"]}

    def __call__(self, command: str, /, *, timeout_ms: int = 30_000, **params: Any) -> dict[str, Any]:
        """Have the page carry out a command, and wait for it. Raises ``Refused``."""
        call = {"nodeId": self.node, "command": command, "params": params, "timeoutMs": timeout_ms}
        try:
            given = self.client.request("node.invoke", {**call, "idempotencyKey": str(uuid.uuid4())}, timeout_s=60)
        except GatewayError as error:
            facts = error.facts.get("nodeError")
            if not facts or "code" not in facts:
                raise
            raise Refused(dict(facts)) from None
        payload: dict[str, Any] = given["payload"]
        return payload

    def begin(self, command: str, /, **params: Any) -> Future[dict[str, Any]]:
        """The same, but beside the test, which goes on with ``wait_until(page, future.done)``."""
        return self._threads.submit(self, command, **params)

    def read(self, path: str, **params: Any) -> list[dict[str, Any]]:
        cells: list[dict[str, Any]] = self("notebook.read", path=path, **{"outputs": "brief", **params})["cells"]
        return cells

    def rev(self, path: str, cell: str) -> str:
        return str(self.read(path, cells=[cell], outputs="none")[0]["rev"])

    def run(self, path: str, *ids: str, **params: Any) -> Future[dict[str, Any]]:
        """Begin to run cells as they are now."""
        known = {cell["id"]: cell["rev"] for cell in self.read(path, outputs="none")}
        revs = {id_: known[id_] for id_ in ids}
        return self.begin("notebook.run", path=path, cells=list(ids), **{"revs": revs, "save": True, **params})

    def apply(self, path: str, *operations: dict[str, Any], **meta: Any) -> list[dict[str, Any]]:
        """Apply operations, each with the revision that its cell has now unless it names one."""
        known = {cell["id"]: cell["rev"] for cell in self.read(path, outputs="none")}
        given = [op if op["op"] == "insert" else {"rev": known.get(op["cell"], ""), **op} for op in operations]
        done = self("notebook.apply", path=path, ops=given, meta={"runId": "run-1", "by": "ann", **meta})
        changes: list[dict[str, Any]] = done["changes"]
        return changes


def watch_progress(page: Page) -> list[dict[str, Any]]:
    """The page's reports of its calls from now on."""
    told: list[dict[str, Any]] = []

    def sent(event: dict[str, Any]) -> None:
        text = event["response"]["payloadData"]
        if '"node.progress"' in text:
            told.append(json.loads(text)["params"]["payload"]["data"])

    session = page.context.new_cdp_session(page)
    session.on("Network.webSocketFrameSent", sent)
    session.send("Network.enable")
    return told


@contextmanager
def gateway_client(lab: Lab) -> Iterator[SyncClient]:
    base = f"127.0.0.1:{lab.port}/a%40b/clawdbot/"
    with connect(Endpoint(f"ws://{base}ws", f"http://{base}", token=TOKEN)) as client:
        yield client
