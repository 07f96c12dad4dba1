"""Host, then Origin, in front of every route: whose requests get in at all."""

from __future__ import annotations

import pytest

from tests.support.http import UPGRADE, ask, login, upgrade

PATHS = [
    "/",
    "/chat",
    "/chat?code=x",
    "/assets/none.js",
    "/embed.js",
    "/healthz",
    "/auth/session",
    "/login",
    "/logout",
    "/api",
    "/api/status",
    "/api/contents",
    "/api/kernels",
    "/metrics",
    "/files/x",
    "/view/x",
    "/nbconvert/html/x",
    "/static/x",
    "/robots.txt",
    "/nothing",
    "/%2e%2e/api",
    "//api",
]

HOSTILE_HOSTS = [
    "evil.example",
    "evil.example:{port}",
    "127.0.0.1.evil.example:{port}",
    "localhost.evil.example",
    "127.0.0.1@evil.example:{port}",
    "127.0.0.1:{port}@evil.example",
    "localhost.:{port}",
    "127.1:{port}",
    "2130706433:{port}",
    "0.0.0.0:{port}",
    "192.168.1.5:{port}",
    "[::ffff:127.0.0.1]:{port}",
    "",
    "127.0.0.1:{port}, evil.example",
    "box.ts.net",
    "127.0.0.1:{port}x",
    "LOCALHOST.EVIL.EXAMPLE",
]

HOSTILE_ORIGINS = [
    "http://evil.example",
    "null",
    "http://127.0.0.1:3000",
    "http://127.0.0.1",
    "http://localhost:{port}",
    "http://127.0.0.1:{port}.evil.example",
    "http://127.0.0.1:{port}@evil.example",
    "http://evil.example@127.0.0.1:{port}",
    "chrome-extension://127.0.0.1:{port}",
    "https://127.0.0.1:{port}",
    "ws://127.0.0.1:{port}",
    "http://127.0.0.1.:{port}",
    "http://127.0.0.1:{port}/",
    "http://127.0.0.1:{port} http://evil.example",
    "file://",
    "",
    "http://xn--127-0.example:{port}",
    "http://[::1]:{port}",
    "http://127.0.0.1:{port}5",
]


@pytest.fixture(scope="module")
def port(standing_gateway):
    return standing_gateway.port


@pytest.fixture(scope="module")
def cookie(standing_gateway):
    return login(standing_gateway.port, token=standing_gateway.token).cookie


@pytest.mark.parametrize("path", PATHS)
def test_every_route_refuses_a_foreign_host(port, path):
    assert ask(port, path=path, headers=[("Host", f"evil.example:{port}")]).status == 403


@pytest.mark.parametrize("path", PATHS)
def test_every_route_refuses_a_foreign_origin(port, path):
    assert ask(port, path=path, headers=[("Origin", "http://evil.example")]).status == 403


@pytest.mark.parametrize("host", HOSTILE_HOSTS)
def test_no_other_spelling_of_a_host_gets_in(port, cookie, host):
    headers = [("Host", host.format(port=port))]
    matching = [*headers, ("Origin", f"http://{host.format(port=port)}"), ("Cookie", cookie)]
    # 400 where Tornado itself finds the header malformed
    assert ask(port, path="/auth/session", headers=headers).status in (400, 403)
    assert upgrade(port, headers=matching).status in (400, 403)


@pytest.mark.parametrize(
    "host", ["127.0.0.1:{port}", "localhost:{port}", "LocalHost:{port}", "[::1]:{port}", "localhost", "localhost:8080"]
)
def test_the_names_of_this_machine_get_in_with_their_own_origin(port, host):
    """Another port is a tunnel: ``ssh -L 8080:localhost:18789``."""
    host = host.format(port=port)
    assert upgrade(port, headers=[("Host", host), ("Origin", f"http://{host}")]).status == 101


@pytest.mark.parametrize("known", [False, True], ids=["anonymous", "logged in"])
@pytest.mark.parametrize("origin", HOSTILE_ORIGINS)
def test_no_other_origin_opens_a_socket_or_logs_in(port, cookie, origin, known):
    headers = [("Origin", origin.format(port=port)), *([("Cookie", cookie)] if known else [])]
    assert upgrade(port, headers=headers).status == 403
    assert ask(port, "POST", "/auth/login", headers, b"{}").status == 403


def test_two_origins_are_none(port):
    twice = [("Origin", f"http://127.0.0.1:{port}"), ("Origin", "http://evil.example")]
    assert upgrade(port, headers=twice).status == 403
    assert upgrade(port, headers=twice[::-1]).status == 403


@pytest.mark.parametrize(
    "name", ["X-Forwarded-Host", "X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Forwarded-Proto", "X-Original-Host"]
)
@pytest.mark.parametrize("value", ["127.0.0.1", "localhost", "", "for=127.0.0.1;host=localhost"])
def test_forwarding_headers_change_nothing(port, name, value):
    assert ask(port, headers=[("Host", "evil.example"), (name, value)]).status == 403
    assert upgrade(port, headers=[("Origin", "https://127.0.0.1:1"), (name, value)]).status == 403
    assert ask(port, path="/api/contents", headers=[(name, value)]).status in (302, 403)


