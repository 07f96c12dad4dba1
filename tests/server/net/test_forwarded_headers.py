"""Reverse proxies: what they say is believed from ``gateway.trustedProxies`` alone; and the paths below one."""

from __future__ import annotations

import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from clawdbot_ext import config
from clawdbot_ext.client.endpoint import locate
from clawdbot_ext.client.sync import connect
from clawdbot_ext.server.net.forwarded_headers import client_of
from tests.support.http import OTHER_CLIENT, addresses, ask, login, upgrade
from tests.support.jupyter import JupyterProcess
from tests.support.server import GatewayProcess
from tests.support.tools import require

PROXY = OTHER_CLIENT
"""The address that is trusted; 127.0.0.1 is not."""
HTTPS = [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "box.example")]


def request(peer, *headers):
    class Connection:
        context = None

    made = HTTPServerRequest(
        headers=HTTPHeaders({"Host": "x"}), connection=Connection(), start_line=RequestStartLine("GET", "/", "HTTP/1.1")
    )
    for name, value in headers:
        made.headers.add(name, value)
    made.remote_ip = peer
    return made


def settings(folder, *trusted):
    return config.load({"CLAWDBOT_STATE_DIR": str(folder)}, flags={"gateway.trustedProxies": list(trusted)})


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("10.0.0.5", ["192.0.2.1"], "192.0.2.1"),
        ("10.0.0.5", ["6.6.6.6, 192.0.2.1"], "192.0.2.1"),
        ("10.0.0.5", ["6.6.6.6", "192.0.2.1, 10.0.0.6"], "192.0.2.1"),
        ("::ffff:10.0.0.5", ["::ffff:192.0.2.1"], "::ffff:192.0.2.1"),
        ("10.0.0.5", ["10.0.0.7, 10.0.0.6"], "10.0.0.7"),
        ("10.0.0.5", ["192.0.2.1, unknown"], "10.0.0.5"),
        ("10.0.0.5", [""], "10.0.0.5"),
        ("10.0.0.5", [], "10.0.0.5"),
        ("10.0.1.5", ["192.0.2.1"], "10.0.1.5"),
        ("127.0.0.1", ["192.0.2.1"], "127.0.0.1"),
        ("", ["192.0.2.1"], ""),
    ],
)
def test_s4_the_address_is_the_last_one_that_no_trusted_proxy_has(tmp_path, peer, forwarded, address):
    headers = [("X-Forwarded-For", value) for value in forwarded]
    assert client_of(request(peer, *headers), settings(tmp_path, "10.0.0.0/24")).address == address


def test_s4_other_headers_say_nothing(tmp_path):
    headers = [
        ("X-Real-IP", "192.0.2.1"),
        ("Forwarded", "for=192.0.2.1;host=evil;proto=https"),
        ("X-Forwarded-Proto", "javascript"),
        ("X-Original-Host", "evil"),
    ]
    assert client_of(request("10.0.0.5", *headers), settings(tmp_path, "10.0.0.5")) == ("10.0.0.5", None, None, False)
    assert client_of(request("10.0.0.5", *HTTPS), settings(tmp_path)) == ("10.0.0.5", None, None, False)


@pytest.fixture(scope="module")
def behind(tmp_path_factory):
    """A gateway behind a proxy at ``PROXY`` that ends TLS and passes ``/chat-with/`` on, and the same in a Lab."""
    folder = tmp_path_factory.mktemp("behind")
    given = {
        "gateway": {
            "trustedProxies": [f"{PROXY}/32"],
            "allowedHosts": ["box.example"],
            "controlUi": {"basePath": "/chat-with/claude"},
        }
    }
    gateway = GatewayProcess(folder / "own", config=given)
    lab = JupyterProcess(folder / "lab", config=given)
    gateway.start()
    lab.start()
    yield {"own": gateway, "lab": lab}
    gateway.kill()
    lab.kill()


@pytest.fixture(params=["own", "lab"])
def port(behind, request):
    """Of our own server, and of the gateway's own port in a Jupyter server."""
    return behind[request.param].port if request.param == "own" else behind[request.param].clawdbot_port


BASE = "/chat-with/claude/"


def status(port, *headers, source=PROXY, path="ws"):
    return upgrade(port, f"{BASE}{path}", headers, source=source).status


