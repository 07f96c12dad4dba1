"""S17 where a Jupyter server knows several users: at the mount that has the gateway, and at one that relays to it. Each
of them is an attacker of the others and of the owner."""

from __future__ import annotations

import pytest

from clawdbot_ext.gateway.access.identity import GUEST_SCOPES
from clawdbot_ext.protocol.schema import OPERATOR_SCOPES
from tests.support.device import Device
from tests.support.http import ask, upgrade
from tests.support.jupyter import JupyterProcess
from tests.support.logins import joined
from tests.support.wire import WireError, opened, run

pytestmark = pytest.mark.slow

PROVIDER = """
from jupyter_server.auth.identity import IdentityProvider, User

class Several(IdentityProvider):
    def get_user(self, handler):
        name = handler.request.headers.get("X-Test-Login")
        return User(username=name, name=name, display_name=name) if name else None
"""
"""Stands for any way of logging in that knows several users."""


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """One that has the gateway and asks Jupyter to close what is not decorated; one that relays and does not."""
    state = tmp_path_factory.mktemp("several") / "state"
    config = {"gateway": {"auth": {"owners": ["boss"]}, "loginAttemptsPerMinute": 600}}
    owner = JupyterProcess(state, config=config)
    relay = JupyterProcess(state, clawdbot_port=owner.clawdbot_port)
    try:
        for server in (owner, relay):
            (server.folder / "several.py").write_text(PROVIDER)
            server.traits["ServerApp"] = {
                "identity_provider_class": "several.Several",
                "allow_unauthenticated_access": server is relay,
            }
            server.start()
        ask(owner.port, path=f"{owner.mount}chat", headers=[("X-Test-Login", "boss")])  # the gateway starts with it
        yield {"owner": owner, "relay": relay}
    finally:
        for server in (relay, owner):
            server.kill()


@pytest.fixture(params=["owner", "relay"])
def server(servers, request) -> JupyterProcess:
    return servers[request.param]


XSRF = {"Cookie": f"_xsrf={'5a' * 16}", "X-XSRFToken": "5a" * 16}
"""Jupyter's proof that a page of its own sends the request."""


def shown(server, name: str, **more: str) -> dict[str, str]:
    return {"X-Test-Login": name, "Origin": f"http://127.0.0.1:{server.port}", **more}


def test_s17_only_a_named_user_of_several_decides(server):
    async def main():
        async with joined(server, shown(server, "boss")) as wire:
            assert set(wire.hello["user"]["scopes"]) == set(OPERATOR_SCOPES)
            assert (wire.hello["user"]["name"], wire.hello["user"]["via"]) == ("boss", "jupyter")
            assert "token" not in (await wire.call("auth.link"))
        for name in ("eve", "Boss", "boss@", "bos"):
            async with joined(server, shown(server, name), scopes=list(OPERATOR_SCOPES)) as wire:
                assert set(wire.hello["user"]["scopes"]) == GUEST_SCOPES, name
                for method in ("auth.link", "auth.rotate", "config.get", "device.pair.list", "exec.approvals.get"):
                    with pytest.raises(WireError) as refused:
                        await wire.call(method)
                    assert refused.value.details["reason"] == "MISSING_SCOPE", method

    run(main(), 90)


@pytest.mark.parametrize(
    "forged",
    [
        {"X-Clawdbot-User": "boss"},
        {"X-Clawdbot-Scopes": "operator.admin"},
        {"X-Clawdbot-User": "boss", "X-Clawdbot-Scopes": "operator.admin"},
        {"x_clawdbot_user": "boss"},
        {"Connection": "Upgrade, X-Clawdbot-Scopes"},
        {"X-Forwarded-User": "boss"},
        {"Tailscale-User-Login": "boss"},
        {"Authorization": "Bearer guessed"},
        {"Cookie": "clawdbot=forged.forged"},
    ],
)
def test_s17_no_header_makes_another_of_a_user(server, forged):
    """Least of all those by which a server that relays speaks to the one that has the gateway."""

    async def main():
        async with opened(server.ws_url, additional_headers=shown(server, "eve", **forged)) as wire:
            await wire.handshake(scopes=None)
            return wire.hello["user"]

    answer = upgrade(server.port, f"{server.mount}ws", list(shown(server, "eve", **forged).items()))
    assert answer.status in (101, 401, 403, 503)
    if answer.status == 101 and "Connection" not in forged:
        user = run(main())
        assert (user["name"], set(user["scopes"])) == ("eve", GUEST_SCOPES)


def test_s17_nobody_comes_in_without_a_login_whatever_jupyter_lets_through(server):
    """``allow_unauthenticated_access`` on and off: our routes ask for themselves. Built files are for all."""
    origin = [("Origin", f"http://127.0.0.1:{server.port}")]
    for path in ("chat", "", "auth/session", "media/aaaaaaaaaaaa", "media/aaaaaaaaaaaa/thumbnail"):
        for headers in (origin, [("X-Clawdbot-User", "boss"), *origin]):
            assert ask(server.port, path=f"{server.mount}{path}", headers=headers).status in (302, 401, 403, 404), path
    assert ask(server.port, "POST", f"{server.mount}media?name=x", origin, b"x").status in (302, 401, 403)
    assert upgrade(server.port, f"{server.mount}ws", origin).status in (302, 401, 403)


def test_s17_a_users_device_is_the_users_and_no_more(server):
    device = Device()

    async def device_of(headers, token=None, scopes=("operator.admin",)):
        async with opened(server.ws_url, additional_headers=headers) as wire:
            wire.start()
            nonce = (await wire.wait("connect.challenge"))["payload"]["nonce"]
            return await wire.call("connect", device.connect(nonce, token=token, scopes=scopes))

    async def main():
        hello = await device_of(shown(server, "eve"))
        assert set(hello["user"]["scopes"]) == GUEST_SCOPES and set(hello["auth"]["scopes"]) == GUEST_SCOPES
        again = await device_of(shown(server, "eve"), hello["auth"]["deviceToken"])
        assert (again["user"]["name"], set(again["user"]["scopes"])) == ("eve", GUEST_SCOPES)
        with pytest.raises(WireError) as refused:
            async with opened(server.ws_url, additional_headers=shown(server, "eve")) as wire:
                wire.start()
                nonce = (await wire.wait("connect.challenge"))["payload"]["nonce"]
                await wire.call("connect", Device().connect(nonce, role="node", scopes=()))
        assert refused.value.details["reason"] == "MISSING_SCOPE"

    run(main())


def test_s17_files_of_one_user_do_not_exist_for_another(servers):
    """Whichever mount each of them comes by."""
    for mine, other in ((servers["owner"], servers["relay"]), (servers["relay"], servers["owner"])):
        sent = ask(
            mine.port,
            "POST",
            f"{mine.mount}media?name={mine.port}.txt",
            list(shown(mine, "ann", **XSRF).items()),
            f"of ann at {mine.port}".encode(),
        )
        assert sent.status == 201, sent.body
        path = f"media/{sent.json()['mediaId']}"
        assert ask(other.port, path=f"{other.mount}{path}", headers=list(shown(other, "ann").items())).status == 200
        for name in ("eve", "boss"):
            for server in (mine, other):
                answer = ask(server.port, path=f"{server.mount}{path}", headers=list(shown(server, name).items()))
                assert answer.status == 404, (name, server.port)
