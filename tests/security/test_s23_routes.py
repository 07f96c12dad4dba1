"""S23 and S24 over HTTP: no route, header, credential and name leads into the space of another user."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest

from clawdbot_ext.server.handlers.routes import last_routes, standalone_routes
from clawdbot_ext.server.handlers.standalone import StandaloneAuthenticator
from clawdbot_ext.server.users.principals import SLUG, slug_of
from tests.security.two_users import (
    BOB,
    FORGED,
    MARK,
    PROOF,
    TOKEN,
    Loot,
    ada_s,
    fetch,
    settled,
    signed_in,
    snapshot,
    user,
)
from tests.support.device import Device
from tests.support.http import Answer, ask
from tests.support.logins import device_joined
from tests.support.server import GatewayProcess
from tests.support.wire import WireError, opened, run, wired

pytestmark = pytest.mark.slow
BOUND_S = 240.0


class Request(NamedTuple):
    path: Callable[[Loot], str]
    status: Sequence[int]
    method: str = "GET"
    body: bytes = b""


def at(path: str, *status: int, method: str = "GET", body: bytes = b"") -> Request:
    return Request(lambda loot: path, status, method, body)


def of(path: Callable[[Loot], str], *status: int, method: str = "GET") -> Request:
    return Request(path, status, method)


ROUTES: dict[str, Sequence[Request]] = {
    "Socket": [at("/ws", 404)],  # every method of it: test_s23_spaces
    "Page": [
        at("/", 200),
        at("/chat", 200),
        of(lambda x: f"/chat?session={x.key}", 200),
        at(f"/chat?token={TOKEN}", 303),
    ],
    "Asset": [at("/favicon.svg", 200)],
    "WebAppAsset": [at("/sw.js", 200), at("/manifest.webmanifest", 200)],
    "Session": [at("/auth/session", 200), at("/auth/session", 200, method="POST")],
    "Health": [at("/healthz", 200)],
    "Ready": [at("/readyz", 200)],
    "ArtifactFrame": [at("/frame", 200)],
    "Export": [
        of(lambda x: f"/export?sessionId={x.session_id}&format=markdown", 404),
        of(lambda x: f"/export?sessionId={x.archived_id}&format=json", 404),
        of(lambda x: f"/export?key={quote(x.key)}&format=markdown&embed=1", 200, 404),
        of(lambda x: f"/export?key={quote(x.deleted_key)}&format=json", 200, 404),
    ],
    "MediaUpload": [at(f"/media?name={FORGED}", 200, 201, method="POST", body=FORGED.encode())],
    "MediaDownload": [
        of(lambda x: f"/media/{x.media_id}", 404),
        of(lambda x: f"/media/{x.media_id}", 404, method="HEAD"),
        of(lambda x: f"/media/{x.sha256}", 404, method="HEAD"),
        of(lambda x: f"/media/{x.sha256}", 404),
    ],
    "MediaPicture": [
        of(lambda x: f"/media/{x.media_id}.1", 404),
        of(lambda x: f"/media/{x.media_id}.1/thumbnail", 404),
        of(lambda x: f"/media/{x.media_id}/thumbnail", 404),
    ],
    "Login": [at("/auth/login", 401, method="POST", body=b"{}")],
    "Redirect": [at("/login", 302), of(lambda x: f"/logout?session={x.key}", 302)],
    "NotFound": [
        of(lambda x: f"/users/{slug_of(x.owner)}/", 404),
        of(lambda x: f"/{slug_of(x.owner)}/chat", 404),
        of(lambda x: f"/user/{quote(x.owner)}/clawdbot/chat", 404),
        of(lambda x: f"/media/..%2f..%2f{slug_of(x.owner)}%2fmedia%2f{x.media_id}", 404),
    ],
    "Logout": [at("/auth/logout", 204, method="POST", body=b'{"everywhere":true}')],  # the last: it is Bob's own
}
JUPYTERS = (
    *("/api/contents", "/api/contents/config.json", "/api/kernels", "/api/kernelspecs", "/api/sessions", "/api/status"),
    *("/api/me", "/api/config/x", "/metrics", "/files/config.json", "/view/config.json", "/nbconvert/html/x.ipynb"),
    *("/api/terminals", "/terminals/websocket/1", "/api/nbconvert", "/api/security/csp-report", "/lab", "/tree"),
)


@pytest.fixture
def server(gateway_with_users: GatewayProcess) -> GatewayProcess:
    return gateway_with_users


def test_s23_every_route_has_its_attack():
    authenticator: Any = StandaloneAuthenticator()
    context: Any = None
    rules = [*standalone_routes("/", context, authenticator), *last_routes(context, "/c/", authenticator)]
    assert {rule.target.__name__ for rule in rules} == set(ROUTES)


def test_s23_no_route_tells_or_changes_anything_of_anothers(server: GatewayProcess):
    async def main() -> None:
        async with ada_s(server) as (ada, loot):
            before = await snapshot(ada, loot)
            for name, requests in ROUTES.items():
                for request in requests:
                    path = request.path(loot)
                    answer = await asyncio.to_thread(fetch, server, BOB, path, request.method, request.body)
                    assert answer.status in request.status, (name, path, answer)
                    assert MARK.encode() not in answer.body and MARK not in str(answer.headers), path
                    assert "Set-Cookie" not in answer.headers or name == "Logout", path
            for path in JUPYTERS:
                for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
                    answer = await asyncio.to_thread(
                        fetch, server, BOB, path, method, b"{}" if method != "GET" else b""
                    )
                    assert answer.status in (302, 403, 404, 405), (method, path, answer.status)
                    assert answer.status != 302 or "/login" in answer.headers["Location"]
            assert (await asyncio.to_thread(fetch, server, BOB, "/auth/session")).json()["user"] == BOB
            await settled(ada)
            assert ada.socket.close_code is None and await snapshot(ada, loot) == before
            assert FORGED not in json.dumps(ada.events)
            async with wired(server.ws_url, token=TOKEN) as operator:
                link = f"/{(await operator.call('auth.link'))['path']}"
            answer = await asyncio.to_thread(fetch, server, BOB, link)
            assert answer.status == 303 and "Set-Cookie" not in answer.headers
            assert "Set-Cookie" in (await asyncio.to_thread(ask, server.port, "GET", link)).headers, "it was not spent"

    run(main(), BOUND_S)


def test_s23_the_credentials_of_one_user_are_worth_nothing_to_another(server: GatewayProcess):
    bobs = dict(signed_in(server, BOB))

    async def main() -> None:
        async with ada_s(server) as (ada, loot):
            for device, token in ((Device(), loot.device_token), (Device(), loot.node_token), (Device(), TOKEN)):
                try:
                    async with device_joined(server, device, token=token, headers=bobs) as wire:
                        assert wire.hello["user"]["name"] == BOB
                        assert MARK not in json.dumps(await wire.call("sessions.list", {"includeArchived": True}))
                except WireError:
                    continue
            for token in (loot.device_token, loot.node_token):  # to the operator's own gateway, past the proxy
                with pytest.raises(WireError):
                    async with opened(server.ws_url) as wire:
                        await wire.handshake(token=token)
            cookie = await asyncio.to_thread(operators_cookie, server)
            for more in ([("Cookie", cookie)], [("Authorization", f"Bearer {loot.device_token}")]):
                answer = await asyncio.to_thread(session, server, signed_in(server, BOB, *more))
                assert (answer.status, answer.json().get("user")) == (200, BOB)
            assert ada.socket.close_code is None

    run(main(), BOUND_S)


def operators_cookie(server: GatewayProcess) -> str:
    body = json.dumps({"token": TOKEN}).encode()
    answer = ask(server.port, "POST", "/auth/login", [("Origin", server.url.rstrip("/"))], body)
    assert answer.status == 204
    return answer.cookie


def session(server: GatewayProcess, headers: Sequence[tuple[str, str]], source: str = "127.0.0.1") -> Answer:
    return ask(server.port, path="/auth/session", headers=headers, source=source)


RIGHT = [("X-Clawdbot-Proxy-Secret", PROOF)]
WHO = [("X-Forwarded-User", "carol")]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (WHO, 403),
        ([*WHO, ("X-Clawdbot-Proxy-Secret", "")], 403),
        ([*WHO, ("X-Clawdbot-Proxy-Secret", PROOF[:-1])], 403),
        ([*WHO, ("X-Clawdbot-Proxy-Secret", PROOF + "0")], 403),
        ([*WHO, ("X-Clawdbot-Proxy-Secret", "wrong"), *RIGHT], 403),
        ([*WHO, *RIGHT, *RIGHT], 403),
        ([*WHO, ("X_Clawdbot_Proxy_Secret", PROOF)], 403),
        ([*WHO, ("Authorization", f"Bearer {PROOF}")], 403),
        ([*WHO, ("Cookie", f"X-Clawdbot-Proxy-Secret={PROOF}")], 403),
        ([*RIGHT, *WHO, *WHO], 403),
        ([*RIGHT, *WHO, ("x-forwarded-user", "dave")], 403),
        ([*RIGHT, *WHO, ("X-FORWARDED-USER", "")], 403),
        ([*RIGHT, *WHO, ("X-Groups", "users"), ("x-groups", "staff")], 403),
        ([*RIGHT, ("X_Forwarded_User", "carol")], 401),
        ([*RIGHT, ("X-Forwarded-User", "")], 401),
        ([*RIGHT, ("X-Forwarded-User", "   ")], 401),
        (RIGHT, 401),
        ([("X-Forwarded-For", "203.0.113.7")], 403),
        ([*RIGHT, ("X-Forwarded-User", "eve")], 403),
    ],
)
def test_s24_only_the_proxy_says_who_asks(server: GatewayProcess, headers: list[tuple[str, str]], status: int):
    answer = session(server, headers)
    told = answer.json()
    refused_or_none = answer.status == status or (status == 401 and told.get("authenticated") is False)
    assert refused_or_none and "user" not in told, (answer.status, told)
    page = ask(server.port, path="/export?key=main&format=json", headers=headers)
    assert page.status in (401, 403), page.status


def test_s24_a_name_from_elsewhere_than_the_proxy_is_refused_even_with_the_secret(server: GatewayProcess):
    assert session(server, [*RIGHT, *WHO]).json()["user"] == "carol"
    assert session(server, [*RIGHT, *WHO], source="127.0.0.2").status == 403
    forged = [*RIGHT, *WHO, ("X-Forwarded-For", "127.0.0.1"), ("X-Real-Ip", "127.0.0.1")]
    assert session(server, forged, source="127.0.0.2").status == 403


@pytest.mark.parametrize(
    "name",
    [
        *("@group", "*", "@", "a" * 257, "a\u200bb", "a\u202eb", "a\u00adb", "a\tb", "a\u2028b", "\ufeffada"),
        *("ada\u00a0", "\u3000ada", "ada\u2003", "ada\u0085"),
    ],
)
def test_s24_what_could_pass_for_another_name_is_none(server: GatewayProcess, name: str):
    shown = name.encode().decode("latin-1")
    answer = session(server, [*RIGHT, ("X-Forwarded-User", shown)])
    assert answer.status in (400, 403), answer.body


ALIKE = [
    *(
        "dan",
        "Dan",
        "DAN",
        "dán",
        "d\uff41n",
        "d\u0430n",
        "dan.",
        "dan-",
        "dan_",
        "d an",
        "dan/",
        "/dan",
        "dan\\",
        "dan%20",
    ),
    *(
        "../dan",
        "..",
        ".",
        "dan/../eve",
        "~",
        "con",
        "u_dan",
        slug_of("dan"),
        "dan;",
        "dan'--",
        'dan"',
        "d" * 256,
        "김단",
    ),
]
IN_FULL = ["dan", "Dan", "d\uff41n", "dan/", "../dan", "..", 'dan"', "김단"]


def test_s24_names_that_look_alike_have_spaces_of_their_own(server: GatewayProcess):
    assert len({slug_of(name) for name in ALIKE}) == len(ALIKE)
    assert all(SLUG.fullmatch(slug_of(name)) for name in ALIKE)

    async def main() -> None:
        for name in IN_FULL:
            async with user(server, name) as wire:
                assert wire.hello["user"]["name"] == name
                assert (await wire.call("prompts.list"))["prompts"] == []
                await wire.call("prompts.set", {"name": "mine", "text": name})
        for name in IN_FULL:
            async with user(server, name) as wire:
                assert [prompt["text"] for prompt in (await wire.call("prompts.list"))["prompts"]] == [name]
        async with user(server, "e\u0301mile") as wire:  # as a Mac writes it
            assert wire.hello["user"]["name"] == "\u00e9mile"

    run(main(), BOUND_S)
    assert {*IN_FULL} <= {*ALIKE}
    spaces = server.state.parent / "users"
    assert all(SLUG.fullmatch(path.name) for path in spaces.iterdir())
    assert {path.name for path in server.state.parent.iterdir()} == {"state", "users"}


def test_s24_a_user_who_is_blocked_is_cut_off_at_once_and_no_other(server: GatewayProcess):
    path = server.home / "config.json"
    name = f"mallory {uuid.uuid4().hex}"
    before = json.loads(path.read_text())

    def blocked(*names: str) -> None:
        path.write_text(json.dumps({**before, "users": {**before["users"], "blocked": ["eve", *names]}}))

    async def main() -> None:
        async with user(server, name) as mallory, user(server, BOB) as bob:
            blocked(name)
            assert await mallory.closed(60.0) == 1008
            assert session(server, signed_in(server, name)).status == 403
            with pytest.raises(Exception, match="403"):
                async with user(server, name):
                    pass
            await settled(bob)
            assert bob.socket.close_code is None

    try:
        run(main(), BOUND_S)
    finally:
        blocked()
