"""S9 to S16: secrets, what they open, and what must not open without one. Named after the rows in SECURITY.md."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from clawdbot_ext import config
from clawdbot_ext.gateway.access.passwords import check_secret, hash_password
from tests.support.http import ask, upgrade
from tests.support.pace import promptly
from tests.support.server import ROOT, clean_environment, free_port
from tests.support.wire import WireError, opened, run

LOCKED = {400, 401, 403, 404, 405}


# -- S9 -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "weak",
    [
        "short",
        "changeme",
        "your-token-here",
        "aaaaaaaaaaaaaaaaaaaaaa",
        "Changeme123",
        "               x",
        "                  ",
    ],
)
@pytest.mark.parametrize(("exposed", "tailscale"), [(True, "off"), (False, "serve")])
def test_s9_a_secret_that_can_be_guessed_is_no_secret_where_others_can_try(tmp_path, weak, exposed, tailscale):
    settings = {"gateway.tailscale.mode": tailscale, "gateway.auth.token": weak}
    with pytest.raises(config.ConfigError) as refused:
        check_secret(config.load({"CLAWDBOT_STATE_DIR": str(tmp_path)}, traits=settings), exposed=exposed)
    assert weak not in str(refused.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"gateway.auth.mode": "password"},
        {"gateway.auth.mode": "password", "gateway.auth.password": "   "},
        {"gateway.auth.mode": "tailscale"},
        {"gateway.tailscale.mode": "funnel"},
        {"gateway.tailscale.mode": "funnel", "gateway.auth.mode": "password", "gateway.auth.password": "password"},
    ],
)
def test_s9_there_is_no_mode_without_its_credential(tmp_path, settings):
    with pytest.raises(config.ConfigError):
        check_secret(config.load({"CLAWDBOT_STATE_DIR": str(tmp_path)}, traits=settings), exposed=False)


@pytest.mark.parametrize("settings", [{"bind": "lan", "auth": {"token": "changeme"}}, {"auth": {"mode": "jupyter"}}])
def test_s9_the_gateway_does_not_start_with_such_a_secret(tmp_path, settings):
    (tmp_path / "jupyter").mkdir()
    (tmp_path / "jupyter" / "config.json").write_text(json.dumps({"gateway": settings}))
    done = subprocess.run(
        [sys.executable, "-m", "clawdbot_ext.app", f"--port={free_port()}", "--no-browser"],
        cwd=ROOT,
        timeout=60,
        env=clean_environment(tmp_path),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 78 and "gateway.auth" in done.stderr and "changeme" not in done.stderr


def test_s9_a_password_is_kept_as_what_cannot_be_turned_back():
    one, two = hash_password("correct horse"), hash_password("correct horse")
    assert one != two and one.startswith("scrypt:14:8:1:") and "correct" not in one


# -- S10 ------------------------------------------------------------------------------------------------------------
CANARY = "canary-d8f1c0a94e7b"


def test_s10_no_error_tells_a_secret_to_a_log_a_file_or_an_answer(door):
    """400, 401, 403, 404, 405, 413, a closed socket and failed methods, with a canary in every place for a secret."""
    places = [
        [("Authorization", f"Bearer {CANARY}")],
        [("Authorization", f"Basic {CANARY}")],
        [("Cookie", f"clawdbot-{door.port}={CANARY}.{CANARY}")],
        [("Referer", f"{door.origin}/chat?token={CANARY}")],
        [("X-Api-Key", CANARY)],
        [("Sec-WebSocket-Protocol", CANARY)],
    ]
    answers = []
    for headers in places:
        for path in (
            "media/aaaaaaaaaaaa",
            "auth/session",
            "nothing/here",
            "healthz",
            f"chat?token={CANARY}",
            f"?code={CANARY}",
            f"ws?token={CANARY}",
        ):
            answers.append(door.ask(path=path, headers=headers, source="127.0.0.10"))
        body = json.dumps({"token": CANARY, "password": CANARY}).encode()
        for path in ("auth/login", "auth/logout", "media?name=x"):
            answers.append(door.ask("POST", path, [*headers, ("Origin", door.origin)], body, source="127.0.0.10"))
        answers.append(door.ask("DELETE", "chat", headers, source="127.0.0.10"))
        answers.append(door.upgrade(headers, source="127.0.0.10"))
    assert {answer.status for answer in answers} >= {401, 403}
    for answer in answers:
        assert CANARY not in answer.headers.get("Location", "").replace(f"session={CANARY}", "")
        assert CANARY.encode() not in answer.body

    async def main():
        async with door.connected() as wire:
            current = await wire.call("config.get")
            key = {"models": {"providers": {"anthropic": {"apiKey": CANARY}}}}  # which no client may write
            for wrong in (
                {"gateway": {"auth": {"token": [CANARY]}}},
                {"gateway": {"auth": {"password": {"a": CANARY}}}},
                {"models": {"providers": {"anthropic": {"apiKey": {CANARY: CANARY}}}}},
                {**key, "gateway": {"port": -1}},
                {"gateway": {"remote": {"token": f" {CANARY}"}}},
            ):
                with pytest.raises(WireError) as refused:
                    await wire.call("config.patch", {"raw": json.dumps(wrong), "baseHash": current["hash"]})
                assert CANARY not in json.dumps(refused.value.error), wrong
            await wire.call("models.setKey", {"apiKey": CANARY})
            shown = await wire.call("config.get")
            assert CANARY not in json.dumps(shown)
            for method in ("status", "health", "logs.tail", "models.list", "config.schema"):
                assert CANARY not in json.dumps(await wire.call(method)), method
            await wire.call("models.setKey")
        async with opened(door.ws_url, additional_headers=door.program) as wire:
            first = {"type": "req", "id": "1", "method": CANARY, "params": {"token": CANARY}}
            await wire.socket.send(json.dumps(first))
            await wire.closed()

    run(main())
    assert list(written(door.process.state, CANARY)) == []
    status = Path(f"/proc/{door.process.pid}")
    assert CANARY.encode() not in (status / "cmdline").read_bytes() + (status / "environ").read_bytes()


def written(folder: Path, text: str) -> Iterator[str]:
    """Files below ``folder`` that hold ``text``."""
    for path in folder.rglob("*"):
        if path.is_file() and text.encode() in path.read_bytes():
            yield str(path.relative_to(folder))


def test_s10_the_gateways_own_secrets_are_in_their_files_and_nowhere_else(door):
    secrets = door.process.home / "secrets"
    assert secrets.stat().st_mode & 0o777 == door.process.home.stat().st_mode & 0o777 == 0o700
    for file in secrets.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600
        found = set(written(door.process.state, file.read_text().strip()))
        assert found == {f"jupyter/secrets/{file.name}"}
    for path in door.process.home.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0 or path.is_socket(), path


# -- S11 ------------------------------------------------------------------------------------------------------------
def test_s11_a_rotated_secret_ends_sockets_and_cookies_at_once(door):
    old, cookie = door.program, door.login()
    browser = {"Cookie": cookie, "Origin": door.origin}

    async def main():
        async with door.connected() as one, door.connected() as two, door.connected(browser) as three:
            new = (await one.call("auth.rotate"))["token"]
            codes = [await wire.closed(timeout=promptly(5)) for wire in (one, two, three)]
            assert codes == [1008] * 3  # terminal: not to be tried again with the same credential
            return new

    new = run(main())
    assert door.program["Authorization"] == f"Bearer {new}"
    assert door.ask(path="media/aaaaaaaaaaaa", headers=[("Cookie", cookie)]).status in (401, 403)
    assert door.upgrade(old, source="127.0.0.11").status == 401 and door.upgrade(door.program).status == 101


# -- S12 ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "headers",
    [
        [("Content-Type", "application/x-www-form-urlencoded")],
        [("Content-Type", "text/plain")],
        [("Content-Type", "multipart/form-data; boundary=x")],
        [("Sec-Fetch-Mode", "no-cors"), ("Sec-Fetch-Site", "cross-site")],
        [("Origin", "http://evil.example")],
        [("Origin", "null")],
        [("X-HTTP-Method-Override", "GET")],
        [("Referer", "http://evil.example/")],
    ],
)
def test_s12_no_other_page_makes_a_browser_do_anything(door, headers):
    cookie = door.login()
    body = b'{"everywhere": true}&_method=GET'
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        for path in ("auth/logout", "auth/login", "media?name=x.txt", "media/aaaaaaaaaaaa", "chat?_method=GET"):
            answer = door.ask(method, path, [("Cookie", cookie), *headers], body)
            assert answer.status in (400, 403, 404, 405), (method, path, answer.status)
            assert door.name == "mount" or answer.status == 403
    for path in ("auth/logout", "auth/login", "media?name=x.txt"):  # and asking changes nothing
        assert door.ask(path=path, headers=[("Cookie", cookie)]).status in (404, 405)
    assert door.ask(path="auth/session", headers=[("Cookie", cookie)]).json()["authenticated"] is True


# -- S13 ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "origin",
    [
        "https://trusted.example.evil.com",
        "https://xtrusted.example",
        "https://trusted.example.",
        "http://trusted.example",
        "https://trusted.example:8443",
        "https://trusted.example:4433",
        "https://trusted.example@evil.com",
        "https://trustedxexample",
        "https://xn--trusted-example",
        "https://trusted.example/",
        "https://trusted.example, x",
    ],
)
def test_s13_an_allowed_origin_is_exactly_that_one(door, origin):
    cookie = ("Cookie", door.login())
    assert door.upgrade([("Origin", origin), cookie]).status == 403


def test_s13_the_allowed_one_comes_in(door):
    cookie = ("Cookie", door.login())
    for origin in ("https://trusted.example", "https://trusted.example:443", "HTTPS://Trusted.Example"):
        assert door.upgrade([("Origin", origin), cookie]).status == 101, origin


# -- S14 ------------------------------------------------------------------------------------------------------------
def example(pattern: str) -> str:
    """A path that a route's pattern matches."""
    parser = __import__("re._parser" if sys.version_info >= (3, 11) else "sre_parse", fromlist=["parse"])

    def text(nodes: object) -> str:
        return "".join(one(str(kind), argument) for kind, argument in nodes)  # type: ignore[attr-defined]

    def one(kind: str, given: object) -> str:
        if kind == "LITERAL":
            return chr(given)  # type: ignore[arg-type]
        if kind in ("SUBPATTERN", "ATOMIC_GROUP"):
            return text(given[-1] if kind == "SUBPATTERN" else given)  # type: ignore[index]
        if kind == "BRANCH":
            return text(given[1][0])  # type: ignore[index]
        if kind in ("MAX_REPEAT", "MIN_REPEAT"):
            return text(given[2]) * max(1, given[0])  # type: ignore[index]
        if kind in ("IN", "NOT_LITERAL", "ANY"):
            chosen = re.compile(pattern) and given
            first = chosen[0] if isinstance(chosen, list) else None
            return (
                chr(first[1])
                if first and str(first[0]) == "LITERAL"
                else (chr(first[1][0]) if first and str(first[0]) == "RANGE" else "a")
            )
        return ""

    return text(parser.parse(pattern))


