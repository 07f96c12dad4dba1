"""``clawdbot node``: make this machine a node, so that the gateway's operators can ask it to do a few things.

It tells what it is and finds programs. It runs programs only if they were named on its command line, without a shell,
in a bounded time and with bounded output.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import platform
import shutil
import socket
from collections.abc import Mapping
from typing import Any

import click

from ..client.errors import MALFORMED, ClientError
from ..config import load, program_environment
from ..escapes import one_line
from ..protocol.errors import GatewayError, NotPaired, Unauthorized
from .connection import Target, gateway_options
from .printing import language, note, say

RUN_S = 30.0
KILL_S = 5.0
AT_ONCE = 16
"""Invocations that are carried out at the same time; the others wait."""
MAX_OUTPUT = 200_000
"""Characters of a program's output that are sent back, of each of the two streams."""


@click.command("node", help=say("help.node"))
@click.option("--name", metavar="NAME", help=say("help.node.name"))
@click.option("--allow", "programs", metavar="PROGRAM", multiple=True, help=say("help.node.allow"))
@gateway_options
def command(target: Target, name: str | None, programs: tuple[str, ...]) -> int:
    """Connect as a node and answer until Ctrl+C; comes back when the gateway does."""
    return asyncio.run(_node(target, name or socket.gethostname(), frozenset(programs)))


async def _node(target: Target, name: str, programs: frozenset[str]) -> int:
    from ..client.device_identity import load_device
    from ..client.gateway_client import GatewayClient

    device = load_device(load().home / "secrets" / "node-device")
    commands = ["system.info", "system.which", *(["system.run"] if programs else [])]

    def handshake(params: dict[str, Any], nonce: str) -> None:
        params.update(role="node", scopes=[], caps=["system"], commands=commands)
        device.sign(params, nonce)

    client = GatewayClient(
        target.locate(), locale=language(), client_id="node-host", mode="node", display_name=name, handshake=handshake
    )
    told = ""
    while True:
        try:
            device.keep(await client.connect())
            note(say("node.connected", name=name, id=device.id[:16]))
            told = ""
            await _serve(client, device.id, programs)
        except Unauthorized:
            if device.token is None:
                raise
            device.forget()  # revoked, or of another gateway: show the shared secret once more
            continue
        except NotPaired as exc:
            if told != "pairing":
                note(say("node.pairing", request=one_line(str(exc.facts.get("requestId", "")))))
            told = "pairing"
        except (ClientError, GatewayError) as exc:
            if told != str(exc):
                note(say("node.lost", problem=one_line(str(exc))))
            told = str(exc)
        finally:
            await client.close()
        await asyncio.sleep(2)


async def _serve(client: Any, node_id: str, programs: frozenset[str]) -> None:
    """Answer invocations, several at a time, until the connection is lost."""
    working: set[asyncio.Task[None]] = set()
    free = asyncio.Semaphore(AT_ONCE)
    async for event in client.events():
        if event.name == "node.invoke.request" and isinstance(event.payload, Mapping):
            await free.acquire()
            task = asyncio.create_task(_answer(client, node_id, event.payload, programs))
            working.add(task)
            task.add_done_callback(working.discard)
            task.add_done_callback(lambda done: free.release())


async def _answer(client: Any, node_id: str, asked: Mapping[str, Any], programs: frozenset[str]) -> None:
    """Carry out an invocation; of one that is not of the protocol the caller is told."""
    result: dict[str, Any] = {"id": asked.get("id"), "nodeId": node_id}
    try:
        params = json.loads(asked.get("paramsJSON") or "{}")
        payload = await invoke(str(asked["command"]), params if isinstance(params, dict) else {}, programs)
        result.update(ok=True, payloadJSON=json.dumps(payload))
    except (*MALFORMED, OSError) as exc:
        result.update(ok=False, error={"code": "INVALID_REQUEST", "message": str(exc)})
    with contextlib.suppress(ClientError, GatewayError):  # it is gone, or does not want to know any more
        await client.request("node.invoke.result", result)


async def invoke(name: str, params: Mapping[str, Any], programs: frozenset[str]) -> dict[str, Any]:
    """Carry out one command. Raises ``ValueError`` for one that is not allowed or not understood, and ``OSError``."""
    if name == "system.info":
        return {
            "host": socket.gethostname(),
            "platform": platform.platform(),
            "python": platform.python_version(),
            "cpus": os.cpu_count(),
        }
    if name == "system.which":
        wanted = [str(program) for program in list(params.get("bins") or [])[:100]]
        found = {program: shutil.which(program) for program in wanted}
        return {"bins": {program: path for program, path in found.items() if path}}
    if name == "system.run":
        return await _run(params, programs)
    raise ValueError(f"unknown command: {name}")


async def _run(params: Mapping[str, Any], programs: frozenset[str]) -> dict[str, Any]:
    words = params.get("command")
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        raise ValueError("command must be a list of words")
    if words[0] not in programs:
        raise ValueError(f"{words[0]} is not among the programs that this node was started with")
    given = params.get("timeoutMs")
    limit = min(given / 1000, 600.0) if isinstance(given, (int, float)) and given > 0 else RUN_S
    process = await asyncio.create_subprocess_exec(
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=program_environment(),
    )
    assert process.stdout is not None and process.stderr is not None
    reading = asyncio.gather(_beginning(process.stdout), _beginning(process.stderr))
    ending = asyncio.ensure_future(process.wait())
    both: set[asyncio.Future[Any]] = {reading, ending}
    _, going_on = await asyncio.wait(both, timeout=limit)
    if going_on:
        process.kill()
        await asyncio.wait(both, timeout=KILL_S)  # its own programs may hold the pipes open
        reading.cancel()
        return {"exitCode": None, "timedOut": True, "success": False, "stdout": "", "stderr": ""}
    out, err = reading.result()
    texts = [data.decode("utf-8", "replace")[:MAX_OUTPUT] for data in (out, err)]
    return {
        "exitCode": process.returncode,
        "timedOut": False,
        "success": process.returncode == 0,
        "stdout": texts[0],
        "stderr": texts[1],
    }


async def _beginning(stream: asyncio.StreamReader) -> bytes:
    """Read to the end, and keep what is sent back: a program may write without end."""
    kept = bytearray()
    while data := await stream.read(65_536):
        kept += data[: max(0, 4 * MAX_OUTPUT - len(kept))]
    return bytes(kept)
