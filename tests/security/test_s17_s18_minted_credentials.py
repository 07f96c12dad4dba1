"""S17 and S18: nothing that a credential makes is worth more than itself or outlives it. Named after SECURITY.md."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest
from websockets.asyncio.client import connect

from clawdbot_ext import config as settings
from clawdbot_ext.gateway.access.identity import CREDENTIALS, GUEST_SCOPES
from clawdbot_ext.protocol.schema import METHODS, OPERATOR_SCOPES
from tests.support.device import Device
from tests.support.http import ask, login
from tests.support.jupyter import JupyterProcess
from tests.support.logins import browser, device_joined, follow, joined, refusal, status, through_tailscale
from tests.support.pace import promptly
from tests.support.server import ROOT, GatewayProcess
from tests.support.tailnet import ADDRESS, NAME, OWNER, Tailnet
from tests.support.wire import Wire, WireError, opened, run

GUEST, GUEST_ADDRESS = "guest@example.com", "100.64.0.8"
ENDED_S = 2.0
"""Longest life of what came of a void credential."""


@pytest.fixture(scope="module")
def tailscaled(tmp_path_factory):
    """Offered to a tailnet with its owner, whom the configuration names, and a guest."""
    folder = tmp_path_factory.mktemp("tailscaled")
    tailnet = Tailnet(folder / "tailnet")
    tailnet.is_(GUEST_ADDRESS, GUEST)
    gateway = GatewayProcess(
        folder / "state",
        env={"PATH": tailnet.path},
        arguments=("--tailscale=serve",),
        config={"gateway": {"auth": {"owners": [OWNER]}, "loginAttemptsPerMinute": 600}},
    )
    gateway.start()
    yield gateway
    gateway.kill()


# -- S17: a weaker login makes a stronger one -------------------------------------------------------------------------
def test_s17_a_guest_of_the_tailnet_chats_and_decides_nothing(tailscaled):
    guest = through_tailscale(GUEST_ADDRESS, GUEST)

    async def main():
        async with joined(tailscaled, guest) as wire:
            assert set(wire.hello["user"]["scopes"]) == GUEST_SCOPES
            assert not {
                "auth.link",
                "auth.rotate",
                "config.patch",
                "exec.approval.resolve",
                "device.pair.approve",
                "models.setKey",
            } & set(wire.hello["features"]["methods"])
            for method, params in (
                ("auth.link", {}),
                ("auth.rotate", {}),
                ("models.setKey", {"apiKey": "sk"}),
                ("config.patch", {"raw": '{"media": {"audio": {"command": ["id"]}}}'}),
            ):
                with pytest.raises(WireError) as refused:
                    await wire.call(method, params)
                assert refused.value.details["reason"] == "MISSING_SCOPE", method
            assert (await wire.ask("[[text=hello]]"))["state"] == "final"
        for asked in (["operator.admin"], list(OPERATOR_SCOPES)):
            async with joined(tailscaled, guest, scopes=asked) as wire:
                assert set(wire.hello["user"]["scopes"]) <= GUEST_SCOPES
        with pytest.raises(WireError) as refused:  # and is no node, which is asked to run things
            async with connect(
                f"ws://{NAME}/ws",
                compression=None,
                proxy=None,
                origin=f"https://{NAME}",
                host="127.0.0.1",
                port=tailscaled.port,
                additional_headers={n: v for n, v in guest.items() if n not in ("Host", "Origin")},
            ) as made:
                wire = Wire(made)
                wire.start()
                nonce = (await wire.wait("connect.challenge"))["payload"]["nonce"]
                await wire.call("connect", Device().connect(nonce, role="node", scopes=()))
        assert refused.value.details["reason"] == "MISSING_SCOPE"

    run(main())
    cookie = ask(tailscaled.port, path="/auth/session", headers=list(guest.items())).cookie
    for path in ("/api/contents", "/api/kernels", "/api/me"):
        assert status(tailscaled, path, cookie) in (302, 403), path


def test_s17_a_named_owner_is_one_and_what_they_make_opens_no_kernel(tailscaled):
    """Not a new token either: it would."""
    owner = through_tailscale(ADDRESS, OWNER)

    async def main():
        async with joined(tailscaled, owner) as wire:
            assert set(wire.hello["user"]["scopes"]) == set(OPERATOR_SCOPES)
            path = (await wire.call("auth.link"))["path"]
        cookie = follow(tailscaled, path)
        for route in ("/api/contents", "/api/kernels"):
            assert status(tailscaled, route, cookie) in (302, 403), route
        async with joined(tailscaled, browser(tailscaled, cookie)) as wire:
            assert wire.hello["user"]["name"] == OWNER
            assert "token" not in await wire.call("auth.rotate")
            await wire.closed()

    run(main())


def test_s17_what_a_device_makes_is_worth_what_the_device_is(own):
    device = Device()

    async def main():
        async with device_joined(own, device, token=own.token) as wire:
            token = wire.hello["auth"]["deviceToken"]
            strong = follow(own, (await wire.call("auth.link"))["path"])  # the token itself was shown
        async with device_joined(own, device, token=token) as wire:
            cookie = follow(own, (await wire.call("auth.link"))["path"])
            with pytest.raises(WireError) as refused:
                await wire.call("models.setKey", {"apiKey": "sk-x"})
            assert refused.value.details["reason"] == "OWNER_ONLY"
        assert status(own, "/api/contents", strong) == 200 and status(own, "/api/contents", cookie) == 403
        assert status(own, "/media/aaaaaaaaaaaa", cookie) == 404, "which is the gateway's own"
        async with joined(own, browser(own, cookie)) as page:
            again = follow(own, (await page.call("auth.link"))["path"])
            assert status(own, "/api/contents", again) == 403
            assert "token" not in await page.call("auth.rotate")

    run(main())


def test_s17_a_devices_token_is_not_given_to_a_login_that_is_worth_less(tailscaled):
    """The device's signature alone is no credential."""
    device, guest = Device(), through_tailscale(GUEST_ADDRESS, GUEST)

    async def main():
        async with device_joined(tailscaled, device, token=tailscaled.token) as wire:
            assert "deviceToken" in wire.hello["auth"]
        headers = {n: v for n, v in guest.items() if n not in ("Host", "Origin")}
        async with connect(
            f"ws://{NAME}/ws",
            compression=None,
            proxy=None,
            origin=f"https://{NAME}",
            host="127.0.0.1",
            port=tailscaled.port,
            additional_headers=headers,
        ) as made:
            wire = Wire(made)
            wire.start()
            nonce = (await wire.wait("connect.challenge"))["payload"]["nonce"]
            hello = await wire.call("connect", device.connect(nonce, scopes=list(GUEST_SCOPES)))
            assert "auth" not in hello and set(hello["user"]["scopes"]) == GUEST_SCOPES

    run(main())