@pytest.mark.parametrize("name", ["standalone", "mount"])
def test_s14_no_route_answers_a_stranger(name, tables, request):
    """The live table, every verb, for real: but for what is ``open``, there is no answer without a credential."""
    door = request.getfixturevalue(name)
    refused = 0
    for pattern, handler, verb, rule in tables[name]:
        if handler == "RejectHandler" or pattern in (".*$", "(.*)$", "AnyMatches"):
            continue
        path = example(pattern)
        if name == "mount":
            path = door.base + path.removeprefix("/clawdbot/") if path != "/clawdbot" else door.base.rstrip("/")
        if handler == "Socket":
            status = upgrade(door.port, path).status
            assert status == (101 if name == "standalone" else 403), (pattern, status)
            continue
        answer = ask(door.port, verb, path, [("Origin", door.origin)], b"{}" if verb not in ("GET", "HEAD") else b"")
        if rule in ("open", "public", "connect"):
            assert answer.status < 500, (path, handler, verb)
            continue
        to_login = answer.status == 302 and "/login" in answer.headers["Location"]
        assert answer.status in LOCKED or to_login or (verb == "OPTIONS" and not answer.body), (path, handler, verb)
        refused += answer.status in (401, 403) or to_login
    assert refused > {"standalone": 40, "mount": 8}[name]


