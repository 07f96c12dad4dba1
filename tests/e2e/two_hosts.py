"""Run by ``test_two_hosts`` in namespaces of its own: this machine, another one, and a cable (argument: where).

This machine has 192.0.2.1 in a local network and 100.64.0.1 in what stands for a tailnet; the other has .2 of each.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from clawdbot_ext.server.net import bind
from tests.support.server import GatewayProcess

LAN, TAILNET = "192.0.2", "100.64.0"
STRANGER = """if True:
    import asyncio, json, sys
    from clawdbot_ext.client import GatewayClient, Unreachable, Untrusted
    from clawdbot_ext.client.endpoint import Endpoint
    from clawdbot_ext.protocol.errors import GatewayError

    async def attempt(url, token, fingerprint):
        try:
            client = GatewayClient(Endpoint(url, url, token or None, tls_fingerprint=fingerprint or None))
            await client.connect(timeout_s=30)
            answer = await client.request("health")
            await client.close()
            return "in" if answer["ok"] else "ill"
        except Untrusted:
            return "untrusted"
        except Unreachable:
            return "unreachable"
        except GatewayError as exc:
            return exc.reason

    async def main():
        return await asyncio.gather(*(attempt(*each) for each in json.load(sys.stdin)))

    print(json.dumps(asyncio.run(main())))
"""
"""Tries gateways and prints what became of it. Run on the other machine, or on this one."""


def sh(*words: str) -> None:
    subprocess.run(words, check=True, timeout=60)


class Other:
    """The other machine: a process that only waits, in a network of its own."""

    def __init__(self) -> None:
        sh("ip", "link", "set", "lo", "up")
        self._process = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo up; exec sleep 300"], stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()
        self.enter = ("nsenter", "--net", "--target", str(self._process.pid))
        for network, here, there in ((LAN, "lan0", "lan1"), (TAILNET, "tail0", "tail1")):
            sh("ip", "link", "add", here, "type", "veth", "peer", "name", there, "netns", str(self._process.pid))
            sh("ip", "address", "add", f"{network}.1/24", "dev", here)
            sh("ip", "link", "set", here, "up")
            sh(*self.enter, "ip", "address", "add", f"{network}.2/24", "dev", there)
            sh(*self.enter, "ip", "link", "set", there, "up")
        sh("ip", "route", "add", "100.100.100.100/32", "dev", "tail0", "src", f"{TAILNET}.1")

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


def attempts(enter: tuple[str, ...], *given: tuple[str, str, str]) -> Any:
    done = subprocess.run(
        [*enter, sys.executable, "-c", STRANGER],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def main(folder: Path) -> None:
    """Three gateways: as it comes, on the tailnet with TLS, and on all addresses with TLS."""
    tls = {"gateway": {"tls": {"enabled": True}}}
    other = Other()
    assert bind.tailnet_address() == f"{TAILNET}.1"
    gateways = {
        "loopback": GatewayProcess(folder / "loopback"),
        "tailnet": GatewayProcess(folder / "tailnet", config=tls, arguments=("--bind=tailnet", "--allow-root")),
        "lan": GatewayProcess(folder / "lan", config=tls, arguments=("--bind=lan", "--allow-root")),
    }
    gateways["tailnet"].address = f"{TAILNET}.1"
    try:
        for each in gateways.values():
            each.spawn()
        for each in gateways.values():
            each.await_answer()
        sys.stdout.write(json.dumps(look(gateways, other)))
    finally:
        for each in gateways.values():
            each.kill()
        other.end()


def look(gateways: dict[str, GatewayProcess], other: Other) -> dict[str, Any]:
    """Answers to a client with the right token and pin at each address, from the other machine and from this one; and
    to one without, where it gets through."""

    def url(name: str, host: str) -> str:
        return f"{'ws' if name == 'loopback' else 'wss'}://{host}:{gateways[name].port}/ws"

    pins = {
        name: json.loads((each.home / "gateway.json").read_text()).get("tlsFingerprint", "")
        for name, each in gateways.items()
    }
    hosts = ("127.0.0.1", f"{LAN}.1", f"{TAILNET}.1")
    places = [(name, host) for name in gateways for host in hosts]
    known = [(url(name, host), gateways[name].token, pins[name]) for name, host in places]
    strange = url("lan", f"{LAN}.1")
    names = [f"{name} {host}" for name, host in places]
    found: dict[str, Any] = {
        who: dict(zip(names, attempts(enter, *known), strict=True))
        for who, enter in (("other", other.enter), ("own", ()))
    }
    found["stranger"] = attempts(
        other.enter,
        (strange, "", pins["lan"]),
        (strange, "wrong", pins["lan"]),
        (strange, gateways["lan"].token, ""),
        (strange, gateways["lan"].token, pins["tailnet"]),
    )
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