def test_an_unsafe_method_needs_an_origin_or_an_authorization_header(port, cookie):
    for path in ("/auth/login", "/auth/logout", "/api/sessions", "/api/shutdown", "/login"):
        assert ask(port, "POST", path, [("Cookie", cookie)], b"{}").status == 403
    for method in ("PUT", "DELETE", "PATCH"):
        assert ask(port, method, "/api/contents/x", [("Cookie", cookie)], b"{}").status == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize(
    ("mode", "destination"),
    [("no-cors", "script"), ("no-cors", "image"), ("navigate", "iframe"), ("cors", "empty"), ("navigate", "embed")],
)
def test_a_page_of_another_port_embeds_nothing_although_it_shares_cookies(port, cookie, site, mode, destination):
    headers = [("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", mode), ("Sec-Fetch-Dest", destination), ("Cookie", cookie)]
    assert ask(port, path="/chat", headers=headers).status == 403
    assert ask(port, path="/api/contents", headers=headers).status == 403


def test_a_link_from_another_page_may_be_followed(port):
    headers = [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")]
    assert ask(port, path="/healthz", headers=headers).status == 200


@pytest.mark.parametrize(
    "headers",
    [[("Content-Length", "150000000")], [("Transfer-Encoding", "chunked")]],
    ids=["150 MB", "without a length"],
)
@pytest.mark.parametrize("path", ["/api/contents/x", "/auth/login", "/nothing"])
def test_a_large_body_is_refused_unread_without_a_credential(port, path, headers):
    """Only the head is sent, so a response proves that the server did not wait for the body."""
    answer = ask(port, "PUT", path, [("Origin", f"http://127.0.0.1:{port}"), *headers])
    assert answer.status == 401
    assert ask(port, "PUT", path, [("Authorization", "Bearer wrong"), *headers]).status in (401, 403)


def test_configured_hosts_and_origins_get_in_exactly(make_gateway):
    gateway = make_gateway(
        config={
            "gateway": {
                "allowedHosts": ["box.example", "other.example:8443"],
                "allowedOrigins": ["https://box.example", "https://dev.example:3000"],
            }
        }
    )
    port = gateway.port

    def status(host, origin):
        return upgrade(port, headers=[("Host", host), ("Origin", origin)]).status

    assert status("box.example", "https://box.example") == 101  # behind a proxy that ends TLS
    assert status("box.example:8080", "http://box.example:8080") == 101
    assert status("BOX.example", "HTTPS://Box.example:443") == 101
    assert status("other.example:8443", "http://other.example:8443") == 101
    assert status(f"127.0.0.1:{port}", "https://dev.example:3000") == 101
    assert status("other.example", "http://other.example") == 403
    for origin in (
        "https://box.example.evil.com",
        "https://xbox.example",
        "https://box.example.",
        "https://dev.example",
        "http://dev.example:3000",
        "https://dev.example:30000",
        "https://box.example:8443",
        "http://box.example",
    ):
        assert status(f"127.0.0.1:{port}", origin) == 403


def test_tailscale_names_get_in_as_https_only_when_tailscale_is_on(make_gateway):
    port = make_gateway(config={"gateway": {"tailscale": {"mode": "serve"}}}).port

    def status(host, origin):
        return upgrade(port, headers=[("Host", host), ("Origin", origin)]).status

    assert status("box.tail1234.ts.net", "https://box.tail1234.ts.net") == 101
    assert status("box.tail1234.ts.net", "https://evil.tail9.ts.net") == 403
    assert status("box.ts.net.evil.example", "https://box.ts.net.evil.example") == 403
    assert status("evilts.net", "https://evilts.net") == 403


def test_the_headers_of_an_upgrade_are_enough_to_be_sure(port):
    assert ask(port, path="/ws", headers=UPGRADE).status == 101


def test_of_a_foreign_origin_only_our_pages_own_scripts_are_given(port):
    """Behind a proxy that is not known the page says so; its modules come with an origin that looks foreign."""
    foreign, same = ("Origin", "https://box.example"), ("Sec-Fetch-Site", "same-origin")

    def status(path, *headers, method="GET"):
        return ask(port, method, path, [foreign, *headers]).status

    assert status("/assets/none.js", same) == 404
    for path, headers, method in (
        ("/assets/none.js", [], "GET"),
        ("/assets/none.js", [("Sec-Fetch-Site", "cross-site")], "GET"),
        ("/assets/none.js", [same], "POST"),
        ("/assets/../api/contents", [same], "GET"),
        ("/assets/x/../../api/contents", [same], "GET"),
        ("/api/contents", [same], "GET"),
        ("/chat", [same], "GET"),
    ):
        assert status(path, *headers, method=method) == 403, (path, method)
    refused = ask(port, "POST", "/auth/session", [foreign])
    assert refused.json()["reason"] == "ORIGIN_NOT_ALLOWED" and refused.json()["setting"] == "gateway.allowedOrigins"
    behind = ask(port, "POST", "/auth/session", [foreign, ("X-Forwarded-Proto", "https")])
    assert behind.json()["setting"] == "gateway.trustedProxies" and behind.json()["peer"] == "127.0.0.1"