def test_s17_who_approves_or_rotates_has_what_is_approved(own):
    device, far = Device(), {"X-Forwarded-For": "203.0.113.7"}

    async def main():
        async with (
            joined(own, token=own.token) as boss,
            joined(own, token=own.token, scopes=["operator.pairing"]) as pairer,
        ):
            read = await refusal(own, device, token=own.token, headers=far, scopes=["operator.read"])
            seen = read.details["requestId"]
            more = await refusal(own, device, token=own.token, headers=far, scopes=["operator.admin"])
            assert more.details["requestId"] != seen, "who approves the first has seen no more"
            for method, params in (("device.pair.approve", {"requestId": more.details["requestId"]}),):
                with pytest.raises(WireError) as refused:
                    await pairer.call(method, params)
                assert refused.value.details["reason"] == "MISSING_SCOPE"
            await boss.call("device.pair.approve", {"requestId": more.details["requestId"]})
            with pytest.raises(WireError) as refused:
                await pairer.call("device.token.rotate", {"deviceId": device.id, "role": "operator"})
            assert refused.value.details["reason"] == "MISSING_SCOPE"
            await pairer.call("device.token.revoke", {"deviceId": device.id, "role": "operator"})

    run(main())


def test_s17_the_key_of_a_provider_is_shown_to_no_address_that_a_caller_names(own):
    settings.set_value(own.home / "config.json", "models.providers.anthropic.apiKey", "sk-canary-stored")
    heard: list[bytes] = []

    async def main():
        async def listen(reader, writer):
            with contextlib.suppress(asyncio.IncompleteReadError):
                heard.append(await reader.readuntil(b"\r\n\r\n"))
            writer.close()

        thief = await asyncio.start_server(listen, "127.0.0.1", 0)
        address = f"http://127.0.0.1:{thief.sockets[0].getsockname()[1]}"
        async with joined(own, token=own.token) as wire:
            await wire.call("config.get")  # the file is taken up
            await wire.call("models.test", {"baseUrl": address}, timeout=60)
        thief.close()

    run(main(), 90)
    assert b"sk-canary-stored" not in b"".join(heard)


DOCS = ROOT / "docs" / "reference" / "credentials.md"


