"""S1 to S8: who may connect. Each test is named after its row in the threat table of SECURITY.md."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket

import pytest
from websockets.exceptions import InvalidStatus

from clawdbot_ext.protocol.schema import METHODS, OPERATOR_SCOPES
from tests.security.conftest import ATTEMPTS
from tests.support.http import UPGRADE
from tests.support.jupyter import TOKEN
from tests.support.wire import WireError, opened, run

HOSTILE_ORIGINS = [
    "http://evil.example",
    "null",
    "http://127.0.0.1:3000",
    "http://127.0.0.1:{port}.evil.example",
    "http://127.0.0.1:{port}@evil.example",
    "chrome-extension://127.0.0.1:{port}",
    "http://localhost:{port}",
    "file://",
    "",
]
OTHER_SCHEME = "https://127.0.0.1:{port}"
"""Foreign to our own port. A mount is as strict as its host, where a proxy may have taken TLS off."""
FORWARDED = [
    [("X-Forwarded-For", "127.0.0.1")],
    [("X-Forwarded-For", "")],
    [("X-Real-IP", "127.0.0.1")],
    [("Forwarded", "for=127.0.0.1;host=localhost;proto=https")],
    [("X-Forwarded-Host", "localhost")],
    [("X-Forwarded-Proto", "https"), ("X-Forwarded-Proto", "http")],
    [("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-For", "10.0.0.1, 127.0.0.1")],
]


# -- S1 -------------------------------------------------------------------------------------------------------------
def test_s1_the_page_may_connect_to_its_own_origin_alone_whatever_its_address_says(door):
    cookie = [("Cookie", door.login())]
    for query in ("gatewayUrl=ws://127.0.0.1:9", "gatewayUrl=wss://evil.example&token=", "session=%3Cscript%3E"):
        answer = door.ask(path=f"chat?{query}", headers=cookie)
        while answer.status == 303:  # a token is taken out of the address first
            answer = door.ask(path=answer.headers["Location"], headers=cookie)
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
        assert policy["connect-src"] == "'self'" and policy["default-src"] == "'none'"
        assert b"evil.example" not in answer.body and b"127.0.0.1:9" not in answer.body


def test_s1_s10_a_login_in_the_address_is_exchanged_and_leaves_it(standalone, mount):
    """On our own port the gateway's token, on a mount Jupyter's, as links of Clawdbot and of Jupyter have them."""
    for door, token in ((standalone, standalone.process.token), (mount, TOKEN)):
        answer = door.ask(path=f"chat?session=x&token={token}")
        assert answer.status == 303 and answer.headers["Location"] == "chat?session=x"
        cookie = "; ".join(each.split(";")[0] for each in answer.headers.get_list("Set-Cookie"))
        assert cookie and token not in cookie
        assert door.ask(path="auth/session", headers=[("Cookie", cookie)]).json()["authenticated"] is True


# -- S2 -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", ["ws", "", "chat"])
def test_s2_no_foreign_origin_gets_an_upgrade_with_or_without_a_cookie(door, path):
    cookie = ("Cookie", door.login())
    for text in [*HOSTILE_ORIGINS, *([OTHER_SCHEME] if door.name == "standalone" else [])]:
        for more in ([], [cookie], [*door.program.items()], *FORWARDED[:4]):
            headers = [("Origin", text.format(port=door.port)), *more]
            assert door.upgrade(headers, path).status == 403, headers
    twice = [("Origin", door.origin), ("Origin", "http://evil.example"), cookie]
    assert door.upgrade(twice, path).status == 403 and door.upgrade(twice[::-1], path).status == 403
    assert door.upgrade([("Origin", door.origin), cookie], path).status == 101


def test_s2_a_cookie_without_an_origin_opens_nothing(door):
    async def main():
        async with opened(door.ws_url, additional_headers={"Cookie": door_cookie}) as wire:
            await wire.handshake()

    door_cookie = door.login()
    with pytest.raises((InvalidStatus, WireError)) as refused:
        run(main())
    if isinstance(refused.value, InvalidStatus):
        assert refused.value.response.status_code == 403
    else:
        assert refused.value.details["reason"] == "UNAUTHORIZED"


# -- S3 -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "host",
    [
        "evil.example:{port}",
        "evil.example",
        "127.0.0.1.evil.example:{port}",
        "localhost.evil.example:{port}",
        "box.ts.net:{port}",
        "169.254.169.254:{port}",
    ],
)
def test_s3_a_rebound_name_reaches_no_route(door, host):
    host = host.format(port=door.port)
    cookie = door.login()
    known = [("Cookie", cookie), ("Host", host), ("Origin", f"http://{host}")]
    for path in ("", "chat", "healthz", "embed.js", "assets/x.js", "auth/session", "frame", "media/aaaaaaaaaaaa"):
        for headers in ([("Host", host)], known, [*door.program.items(), ("Host", host)]):
            assert door.ask(path=path, headers=headers).status in (403, 421), (path, headers)
    assert door.upgrade(known).status in (403, 421)
    assert door.upgrade([("Host", host), *door.program.items()]).status in (403, 421)


# -- S4 -------------------------------------------------------------------------------------------------------------
def test_s4_loopback_is_nobody_whatever_a_proxy_says(door):
    paths = ("media/aaaaaaaaaaaa", "chat", "auth/session")
    plain = {path: door.ask(path=path).status for path in paths}
    assert plain["media/aaaaaaaaaaaa"] in (401, 403)
    for headers in FORWARDED:
        assert {path: door.ask(path=path, headers=headers).status for path in paths} == plain, headers
        if door.name == "mount":
            assert door.upgrade(headers).status == 403
        else:
            assert door.ask(path="auth/session", headers=headers).json()["authenticated"] is False

    async def main():
        for headers in FORWARDED[:-2]:
            async with opened(door.ws_url, additional_headers=dict(headers)) as wire:
                await wire.handshake()

    with pytest.raises((WireError, InvalidStatus)):
        run(main())


# -- S6 -------------------------------------------------------------------------------------------------------------
def test_s6_rights_come_from_the_credential_and_not_from_the_client(door):
    async def main():
        async with door.connected(scopes=["operator.read"]) as wire:
            with pytest.raises(WireError) as refused:
                await wire.call("auth.rotate")
            assert refused.value.details["reason"] == "MISSING_SCOPE"
        async with door.connected(scopes=["admin", "root", "operator.owner", "*"]) as wire:
            assert wire.hello["user"]["scopes"] == []
            for method in ("health", "chat.history", "config.get", "auth.link"):
                with pytest.raises(WireError):
                    await wire.call(method, {"sessionKey": "main"})
        async with opened(door.ws_url, additional_headers=door.program) as wire:
            wire.start()
            await wire.wait("connect.challenge")
            with pytest.raises(WireError) as refused:
                await wire.call(
                    "connect",
                    {
                        "minProtocol": 3,
                        "maxProtocol": 3,
                        "role": "owner",
                        "scopes": list(OPERATOR_SCOPES),
                        "client": {"id": "x", "version": "1", "platform": "x", "mode": "backend"},
                    },
                )
            assert refused.value.details["reason"] == "WRONG_ROLE"

    run(main())


# -- S7 -------------------------------------------------------------------------------------------------------------
def as_user(door, name):
    """A request that a server which relays passes on for one of its users."""
    credential = (door.process.home / "secrets" / "client").read_text().strip()
    return {"Authorization": f"Bearer {credential}", "X-Clawdbot-User": name}


def test_s7_anothers_file_is_a_file_that_does_not_exist(door):
    ann, bob = as_user(door, "ann"), as_user(door, "bob")
    made = door.ask("POST", "media?name=mine.csv", [*ann.items(), ("Content-Type", "text/csv")], b"a,b\n1,2\n").json()
    id_ = made["mediaId"]
    nobodys = "A" * len(id_)
    assert door.ask(path=f"media/{id_}", headers=ann).status == 200
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"):
        for path in ("media/{}", "media/{}/thumbnail", "media/{}.0", "media/{}.0/thumbnail"):
            theirs = door.ask(method, path.format(id_), bob)
            none = door.ask(method, path.format(nobodys), bob)
            assert theirs.status == none.status and theirs.status in (403, 404, 405), (method, path, theirs.status)
            assert theirs.body.replace(id_.encode(), b"") == none.body.replace(nobodys.encode(), b""), (method, path)

    async def main():
        async with door.connected(bob) as wire:
            for attachment in ({"mediaId": id_}, {"mediaId": nobodys}):
                with pytest.raises(WireError) as refused:
                    await wire.call(
                        "chat.send",
                        {
                            "sessionKey": "s7",
                            "message": "look",
                            "attachments": [attachment],
                            "idempotencyKey": attachment["mediaId"],
                        },
                    )
                assert refused.value.details["reason"] == "MEDIA_NOT_FOUND", attachment
                with pytest.raises(WireError) as refused:
                    await wire.call("media.saw", attachment)
                assert refused.value.details["reason"] == "MEDIA_NOT_FOUND", attachment

    run(main())


def test_s7_an_id_of_another_gateway_is_an_id_that_does_not_exist(standalone, mount):
    """As on a Hub, where each user has a gateway: ids of one mean nothing at the other, and no event crosses."""

    async def main():
        async with standalone.connected() as ann, mount.connected() as bob:
            run_id, _ = await ann.send("[[text=for ann alone]]", key="private")
            await ann.end(run_id)
            history = await ann.call("chat.history", {"sessionKey": "private"})
            message = history["messages"][-1]["id"]
            before = {frame["event"] for frame in bob.events}
            for method, known, params in (
                ("agent.wait", {"runId": run_id}, {"runId": "no-such-run"}),
                ("chat.regenerate", {"messageId": message}, {"messageId": "no-such-message"}),
                ("chat.delete", {"messageId": message}, {"messageId": "no-such-message"}),
                ("chat.branch", {"messageId": message}, {"messageId": "no-such-message"}),
                ("exec.approval.resolve", {"id": run_id, "decision": "deny"}, {"id": "none", "decision": "deny"}),
                ("sessions.resolve", {"key": "private"}, {"key": "no-such-session"}),
                ("chat.abort", {"runId": run_id}, {"runId": "no-such-run"}),
            ):
                answers = [await said(bob, method, {**base(method), **given}) for given in (known, params)]
                assert answers[0] == answers[1], method
            assert not [f for f in bob.events if f["event"] == "chat"] and "chat" not in before
        assert standalone.upgrade(mount.program).status == 401  # nor is one's credential good at the other
        assert mount.upgrade(standalone.program).status in (401, 403)

    run(main())


def base(method):
    """The parameters of a call besides the id."""
    names = set(METHODS[method].params.__struct_fields__)
    given = {
        "session_key": ("sessionKey", "main"),
        "idempotency_key": ("idempotencyKey", "s7"),
        "timeout_ms": ("timeoutMs", 1),
    }
    return {wire: value for field, (wire, value) in given.items() if field in names}


async def said(wire, method, params):
    """The shape of an answer: the error without the id in its text, or what was found."""
    try:
        answer = await wire.call(method, params)
    except WireError as exc:
        return (exc.code, exc.details.get("reason"))
    return {name: value for name, value in answer.items() if name not in ("runId", "key", "ts")}


# -- S8 -------------------------------------------------------------------------------------------------------------
def test_s8_guessing_is_slow_over_every_way_in_together_and_holds_up_nobody_else(door):
    """From an address of its own: HTTP and sockets, forwarded addresses, extra fields, each time a new connection."""
    mine, other = "127.0.0.8", "127.0.0.88"
    cookie = door.login()
    seen = []
    for number in range(ATTEMPTS // 2):
        disguise = [("X-Forwarded-For", f"10.0.0.{number}"), ("Authorization", f"Bearer wrong-{number}")]
        seen.append(door.upgrade(disguise, source=mine).status)
        seen.append(door.ask(path="media/aaaaaaaaaaaa", headers=disguise, source=mine).status)
    assert set(seen) == {401}
    limited = door.ask(path="media/aaaaaaaaaaaa", headers=[("Authorization", "Bearer wrong")], source=mine)
    assert limited.status == 429 and int(limited.headers["Retry-After"]) >= 1
    refused = door.upgrade([("Authorization", "Bearer wrong")], source=mine)
    assert refused.status == 429 and 0 < refused.json()["retryAfterMs"] <= 60_000
    # by the page and from a socket, with fields that are not in the schema, it is the same count
    if door.name == "standalone":
        page = door.ask("POST", "auth/login", [("Origin", door.origin)], b'{"token":"wrong"}', source=mine)
        assert page.status == 429 and page.json()["retryAfterMs"] > 0

        async def main():
            async with opened(door.ws_url, local_addr=(mine, 0)) as wire:
                wire.start()
                await wire.wait("connect.challenge")
                with pytest.raises(WireError) as limited:
                    await wire.call(
                        "connect",
                        {
                            "minProtocol": 3,
                            "maxProtocol": 3,
                            "auth": {"token": "wrong", "deviceToken": "x"},
                            "client": {"id": "x", "version": "1", "platform": "x", "mode": "ui"},
                            "bogus": [1],
                        },
                    )
                return limited.value

        assert run(main()).details["reason"] == "RATE_LIMITED"
    # who has a good credential is not held up: not there, and not elsewhere
    assert door.upgrade([("Origin", door.origin), ("Cookie", cookie)], source=mine).status == 101
    assert door.upgrade(door.program, source=mine).status == 101
    assert door.upgrade(door.program, source=other).status == 101
    assert door.upgrade([("Authorization", "Bearer wrong")], source=other).status == 401


def upgraded(gateway, token=None):
    """A socket and the head of the answer to its upgrade."""
    connection = socket.create_connection(("127.0.0.1", gateway.port), 10)
    lines = [
        "GET /ws HTTP/1.1",
        f"Host: 127.0.0.1:{gateway.port}",
        *(f"{n}: {v}" for n, v in UPGRADE),
        *([f"Authorization: Bearer {token}"] if token else []),
    ]
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    return connection, connection.recv(4096)


def until_closed(connection):
    """Read until the other side has closed; its patience is the socket's own."""
    with contextlib.suppress(ConnectionResetError):
        while connection.recv(65536):
            pass