def test_s14_the_first_word_on_a_socket_is_connect(standalone):
    for first in (
        {"method": "chat.send", "params": {"sessionKey": "main", "message": "x", "idempotencyKey": "x"}},
        {"method": "config.get", "params": {}},
        {"method": "health"},
    ):

        async def main(first=first):
            async with opened(standalone.ws_url) as wire:
                wire.start()
                with pytest.raises(WireError):
                    await wire.call(first["method"], first.get("params"))
                return await wire.closed()

        assert run(main()) == 1008


# -- S15 ------------------------------------------------------------------------------------------------------------
TRICKS = [
    "%2e%2e/api/contents",
    "..%2fapi/contents",
    "/api/contents",
    "//api/contents",
    "API/contents",
    "api/contents;x=y",
    "api/contents%00",
    "api/contents/.",
    "api%2fcontents",
    "./media/aaaaaaaaaaaa",
    "media//aaaaaaaaaaaa",
    "media/aaaaaaaaaaaa%2f..",
    "MEDIA/aaaaaaaaaaaa",
    "media/aaaaaaaaaaaa.",
    "chat/../api/contents",
    "assets/..%2f..%2fconfig.json",
    "assets/%2e%2e/%2e%2e/secrets/token",
    "healthz/../api/contents",
    "chat%2f..%2fapi%2fcontents",
    "assets\\..\\..\\x",
]


