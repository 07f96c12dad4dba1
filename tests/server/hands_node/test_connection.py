"""Connection of the node: in the gateway's process or from a server that relays; what the administrator allows."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from clawdbot_ext.protocol.revision import revision
from tests.support.aio import until
from tests.support.hands import Hands, NodeRefused, cells_of, code, write_notebook
from tests.support.jupyter import JupyterProcess
from tests.support.server import GatewayProcess, free_port
from tests.support.wire import WireError, opened, run, wired

pytestmark = pytest.mark.slow
LIMIT_S = 120

STRICT = """
from jupyter_server.auth.authorizer import Authorizer

class Reading(Authorizer):
    def is_authorized(self, handler, user, action, resource):
        assert handler.request.headers is not None and user.username
        return action == "read" or resource == "clawdbot"
"""


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state"


def saved_outputs(notebook: Path) -> list[dict]:
    """Outputs of the first cell; none while Jupyter writes the file, which it empties first."""
    try:
        return cells_of(notebook)[0]["outputs"]
    except json.JSONDecodeError:
        return []


def test_a_relaying_server_is_a_node_too_and_stays_one_when_it_takes_over(state):
    port = free_port()
    leader = GatewayProcess(state, arguments=())
    leader.port = port
    leader.start()
    lab = JupyterProcess(state, clawdbot_port=port)
    lab.start()
    (lab.folder / "of-the-lab.txt").write_text("here")
    ready = lab.folder / "ready"
    wait = f"while os.path.exists({str(ready)!r}): time.sleep(0.02)"
    cell = code(f"import time, os\nopen({str(ready)!r}, 'w').close()\n{wait}\n'survived'")
    notebook = write_notebook(lab.folder / "n.ipynb", [cell])
    rev = revision(cell["source"])
    hands = Hands(lab)

    async def main():
        async with wired(f"ws://127.0.0.1:{port}/ws", leader.token) as wire:
            names = [row["displayName"] for row in (await wire.call("node.list"))["nodes"]]
            assert len(names) == 1, "the standalone server is one itself, the other has not been used"
            async with opened(lab.ws_url, additional_headers=lab.headers) as relayed:
                await relayed.handshake()
                assert (await hands.ask(wire, "file.read", path="of-the-lab.txt"))["text"] == "here"
                assert len((await wire.call("node.list"))["nodes"]) == 2
                presence = await wire.call("system-presence", {})
                assert not [row for row in presence if "Jupyter server" in row["host"]]
                running = asyncio.create_task(
                    hands.ask(wire, "notebook.run", path="n.ipynb", cells=["c0"], revs={"c0": rev})
                )
                await until(ready.exists, LIMIT_S)
                leader.kill()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        ready.unlink()
        await until(lambda: saved_outputs(notebook), LIMIT_S)
        for _ in range(600):
            try:
                async with opened(lab.ws_url, additional_headers=lab.headers) as wire:
                    await wire.handshake()
                    assert (await hands.ask(wire, "file.read", path="of-the-lab.txt"))["text"] == "here"
                    assert len([r for r in (await wire.call("node.list"))["nodes"] if r["connected"]]) == 1
                    op = {"op": "clear", "cell": "c0", "rev": rev}
                    assert (await hands.ask(wire, "notebook.apply", path="n.ipynb", ops=[op]))["changes"]
                    return
            except (OSError, WireError, NodeRefused):
                await asyncio.sleep(0.1)  # the takeover of another process has no event of this loop
        raise AssertionError(lab.output)

    try:
        run(main(), LIMIT_S)
    finally:
        lab.kill()
        leader.kill()


def test_what_the_administrator_and_jupyters_authorizer_do_not_allow_is_refused(state):
    lab = JupyterProcess(state, config={"policy": {"disabled": ["files"]}})
    (lab.folder / "strict.py").write_text(STRICT)
    lab.traits["ServerApp"] = {"authorizer_class": "strict.Reading"}
    lab.start()
    hands = Hands(lab)
    try:
        for command in ("file.list", "file.read", "file.write", "file.search"):
            with pytest.raises(NodeRefused, match="SWITCHED_OFF"):
                hands(command, path="")
        assert hands("notebook.list") == {"notebooks": []}
        with pytest.raises(NodeRefused, match="FORBIDDEN"):
            hands("notebook.create", path="a.ipynb")
        assert not (lab.folder / "a.ipynb").exists()
    finally:
        lab.stop()


def test_a_guest_has_no_hands_and_a_new_secret_does_not_end_the_node(state):
    gateway = GatewayProcess(state)
    gateway.start()

    async def main():
        async with wired(gateway.ws_url, gateway.token, scopes=["operator.read", "operator.write"]) as wire:
            (node,) = (await wire.call("node.list"))["nodes"]
            call = {"nodeId": node["nodeId"], "idempotencyKey": "k", "params": {"path": "x", "text": "", "hash": None}}
            with pytest.raises(WireError, match=r"operator\.admin"):
                await wire.call("node.invoke", {**call, "command": "file.write"})
        async with wired(gateway.ws_url, gateway.token) as wire:
            rotated = await wire.call("auth.rotate", {})
        async with wired(gateway.ws_url, rotated["token"]) as wire:
            for _ in range(200):
                if [row for row in (await wire.call("node.list"))["nodes"] if row["connected"]]:
                    return
                await asyncio.sleep(0.05)  # it is told of by no event
            raise AssertionError("the node did not come back")

    try:
        run(main(), LIMIT_S)
    finally:
        gateway.stop()