def test_s8_too_many_requests_and_sockets_are_refused_with_when_to_come_back(make_gateway):
    gateway = make_gateway(config={"gateway": {"requestsPerMinute": 60, "connectionsPerAddress": 8}})

    async def main():
        async with opened(gateway.ws_url) as first, opened(gateway.ws_url) as second:
            await first.handshake(token=gateway.token)
            await second.handshake(token=gateway.token)
            results = await asyncio.gather(*(first.call("health") for _ in range(90)), return_exceptions=True)
            limited = [each for each in results if isinstance(each, WireError)]
            assert limited and all(each.details["reason"] == "RATE_LIMITED" for each in limited)
            assert all(each.error["retryAfterMs"] > 0 for each in limited)
            told = limited[0].details  # what the limit is, and where its owner raises it
            assert (told["limit"], told["per"], told["setting"]) == (60, "connection", "gateway.requestsPerMinute")
            assert (await second.call("health"))["ok"]  # another connection has a count of its own
            # Sockets that have not logged in give way to the next; those that have stay, and fill the address up.
            strangers = [upgraded(gateway) for _ in range(7)]
            assert all(b" 101 " in head for _, head in strangers)
            await asyncio.to_thread(until_closed, strangers[0][0])
            known = [upgraded(gateway, gateway.token) for _ in range(6)]
            assert all(b" 101 " in head for _, head in known)
            known.append(upgraded(gateway, gateway.token))
            refused = known[-1][1]
            assert b" 429 " in refused and json.loads(refused.partition(b"\r\n\r\n")[2])["retryAfterMs"] > 0
            assert (await second.call("health"))["ok"]
            for connection, _ in strangers + known:
                connection.close()

    run(main())


def test_s8_who_sends_a_request_slowly_is_not_waited_for(standalone):
    """A head that never ends and a silent connection are closed; a good client is served meanwhile."""
    slow = [socket.create_connection(("127.0.0.1", standalone.port), 10) for _ in range(8)]
    for number, connection in enumerate(slow):
        if number % 2:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
    assert standalone.ask(path="healthz").status == 200
    for connection in slow:
        assert connection.recv(4096) == b""  # within the 10 s of the socket's own patience
        connection.close()