@pytest.mark.parametrize("path", TRICKS)
def test_s15_no_spelling_of_a_path_comes_around_the_check(door, path):
    answer = door.ask(path=path)
    assert answer.status in LOCKED or (answer.status == 302 and "/login" in answer.headers["Location"]), answer.status


def test_s15_every_carrier_of_a_credential_gets_the_same_verdict(door):
    token = door.process.token
    good = [
        [("Authorization", f"Bearer {token}")],
        [("Authorization", f"token {token}")],
        [("Authorization", f"bEARER   {token}")],
        [("Cookie", door.login())],
    ]
    for headers in good:
        assert door.ask(path="media/aaaaaaaaaaaa", headers=headers).status == 404, headers  # in, and there is none
    none = [
        [("X-Api-Key", token)],
        [("Authorization", token)],
        [("Authorization", f"Basic {token}")],
        [("Proxy-Authorization", f"Bearer {token}")],
        [("Cookie", f"token={token}")],
        [("X-Token", token)],
    ]
    for headers in none:
        assert door.ask(path="media/aaaaaaaaaaaa", headers=headers, source="127.0.0.15").status in (401, 403), headers
    assert door.ask(path=f"media/aaaaaaaaaaaa?token={token}").status in (401, 403)


# -- S16 ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "to",
    [
        "//evil.example",
        "///evil.example",
        "/%5cevil.example",
        "https:evil.example",
        "%09//evil.example",
        "https://evil.example",
        "%0d%0aLocation:%20https://evil.example",
    ],
)
def test_s16_logging_in_leads_to_the_page_and_nowhere_else(door, to):
    async def code():
        async with door.connected() as wire:
            return (await wire.call("auth.link"))["path"]

    answers = [
        door.ask(path=f"{run(code())}&next={to}"),
        door.ask(path=f"chat?token=wrong&next={to}", source="127.0.0.16"),
    ]
    if door.name == "standalone":
        answers += [door.ask(path=f"{name}?next={to}") for name in ("login", "logout")]
    else:
        answers.append(ask(door.port, path=f"{door.base.rstrip('/')}?next={to}"))
    for answer in answers:
        where = answer.headers.get("Location", "chat")
        assert where.startswith(("chat", "/chat", door.base, "/base/login?next=%2Fbase%2Fclawdbot")), where
        assert len(answer.headers.get_list("Location")) <= 1 and os.sep * 2 not in where.partition("?")[0]
