"""Users by a proxy's headers, over HTTP and sockets: each has a space, and only the proxy is believed."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager

import pytest

from tests.support.http import ask
from tests.support.server import GatewayProcess
from tests.support.wire import WireError, opened, run, wired

pytestmark = pytest.mark.slow

SECRET = "s" * 40
CONFIG = {
    "users": {"from": "headers", "secret": SECRET, "blocked": ["eve"], "signOutUrl": "/oauth2/sign_out"},
    "gateway": {"trustedProxies": ["127.0.0.1"]},
}


def proxied(name, *more, secret=SECRET):
    """The headers that the proxy sends for a user."""
    shown = name.encode().decode("latin-1")
    return [("X-Clawdbot-Proxy-Secret", secret), ("X-Forwarded-User", shown), ("X-Forwarded-For", "192.0.2.9"), *more]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    process = GatewayProcess(tmp_path_factory.mktemp("users"), config=CONFIG)
    process.start()
    yield process
    process.stop()


def session(gateway, headers):
    return ask(gateway.port, path="/auth/session", headers=headers)


@asynccontextmanager
async def connected(gateway, name):
    async with opened(gateway.ws_url, additional_headers=proxied(name)) as wire:
        await wire.handshake()
        yield wire


def test_a_user_is_logged_in_by_the_proxy(gateway):
    told = session(gateway, proxied("김철수")).json()
    assert told["authenticated"] and told["user"] == "김철수" and told["modes"] == []
    assert told["signOut"] == "/oauth2/sign_out"


@pytest.mark.parametrize(
    ("headers", "status", "reason"),
    [
        (proxied("eve"), 403, "USER_NOT_ALLOWED"),
        (proxied("alice", ("X-Forwarded-User", "bob")), 403, "WRONG_USER_NAME"),
        (proxied("@students"), 403, "WRONG_USER_NAME"),
        (proxied("alice", secret="x" * 40), 403, "PROXY_NOT_TRUSTED"),
        (proxied("alice", ("X-Clawdbot-Proxy-Secret", SECRET)), 403, "PROXY_NOT_TRUSTED"),
        ([("X-Forwarded-User", "alice")], 403, "PROXY_NOT_TRUSTED"),
        ([("X-Forwarded-For", "192.0.2.9")], 403, "PROXY_NOT_TRUSTED"),
        ([("X-Clawdbot-Proxy-Secret", SECRET)], 401, "NOT_SIGNED_IN"),
        (proxied(""), 401, "NOT_SIGNED_IN"),
    ],
)
def test_what_is_no_sign_in_is_refused_with_a_code(gateway, headers, status, reason):
    for path in ("/auth/session", "/chat", f"/media/{'a' * 64}", "/export"):
        assert ask(gateway.port, path=path, headers=headers).status in (401, 403)
    refused = session(gateway, headers)
    assert refused.status == status
    assert refused.json()["reason"] == reason == refused.headers["X-Clawdbot-Reason"]
    page = ask(gateway.port, path="/chat", headers=[*headers, ("Accept", "text/html"), ("Accept-Language", "ko")])
    assert "<h1>" in page.body.decode() and "요" in page.body.decode()


def test_the_proxy_is_not_believed_from_another_address(gateway):
    answer = ask(gateway.port, path="/auth/session", headers=proxied("alice"), source="127.0.0.2")
    assert (answer.status, answer.json()["reason"]) == (403, "PROXY_NOT_TRUSTED")


def test_the_operator_has_the_own_gateway_as_ever(gateway):
    bearer = [("Authorization", f"Bearer {gateway.token}")]
    assert session(gateway, bearer).json()["authenticated"]
    assert session(gateway, []).json()["modes"] == ["token"]

    async def main():
        async with wired(gateway.ws_url, gateway.token) as operator, connected(gateway, "alice") as alice:
            await alice.ask("[[text=ok]] only alice sees this")
            for wire, count in ((operator, 0), (alice, 2)):
                assert len((await wire.call("chat.history", {"sessionKey": "main"}))["messages"]) == count

    run(main())


def test_users_see_their_own_and_nothing_of_the_server(gateway):
    async def main():
        async with connected(gateway, "alice") as alice, connected(gateway, "bob") as bob:
            assert alice.hello["user"]["name"] == "alice"
            await bob.ask("[[text=ok]] bob's secret")
            found = json.dumps(await alice.call("sessions.list")) + json.dumps(
                await alice.call("chat.history", {"sessionKey": "main"})
            )
            assert "bob" not in found
            with pytest.raises(WireError) as refused:
                await alice.call("logs.tail")
            assert refused.value.error["details"]["reason"] == "OPERATOR_ONLY"
            assert "logs.tail" not in alice.hello["features"]["methods"]

    run(main())


@pytest.mark.parametrize(
    ("method", "params", "reason"),
    [
        ("models.test", {"baseUrl": "http://127.0.0.1:1/", "apiKey": "x"}, "OPERATOR_ONLY"),
        ("config.patch", {"raw": '{"logging": {"level": "debug"}}'}, "OWNER_ONLY"),
        ("config.patch", {"raw": '{"models": {"providers": {"mine": {"models": ["a"]}}}}'}, "OWNER_ONLY"),
        ("config.patch", {"raw": '{"policy": {"maxHandsMode": "unattended"}}'}, "OWNER_ONLY"),
    ],
)
def test_a_user_cannot_have_the_server_do_what_is_the_operators(gateway, method, params, reason):
    async def main():
        async with connected(gateway, "alice") as alice:
            with pytest.raises(WireError) as refused:
                await alice.call(method, params)
            assert refused.value.error["details"]["reason"] == reason
            assert "lastFailure" not in await alice.call("gateway.info")
            await alice.call("config.patch", {"raw": '{"ui": {"locale": "ko"}}'})
            assert (await alice.call("config.get"))["sources"]["ui.locale"] == "file"

    run(main())


def test_a_user_who_is_blocked_is_disconnected(gateway):
    path = gateway.home / "config.json"
    present = path.read_text()

    async def main():
        async with connected(gateway, "mallory") as mallory, connected(gateway, "alice") as alice:
            path.write_text(json.dumps({**CONFIG, "users": {**CONFIG["users"], "blocked": ["mallory"]}}))
            assert await mallory.closed() == 1008
            assert session(gateway, proxied("mallory")).json()["reason"] == "USER_NOT_ALLOWED"
            assert await alice.call("sessions.list")

    try:
        run(main())
    finally:
        path.write_text(present)


def test_logging_out_closes_the_users_sockets_in_all_browsers(gateway):
    async def main():
        async with (
            connected(gateway, "alice") as one,
            connected(gateway, "alice") as two,
            connected(gateway, "bob") as bob,
        ):
            post = proxied("alice", ("Origin", gateway.url.rstrip("/")), ("Content-Length", "2"))
            answer = ask(gateway.port, "POST", "/auth/logout", post, b"{}")
            assert (answer.status, answer.headers["Location"]) == (204, "/oauth2/sign_out")
            assert await one.closed() == await two.closed() == 1008
            assert await bob.call("sessions.list")

    run(main())


def test_a_user_is_told_of_a_stop_and_finds_everything_afterwards(make_gateway):
    gateway = make_gateway(config=CONFIG)

    async def before():
        async with connected(gateway, "alice") as alice:
            await alice.ask("[[text=kept]] keep this")
            gateway.terminate()
            await alice.wait("shutdown")
            assert await alice.closed() == 1001

    async def after():
        async with connected(gateway, "alice") as alice:
            assert "kept" in json.dumps(await alice.call("chat.history", {"sessionKey": "main"}))

    run(before())
    gateway.wait()
    gateway.start()
    run(after())


def test_jupyters_own_routes_are_not_a_users(gateway):
    for path in ("/api/contents", "/api/kernels", "/api/status"):
        assert ask(gateway.port, path=path, headers=proxied("alice")).status == 403