def test_the_page_and_its_socket_are_below_the_path_and_the_root_leads_there(behind, port):
    assert ask(port, path=f"{BASE}chat").status == 200 and ask(port, path=f"{BASE}healthz").status == 200
    assert status(port, source="127.0.0.1") == 101
    assert ask(port, path="/").headers["Location"] == BASE
    assert ask(port, path="/chat").headers["Location"] == f"{BASE}chat"
    assert ask(port, path=BASE.rstrip("/")).headers["Location"] == BASE
    for path, there in (("/", BASE), ("/chat", f"{BASE}chat"), (BASE.rstrip("/"), BASE)):
        answer = ask(port, path=f"{path}?token=a%2Bb&session=%EB%AA%A8&next=//evil")
        assert answer.headers["Location"] == f"{there}?token=a%2Bb&session=%EB%AA%A8", answer.headers
    assert ask(port, path="/healthz").json() == {"ok": True}
    assert upgrade(port, "/").status == 101, "Clawdbot's clients know the port alone"
    assert ask(port, path="/assets/none.js").status == 404


def test_the_control_ui_is_the_page_at_the_path_and_asks_for_nothing_outside_it(port):
    require("built-page")
    page = ask(port, path=BASE)
    assert page.status == 200 and page.body == ask(port, path=f"{BASE}chat").body
    asked = addresses(page, BASE)
    assert asked and all(each.startswith(BASE) for each in asked)
    assert [each for each in asked if ask(port, path=each).status != 200] == []


def test_the_users_programs_find_it_there(behind):
    for name, process in behind.items():
        with connect(locate(config.load(process.environment))) as client:
            assert client.endpoint.page_url.endswith(BASE)
            assert client.request("health")["ok"]
            assert name == "lab" or client.send("/status", [("a.csv", b"a,b\n")]).text


def test_s4_host_and_scheme_are_believed_from_the_proxy_alone(port):
    page = ("Origin", "https://box.example")
    assert status(port, *HTTPS, page) == 101
    assert status(port, *HTTPS, page, source="127.0.0.1") == 403
    assert status(port, *HTTPS, ("Origin", "http://box.example")) == 403
    assert status(port, ("X-Forwarded-Proto", "https"), ("Host", "box.example"), page) == 101
    assert (
        status(
            port,
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Host", "evil.example"),
            ("Origin", "https://evil.example"),
        )
        == 403
    )


def test_s3_a_rebound_name_stays_out_whatever_it_says_was_forwarded(port):
    """A page of evil.example that is resolved to this machine may set any header on its own origin."""
    for host in (f"evil.example:{port}", "evil.example"):
        for name in ("box.example", f"127.0.0.1:{port}", "localhost"):
            for source in (PROXY, "127.0.0.1"):
                assert status(port, ("Host", host), ("X-Forwarded-Host", name), source=source) == 403


def test_a_login_through_the_proxy_gets_a_secure_cookie(behind):
    gateway = behind["own"]
    origin = ("Origin", "https://box.example")
    body = b'{"token": "%s"}' % gateway.token.encode()
    made = ask(gateway.port, "POST", f"{BASE}auth/login", [*HTTPS, origin], body, source=PROXY)
    assert made.status == 204
    attributes = made.headers["Set-Cookie"].lower()
    assert "secure" in attributes and f"path={BASE}" in attributes


def test_s8_guesses_are_counted_by_the_forwarded_address(make_gateway):
    gateway = make_gateway(
        config={
            "gateway": {"trustedProxies": [PROXY], "loginAttemptsPerMinute": 3, "auth": {"token": "short-but-mine"}}
        }
    )

    def guess(address, source, token="wrong"):
        return ask(
            gateway.port,
            "POST",
            "/auth/login",
            [
                ("X-Forwarded-For", address),
                ("Origin", f"http://127.0.0.1:{gateway.port}"),
                ("Content-Type", "application/json"),
            ],
            b'{"token": "%s"}' % token.encode(),
            source=source,
        ).status

    assert [guess("192.0.2.1", PROXY) for _ in range(4)] == [401, 401, 401, 429]
    assert guess("192.0.2.2", PROXY, "short-but-mine") == 204, "another client of the same proxy"
    assert guess("192.0.2.3, 192.0.2.1", PROXY) == 429, "what the client itself wrote before does not count"
    # from a stranger the header says nothing: other addresses are no way round the limit
    assert [guess(f"198.51.100.{last}", "127.0.0.1") for last in range(4)] == [401, 401, 401, 429]
    assert login(gateway.port, token="short-but-mine").status == 429
