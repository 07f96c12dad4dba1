"""Login by token, password, cookie and link, over HTTP and over the socket."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from clawdbot_ext import __version__, config
from clawdbot_ext.gateway.access.passwords import hash_password
from clawdbot_ext.server.handlers import routes
from tests.support.http import OTHER_CLIENT, ask, login, upgrade
from tests.support.pace import promptly
from tests.support.wire import WireError, opened, run, wired

PASSWORD = "correct horse battery"
WRONG = {"token": "wrong", "password": "wrong"}


def bearer(token):
    return [("Authorization", f"Bearer {token}")]


def origin(gateway):
    return [("Origin", gateway.url.rstrip("/"))]


def link(gateway):
    """The path of a fresh one-time link."""

    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            return "/" + (await wire.call("auth.link"))["path"]

    return run(main())


# -- over HTTP ------------------------------------------------------------------------------------------------------
def test_the_session_says_nothing_to_strangers_but_how_to_log_in(standing_gateway):
    answer = ask(standing_gateway.port, path="/auth/session", headers=[("Accept-Language", "ko-KR,ko;q=0.9")])
    assert answer.status == 200 and answer.headers["Cache-Control"] == "no-store"
    session = answer.json()
    assert session.pop("version")
    session.pop("program")
    assert session == {"authenticated": False, "modes": ["token"], "mount": "standalone", "locale": "ko"}


def test_the_login_names_a_program_that_can_be_called_and_its_path_to_this_machine_only(standing_gateway):
    own = ask(standing_gateway.port, path="/auth/session").json()["program"]
    assert not own.startswith(str(Path.home()))
    words = shlex.split(own.replace("~", str(Path.home()), 1))
    asked = subprocess.run([*words, "--version"], capture_output=True, text=True, timeout=60)
    assert asked.returncode == 0 and __version__ in asked.stdout
    relayed = ask(standing_gateway.port, path="/auth/session", headers=[("X-Forwarded-For", "192.0.2.7")])
    assert relayed.json()["program"] == "clawdbot"


@pytest.mark.parametrize(
    ("version", "host", "origin", "here"),
    [
        ("HTTP/1.1", "127.0.0.1:18789", "", True),
        ("HTTP/1.1", "[::1]:18789", "http://localhost:18789", True),
        ("HTTP/1.1", "box.example", "", False),  # a proxy that says nothing but hands the host on
        ("HTTP/1.1", "127.0.0.1:18789", "https://box.example", False),  # or the origin
        ("HTTP/1.0", "127.0.0.1:18789", "", False),  # or neither, as nginx without any configuration
        ("HTTP/1.1", "127.0.0.1:18789", "null", True),
    ],
)
def test_what_comes_through_a_silent_proxy_is_not_from_this_machine(version, host, origin, here):
    headers = HTTPHeaders({"Host": host, **({"Origin": origin} if origin else {})})
    line = RequestStartLine("GET", "/auth/session", version)
    request = HTTPServerRequest(headers=headers, connection=SimpleNamespace(), start_line=line)
    request.remote_ip = "127.0.0.1"
    assert routes._is_here(request) is here


def test_a_token_buys_a_cookie_that_scripts_and_other_sites_cannot_use(standing_gateway):
    answer = login(standing_gateway.port, token=standing_gateway.token)
    assert answer.status == 204 and answer.body == b""
    flags = answer.headers["Set-Cookie"].lower()
    assert "httponly" in flags and "samesite=strict" in flags and "path=/" in flags and "secure" not in flags
    assert standing_gateway.token not in flags
    session = ask(standing_gateway.port, path="/auth/session", headers=[("Cookie", answer.cookie)]).json()
    assert session["authenticated"] is True and session["user"]


def test_the_cookie_opens_jupyters_api_and_nothing_else_does(standing_gateway):
    port, token = standing_gateway.port, standing_gateway.token
    cookie = login(port, token=token).cookie
    assert ask(port, path="/api/contents", headers=[("Cookie", cookie)]).status == 200
    assert ask(port, path="/api/contents", headers=bearer(token)).status == 200
    assert ask(port, path="/api/contents", headers=[("Authorization", f"token {token}")]).status == 200
    assert ask(port, path="/api/contents").status == 403
    assert ask(port, path=f"/api/contents?token={token}").status == 403
    assert ask(port, path="/api/contents", headers=[("Cookie", cookie[:-2] + "xx")]).status == 403
    assert ask(port, path="/api/contents", headers=[("Authorization", "Basic eA==")]).status == 403


def test_a_cookie_alone_cannot_change_anything_through_jupyters_api(standing_gateway):
    port = standing_gateway.port
    cookie = login(port, token=standing_gateway.token).cookie
    body = json.dumps({"type": "directory"}).encode()
    answer = ask(port, "POST", "/api/contents", [*origin(standing_gateway), ("Cookie", cookie)], body)
    assert answer.status == 403  # no XSRF token
    assert ask(port, "POST", "/api/contents", bearer(standing_gateway.token), body).status == 201


def test_logging_out_clears_the_cookie(standing_gateway):
    port = standing_gateway.port
    cookie = login(port, token=standing_gateway.token).cookie
    answer = ask(port, "POST", "/auth/logout", [*origin(standing_gateway), ("Cookie", cookie)], b"{}")
    assert answer.status == 204 and answer.cookie == cookie.split("=")[0] + '=""'


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'{"token": 1}', b'{"token": null}', b'{"other": "x"}', b"\xff", b'{"x":' + b"[" * 60_000],
)
def test_a_login_that_is_none_is_refused_without_counting(standing_gateway, body):
    for _ in range(12):
        answer = ask(standing_gateway.port, "POST", "/auth/login", origin(standing_gateway), body)
        assert answer.status in (400, 401) and answer.json()["error"]
    assert login(standing_gateway.port, token=standing_gateway.token).status == 204


# -- over the socket ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("credentials", [{}, {"token": ""}, {"token": "wrong"}, {"password": "wrong"}, WRONG])
def test_a_socket_without_the_right_token_is_refused_and_closed(make_gateway, credentials):
    gateway = make_gateway()

    async def main():
        async with opened(gateway.ws_url) as wire:
            with pytest.raises(WireError) as refused:
                await wire.handshake(**credentials)
            assert refused.value.details["reason"] == "UNAUTHORIZED"
            assert await wire.closed() == 1008

    run(main())


def test_a_cookie_opens_a_socket_only_together_with_our_origin(standing_gateway):
    gateway = standing_gateway
    cookie = {"Cookie": login(gateway.port, token=gateway.token).cookie}

    async def user(headers):
        async with opened(gateway.ws_url, additional_headers=headers) as wire:
            return (await wire.handshake())["user"]

    assert run(user({**cookie, **dict(origin(gateway))}))["via"] == "cookie"
    with pytest.raises(WireError):
        run(user(cookie))
    with pytest.raises(WireError):
        run(user(dict(origin(gateway))))


def test_a_bearer_token_opens_a_socket_without_a_word_more(standing_gateway):
    gateway = standing_gateway

    async def main():
        async with opened(gateway.ws_url, additional_headers=dict(bearer(gateway.token))) as wire:
            assert (await wire.handshake())["user"]["via"] == "token"

    run(main())
    assert upgrade(gateway.port, headers=bearer("wrong")).status == 401


def test_rights_are_the_gateways_not_what_the_client_asks_for(standing_gateway):
    gateway = standing_gateway

    async def main():
        async with wired(gateway.ws_url, gateway.token, scopes=["operator.read"]) as wire:
            with pytest.raises(WireError) as refused:
                await wire.call("config.get")
            assert refused.value.details["reason"] == "MISSING_SCOPE"
        async with wired(gateway.ws_url, gateway.token, scopes=["root", "operator.owner"]) as wire:
            assert wire.hello["user"]["scopes"] == []
            with pytest.raises(WireError):
                await wire.call("health")

    run(main())


# -- guessing -------------------------------------------------------------------------------------------------------
def test_guesses_are_limited_over_http_and_socket_together_and_others_still_get_in(make_gateway):
    # A token that a person chose can be guessed; a random one is never held up (the next test).
    token = "chosen-by-a-person"
    gateway = make_gateway(config={"gateway": {"loginAttemptsPerMinute": 4, "auth": {"token": token}}})
    port = gateway.port

    async def guess():
        async with opened(gateway.ws_url) as wire:
            with pytest.raises(WireError) as refused:
                await wire.handshake(token="wrong")
            return refused.value

    for _ in range(2):
        assert login(port, token="wrong").status == 401
        assert run(guess()).details["reason"] == "UNAUTHORIZED"
    limited = login(port, token=token)
    assert limited.status == 429 and 0 < limited.json()["retryAfterMs"] <= 60_000
    assert 0 < int(limited.headers["Retry-After"]) <= 60
    error = run(guess())
    assert error.code == "UNAVAILABLE" and error.details["reason"] == "RATE_LIMITED" and error.error["retryAfterMs"] > 0
    assert upgrade(port, headers=bearer(token)).status == 429
    assert ask(port, path="/api/contents", headers=bearer(token)).status == 429
    forwarded = [("X-Forwarded-For", "9.9.9.9"), ("X-Real-IP", "9.9.9.9")]
    assert login(port, forwarded, token=token).status == 429
    assert upgrade(port, headers=bearer(token), source=OTHER_CLIENT).status == 101


def test_the_right_token_never_counts_and_a_cookie_is_never_held_up(make_gateway):
    gateway = make_gateway(config={"gateway": {"loginAttemptsPerMinute": 2}})
    port = gateway.port
    answers = [login(port, token=gateway.token) for _ in range(5)]
    assert [a.status for a in answers] == [204] * 5
    for _ in range(3):
        login(port, token="wrong")
    headers = [("Cookie", answers[0].cookie)]
    assert ask(port, path="/auth/session", headers=headers).json()["authenticated"] is True
    assert ask(port, path="/api/contents", headers=headers).status == 200
    assert login(port, token=gateway.token).status == 204  # too long to guess, so wrong guesses of others do not matter


# -- passwords ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("stored", [PASSWORD, hash_password(PASSWORD)], ids=["clear", "scrypt"])
def test_password_mode_takes_the_password_and_for_local_programs_the_local_token(make_gateway, stored):
    gateway = make_gateway(config={"gateway": {"auth": {"mode": "password", "password": stored}}})
    assert ask(gateway.port, path="/auth/session").json()["modes"] == ["password"]
    assert login(gateway.port, password=PASSWORD).status == 204
    assert login(gateway.port, password=PASSWORD + "x").status == 401
    assert login(gateway.port, password=stored if stored != PASSWORD else "").status == 401
    assert login(gateway.port, token=PASSWORD).status == 401
    assert login(gateway.port, token=gateway.token).status == 204


def test_token_mode_takes_no_password(make_gateway):
    auth = {"mode": "token", "token": "a-token-of-mine", "password": PASSWORD}
    gateway = make_gateway(config={"gateway": {"auth": auth}})
    assert login(gateway.port, token="a-token-of-mine").status == 204
    assert login(gateway.port, password=PASSWORD).status == 401
    assert login(gateway.port, token=PASSWORD).status == 401


# -- links ----------------------------------------------------------------------------------------------------------
def test_a_link_logs_in_once(standing_gateway):
    port, path = standing_gateway.port, link(standing_gateway)
    first, second = ask(port, path=path), ask(port, path=path)
    assert (first.status, first.headers["Location"]) == (303, "chat")
    assert ask(port, path="/auth/session", headers=[("Cookie", first.cookie)]).json()["authenticated"] is True
    assert (second.status, second.headers["Location"]) == (303, "chat?link=expired")
    assert "Set-Cookie" not in second.headers


def test_the_first_lines_have_a_link_that_works(make_gateway):
    gateway = make_gateway()
    found = re.search(r"(http://\S+)/chat\?code=(\S+)", gateway.output)
    assert found and found[1] == gateway.url.rstrip("/")
    assert ask(gateway.port, path=f"/chat?code={found[2]}").headers["Location"] == "chat"


def test_looking_at_a_link_does_not_use_it_up(standing_gateway):
    port, path = standing_gateway.port, link(standing_gateway)
    assert ask(port, "HEAD", path).status == 405
    assert ask(port, path=path).headers["Location"] == "chat"


# -- changing the secret --------------------------------------------------------------------------------------------
def test_changing_the_token_ends_cookies_links_and_sockets_at_once(gateway):
    port, token = gateway.port, gateway.token
    cookie, path = login(port, token=token).cookie, link(gateway)
    new = "another-token-that-is-long"

    async def main():
        async with wired(gateway.ws_url, token) as one, wired(gateway.ws_url, token) as two:
            config.set_value(gateway.home / "config.json", "gateway.auth.token", new)
            assert await one.closed(timeout=promptly(2)) == 1008 and await two.closed(timeout=promptly(2)) == 1008

    run(main())
    headers = [("Cookie", cookie)]
    assert ask(port, path="/auth/session", headers=headers).json()["authenticated"] is False
    assert ask(port, path="/api/contents", headers=headers).status == 403
    assert "Set-Cookie" not in ask(port, path=path).headers
    assert login(port, token=token).status == 401
    assert login(port, token=new).status == 204
    gateway.terminate()
    assert gateway.wait() == 0
    gateway.start()
    assert ask(port, path="/auth/session", headers=headers).json()["authenticated"] is False


def test_a_cookie_outlives_a_restart(gateway):
    cookie = login(gateway.port, token=gateway.token).cookie
    gateway.terminate()
    gateway.wait()
    gateway.start()
    assert ask(gateway.port, path="/auth/session", headers=[("Cookie", cookie)]).json()["authenticated"] is True