def documented() -> dict[str, dict[str, bool]]:
    """Method → kind → may it, as the page says."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in DOCS.read_text().splitlines()
        if line.startswith("| `")
    ]
    return {
        row[0].strip("`"): dict(zip(CREDENTIALS, (cell == "yes" for cell in row[1:]), strict=True))
        for row in reversed(rows)
    }  # methods come first


@pytest.mark.parametrize("kind", CREDENTIALS)
def test_s17_every_method_with_every_kind_of_credential_is_as_the_table_says(tailscaled, kind):
    table, device = documented(), Device()
    assert set(METHODS) <= set(table)
    scopes = {"admin-device": ["operator.admin"], "reading-device": ["operator.read"], "node": []}

    async def probe(wire):
        for name in METHODS:
            with pytest.raises(WireError) as caught:  # no object: refused before anything is carried out
                await wire.call(name, 5)
            allowed = caught.value.details.get("reason") not in ("MISSING_SCOPE", "WRONG_ROLE")
            assert allowed is table[name][kind], (name, kind)

    async def main():
        if kind in ("owner", "guest"):
            who = (ADDRESS, OWNER) if kind == "owner" else (GUEST_ADDRESS, GUEST)
            async with joined(tailscaled, through_tailscale(*who)) as wire:
                await probe(wire)
            cookie = ask(tailscaled.port, path="/auth/session", headers=list(through_tailscale(*who).items())).cookie
            async with joined(tailscaled, {"Host": NAME, "Origin": f"https://{NAME}", "Cookie": cookie}) as wire:
                await probe(wire)
        elif kind == "secret":
            client = (tailscaled.home / "secrets" / "client").read_text().strip()
            cookie = login(tailscaled.port, token=tailscaled.token).cookie
            for headers in (
                {"Authorization": f"Bearer {tailscaled.token}"},
                {"Authorization": f"Bearer {client}"},
                browser(tailscaled, cookie),
            ):
                async with joined(tailscaled, headers) as wire:
                    await probe(wire)
        else:
            more = {"role": "node" if kind == "node" else "operator", "scopes": scopes[kind]}
            async with device_joined(tailscaled, device, token=tailscaled.token, **more) as wire:
                token = wire.hello["auth"]["deviceToken"]
            async with device_joined(tailscaled, device, token=token, **more) as wire:
                await probe(wire)
            assert ask(
                tailscaled.port, path="/api/contents", headers=[("Authorization", f"Bearer {token}")]
            ).status in (302, 403)

    run(main(), 120)


# -- S18: what a void login has opened goes on ------------------------------------------------------------------------
async def kernel_socket(gateway, cookie: str):
    """A kernel and a socket to it, as a page with ``cookie`` opens them."""
    origin = ("Origin", gateway.url.rstrip("/"))
    made = await asyncio.to_thread(
        ask, gateway.port, "POST", "/api/kernels", [("Authorization", f"Bearer {gateway.token}"), origin], b"{}"
    )
    assert made.status == 201
    url = f"ws://127.0.0.1:{gateway.port}/api/kernels/{made.json()['id']}/channels"
    return await connect(url, proxy=None, origin=origin[1], additional_headers={"Cookie": cookie})


async def ended(*sockets) -> None:
    began = time.monotonic()
    for made in sockets:
        await asyncio.wait_for(made.wait_closed(), 10)
    assert time.monotonic() - began < promptly(ENDED_S)


@pytest.mark.slow
@pytest.mark.parametrize("by", ["rotation", "everywhere", "log-out"])
def test_s18_jupyters_own_sockets_and_requests_end_with_the_login(own, by):
    """Its kernels and events; and the new token is not there before they have ended."""
    origin = own.url.rstrip("/")

    async def main():
        cookie = login(own.port, token=own.token).cookie
        events = await connect(
            f"ws://127.0.0.1:{own.port}/api/events/subscribe",
            proxy=None,
            origin=origin,
            additional_headers={"Cookie": cookie},
        )
        kernel = await kernel_socket(own, cookie)
        terminal = await asyncio.to_thread(
            ask,
            own.port,
            "POST",
            "/api/terminals",
            [("Authorization", f"Bearer {own.token}"), ("Origin", origin)],
            b"{}",
        )
        sockets = [events, kernel]
        if terminal.status == 200:
            sockets.append(
                await connect(
                    f"ws://127.0.0.1:{own.port}/terminals/websocket/{terminal.json()['name']}",
                    proxy=None,
                    origin=origin,
                    additional_headers={"Cookie": cookie},
                )
            )
        async with joined(own, token=own.token) as program, joined(own, browser(own, cookie)) as page:
            other = follow(own, (await page.call("auth.link"))["path"])  # made by the cookie
            async with joined(own, browser(own, other)) as second:
                if by == "rotation":
                    await program.call("auth.rotate")
                elif by == "everywhere":
                    await program.call("auth.logoutEverywhere")
                else:
                    done = await asyncio.to_thread(
                        ask, own.port, "POST", "/auth/logout", [("Origin", origin), ("Cookie", cookie)]
                    )
                    assert done.status == 204
                await ended(*sockets, page.socket, second.socket)
                for each in (cookie, other):
                    assert status(own, "/api/contents", each) == 403
                if by != "rotation":
                    assert (await program.call("health"))["ok"], "programs with the token stay"
        return cookie

    cookie = run(main(), 120)
    if by == "log-out":
        own.stop()
        own.start()
        assert status(own, "/api/contents", cookie) == 403, "a restart does not bring it back"


@pytest.mark.slow
def test_s18_what_a_device_has_made_ends_with_the_device(own):
    device = Device()

    async def main():
        async with joined(own, token=own.token) as boss, device_joined(own, device, token=own.token) as wire:
            cookie = follow(own, (await wire.call("auth.link"))["path"])
            unused = (await wire.call("auth.link"))["path"]
            events = await connect(
                f"ws://127.0.0.1:{own.port}/api/events/subscribe",
                proxy=None,
                origin=own.url.rstrip("/"),
                additional_headers={"Cookie": cookie},
            )
            async with joined(own, browser(own, cookie)) as page:
                assert status(own, "/api/contents", cookie) == 200
                await boss.call("device.token.revoke", {"deviceId": device.id, "role": "operator"})
                await ended(wire.socket, page.socket, events)
            assert status(own, "/api/contents", cookie) == 403
            assert "Set-Cookie" not in ask(own.port, path=f"/{unused}").headers
            assert (await boss.call("health"))["ok"]

    run(main(), 90)


def test_s18_a_login_that_is_named_no_more_ends_and_the_next_one_is_a_guests(make_gateway, tmp_path):
    tailnet = Tailnet(tmp_path / "tailnet")
    gateway = make_gateway(
        env={"PATH": tailnet.path}, arguments=("--tailscale=serve",), config={"gateway": {"auth": {"owners": [OWNER]}}}
    )
    owner = through_tailscale(ADDRESS, OWNER)

    async def main():
        async with joined(gateway, owner) as wire:
            path = (await wire.call("auth.link"))["path"]
            settings.set_value(gateway.home / "config.json", "gateway.auth.owners", ["someone@example.com"])
            assert await wire.closed(timeout=promptly(5)) == 1008
        async with joined(gateway, browser(gateway, follow(gateway, path))) as page:
            assert set(page.hello["user"]["scopes"]) == GUEST_SCOPES

    run(main())


@pytest.mark.slow
def test_s18_on_the_own_port_of_a_mount_too(tmp_path):
    lab = JupyterProcess(tmp_path / "state", config={"gateway": {"loginAttemptsPerMinute": 600}})
    lab.start()
    try:
        origin, url = f"http://127.0.0.1:{lab.clawdbot_port}", f"ws://127.0.0.1:{lab.clawdbot_port}/ws"
        device = Device()

        async def main():
            async with joined(lab, lab.headers) as boss:
                assert set(boss.hello["user"]["scopes"]) == set(OPERATOR_SCOPES), "the one user of the server"
                cookie = login(lab.clawdbot_port, token=lab.token).cookie
                async with opened(url) as wire:
                    wire.start()
                    nonce = (await wire.wait("connect.challenge"))["payload"]["nonce"]
                    await wire.call("connect", device.connect(nonce, token=lab.token))
                    made = ask(lab.clawdbot_port, path=f"/{(await wire.call('auth.link'))['path']}").cookie
                    shown = {"Cookie": made, "Origin": origin}
                    async with joined(lab, shown, url=url) as page:
                        await boss.call("device.token.revoke", {"deviceId": device.id, "role": "operator"})
                        await ended(wire.socket, page.socket)
                async with joined(lab, {"Cookie": cookie, "Origin": origin}, url=url) as page:
                    ask(lab.clawdbot_port, "POST", "/auth/logout", [("Origin", origin), ("Cookie", cookie)])
                    await ended(page.socket)
            for each in (cookie, made):
                assert not ask(lab.clawdbot_port, path="/auth/session", headers=[("Cookie", each)]).json()[
                    "authenticated"
                ]

        run(main(), 90)
    finally:
        lab.kill()
