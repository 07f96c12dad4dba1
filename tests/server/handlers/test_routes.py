"""Every route has a rule, and the pages and files come with the headers that protect them."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import re
import uuid
from types import SimpleNamespace

import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.routing import PathMatches, Rule, RuleRouter
from tornado.web import Application, HTTPError, RequestHandler

from clawdbot_ext.server.handlers.base import BaseHandler
from clawdbot_ext.server.handlers.standalone import StandaloneAuthenticator
from tests.server.handlers import route_table
from tests.support.http import UPGRADE, ask, upgrade
from tests.support.tools import require
from tests.support.wire import WireError, run, wired

OPEN = {
    "Page",
    "Asset",
    "WebAppAsset",
    "Login",
    "Logout",
    "Health",
    "Ready",
    "Redirect",
    "NotFound",
    "ArtifactFrame",
}
"""Handlers open to every client: their answers hold no data. Growing this list is a decision."""
CONNECT = {"Socket", "Session"}
"""Handlers that identify the client, and answer an anonymous one with how to log in."""
PUBLIC = {
    "RejectHandler",  # of the transport security
    "APIVersionHandler",  # Jupyter's version
    "PublicStaticFileHandler",
    "FileFindHandler",  # robots.txt, favicon.ico, Jupyter's own static files
    "NotebooksRedirectHandler",  # to api/contents, which wants a login
    "PrometheusMetricsHandler",  # decides itself: 403, as the live test below sees
    "MainHandler",  # never reached: our page has its path
}
"""Jupyter's that answer without a credential."""
TABLES = ("standalone", "listener", "mount", "relay")


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """The live route tables: of the standalone server, and of another Jupyter server with the mount."""
    return route_table.live(tmp_path_factory.mktemp("routes"))


@pytest.fixture
def routes(tables):
    return tables["standalone"]


def with_rule(routes, rule):
    # OPTIONS says which methods there are, to every client; the methods themselves are checked
    return {handler for _, handler, verb, found in routes if found == rule and verb != "OPTIONS"}


@pytest.mark.parametrize("name", TABLES)
def test_every_route_has_a_rule(tables, name):
    assert [route for route in tables[name] if route[3] == "NONE"] == []
    assert len(tables[name]) > {"standalone": 80}.get(name, 10)


def test_a_route_without_a_rule_is_found_and_lets_nobody_in(tables):
    """The test above can fail: of a handler that forgets to say whom it is for it says so."""

    class Forgetful(BaseHandler):
        def get(self):
            raise AssertionError("reached")

    class Bare(RequestHandler):
        def get(self):
            raise AssertionError("reached")

    class Closed(Forgetful):
        access = "user"

    routes = route_table.table(RuleRouter([Rule(PathMatches("/x"), each) for each in (Forgetful, Bare, Closed)]))
    rules = {handler: rule for _, handler, verb, rule in routes if verb == "GET"}
    assert rules == {"Forgetful": "NONE", "Bare": "NONE", "Closed": "user"}
    line, nowhere = RequestStartLine("GET", "/x", "HTTP/1.1"), SimpleNamespace(set_close_callback=lambda call: None)
    request = HTTPServerRequest(start_line=line, headers=HTTPHeaders({"Host": "x"}), connection=nowhere)
    with pytest.raises(HTTPError) as refused:
        forgetful = Forgetful(Application(), request, context=None, authenticator=StandaloneAuthenticator())
        asyncio.run(forgetful.prepare())
    assert refused.value.status_code == 403


def test_what_is_open_is_on_the_list_and_the_list_has_nothing_else(tables):
    assert with_rule(tables["standalone"], "public") == PUBLIC
    assert with_rule(tables["standalone"], "open") == OPEN and with_rule(tables["standalone"], "connect") == CONNECT
    assert with_rule(tables["listener"], "open") == OPEN and with_rule(tables["listener"], "connect") == CONNECT
    assert with_rule(tables["listener"], "public") == {"RejectHandler"}
    for name in ("mount", "relay"):  # a mount: health, the redirect to the page's slash, built files
        files = {"Asset", "Ready"} if name == "mount" else {"ProxyHandler"}  # as FileFindHandler has Jupyter's
        assert with_rule(tables[name], "open") == {"Health", "Redirect"} | files
        assert not with_rule(tables[name], "public") and not with_rule(tables[name], "connect")


def test_a_server_that_relays_has_the_rules_of_what_it_relays(tables):
    def rules(name):
        return {(pattern, rule) for pattern, _, verb, rule in tables[name] if verb in ("GET", "POST")}

    assert rules("relay") == rules("mount")


def test_the_gate_comes_first_and_unknown_paths_last(routes):
    assert routes[0][:2] == ["RejectedRequest", "RejectHandler"]
    assert {handler for _, handler, _, _ in routes[-7:]} == {"NotFound"}
    assert "TrailingSlashHandler" not in {handler for _, handler, _, _ in routes}


@pytest.mark.parametrize(
    "path",
    [
        "/api/contents",
        "/api/contents/x/checkpoints",
        "/api/kernels",
        "/api/sessions",
        "/api/me",
        "/api/kernelspecs",
        "/api/status",
        "/api/config/notebook",
        "/api/terminals",
        "/metrics",
        "/files/x",
        "/view/x",
        "/nbconvert/html/x",
        "/api/kernels/1/channels",
        "/kernelspecs/x/y",
        "/api/events/subscribe",
        "/%61pi/contents",
        "/api/contents/",
        "//api/contents",
    ],
)
def test_nothing_of_jupyter_answers_a_stranger(standing_gateway, path):
    """Logging in, being refused and there being no such path are all right; an answer is not."""
    port = standing_gateway.port
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        answer = ask(port, method, path, [("Origin", f"http://127.0.0.1:{port}")])
        if answer.status == 302:
            assert answer.headers["Location"].startswith("/login?"), (method, answer.headers["Location"])
        else:
            assert answer.status in (401, 403, 404, 405) or (method == "OPTIONS" and not answer.body), (method, answer)


@pytest.mark.parametrize(
    "path",
    [
        "/login",
        "/logout",
        "/login?next=//evil.example",
        "/login?next=https:evil.example",
        "/login?next=/%5cevil.example",
        "/logout?next=%09//evil.example",
    ],
)
def test_jupyters_login_leads_to_the_page_and_nowhere_else(standing_gateway, path):
    answer = ask(standing_gateway.port, path=path)
    assert (answer.status, answer.headers["Location"]) == (302, "/chat")


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/nothing/",
        "/API",
        "/api/nothing",
        "/chat/x",
        "/assets/",
        "/assets/../chat",
        "/assets/..%2f..%2fapp.py",
        "/auth",
        "/auth/",
        "/healthz/",
        "/tree",
        "/lab",
        "/%00",
    ],
)
def test_what_nobody_owns_is_not_found(standing_gateway, path):
    answer = ask(standing_gateway.port, path=path)
    assert answer.status in ((403, 404) if ".." in path else (404,))
    assert b"Traceback" not in answer.body and b"<script" not in answer.body


@pytest.mark.parametrize("path", ["/", "/ws", "/chat", "/nothing", "/deep/nothing/", "/gateway?x=y"])
def test_an_upgrade_on_a_path_that_nothing_else_owns_is_the_gateways_socket(standing_gateway, path):
    answer = upgrade(standing_gateway.port, path)
    assert answer.status == 101
    assert "Sec-WebSocket-Extensions" not in answer.headers


def test_an_upgrade_on_jupyters_own_path_is_not(standing_gateway):
    assert upgrade(standing_gateway.port, f"/api/kernels/{uuid.uuid4()}/channels").status == 403


def test_an_upgrade_to_something_else_is_none(standing_gateway):
    headers = [("Upgrade", "h2c"), ("Connection", "Upgrade")]
    assert ask(standing_gateway.port, path="/ws", headers=headers).status == 404
    old = [(name, "8" if name == "Sec-WebSocket-Version" else value) for name, value in UPGRADE]
    assert ask(standing_gateway.port, path="/ws", headers=old).status == 426


# -- headers --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "path", ["/", "/chat", "/healthz", "/auth/session", "/nothing", "/api/contents", "/login", "/api"]
)
def test_every_answer_has_the_security_headers(standing_gateway, path):
    headers = ask(standing_gateway.port, path=path).headers
    assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


@pytest.fixture
def built():
    require("built-page")


def test_the_page_allows_no_inline_script_and_no_other_origin(standing_gateway, built):
    for path in ("/", "/chat"):
        page = ask(standing_gateway.port, path=path)
        assert page.status == 200 and page.headers["Content-Type"] == "text/html; charset=utf-8"
        policy = dict(part.strip().split(" ", 1) for part in page.headers["Content-Security-Policy"].split(";"))
        assert policy["script-src"] == policy["connect-src"] == "'self'"
        assert policy["require-trusted-types-for"] == "'script'"
        assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == "'none'"
        assert "unsafe-inline" not in policy["style-src"] and "unsafe-eval" not in str(policy)
        assert not re.search(rb"<script(?![^>]*\bsrc=)|\son\w+=|https?://(?!www\.w3\.org)", page.body)
        assert page.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("wish", ["en-US", "ko-KR"])
def test_what_the_page_asks_for_first_comes_with_it_in_the_readers_language(standing_gateway, built, wish):
    page = ask(standing_gateway.port, path="/chat", headers=[("Accept-Language", wish)])
    early = re.findall(r"<([^>]+)>; rel=(\w+)", page.headers["Link"])
    assert [kind for _, kind in early] == ["preload", "modulepreload"]
    assert early[1][0].startswith(f"assets/{wish[:2]}-")
    assert all(ask(standing_gateway.port, path=f"/{path}").status == 200 for path, _ in early)


def test_built_files_are_kept_for_ever_and_the_element_is_asked_for_again(standing_gateway, built):
    port = standing_gateway.port
    page = ask(port, path="/chat").body.decode()
    assets = re.findall(r'(?:src|href)="\./(assets/[^"]+)"', page)
    assert assets
    for path in assets:
        answer = ask(port, path=f"/{path}")
        assert answer.status == 200 and answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["Content-Type"].split(";")[0] in ("text/javascript", "application/javascript", "text/css")
        small = ask(port, path=f"/{path}", headers=[("Accept-Encoding", "gzip, br")])
        assert small.headers["Content-Encoding"] == "gzip" and gzip.decompress(small.body) == answer.body
        assert small.headers["Etag"] != answer.headers["Etag"] and small.headers["Vary"] == "Accept-Encoding"
        held = [("Accept-Encoding", "gzip"), ("If-None-Match", small.headers["Etag"])]
        assert ask(port, path=f"/{path}", headers=held).status == 304
        part = ask(port, path=f"/{path}", headers=[("Accept-Encoding", "gzip"), ("Range", "bytes=0-9")])
        assert part.status == 206 and part.body == answer.body[:10]
    for path in ("/embed.js", "/chat", "/favicon.svg"):
        answer = ask(port, path=path)
        assert answer.headers["Cache-Control"] == "no-cache" and answer.headers["Etag"]
        again = ask(port, path=path, headers=[("If-None-Match", answer.headers["Etag"])])
        assert again.status == 304 and again.body == b""


def test_the_page_is_an_app_whose_worker_is_asked_for_again_and_reads_only_our_files(standing_gateway, built):
    port = standing_gateway.port
    manifest = ask(port, path="/manifest.webmanifest")
    assert manifest.headers["Content-Type"] == "application/manifest+json"
    for icon in manifest.json()["icons"]:
        assert ask(port, path=icon["src"].removeprefix(".")).status == 200
    worker = ask(port, path="/sw.js")
    assert worker.headers["Content-Security-Policy"] == "default-src 'none'; connect-src 'self'"
    assert worker.headers["Cache-Control"] == "no-cache"
    files = json.loads(re.search(rb"const FILES = (\[.*?\]);", worker.body)[1])
    assert files and all(ask(port, path=f"/{file}").status == 200 for file in files)


def test_health_tells_nothing_else(standing_gateway):
    assert ask(standing_gateway.port, path="/healthz").json() == {"ok": True}
    assert ask(standing_gateway.port, path="/readyz").json() == {"ready": True}


def test_a_gateway_that_cannot_write_is_not_ready_until_it_can(make_gateway, tmp_path):
    broken = tmp_path / "broken"
    gateway = make_gateway(env={"CLAWDBOT_FAILPOINT": f"store.write=ENOSPC@{broken}"})

    async def write() -> None:
        async with wired(gateway.ws_url, gateway.token) as wire:
            with contextlib.suppress(WireError):
                await wire.call("sessions.patch", {"key": "main", "label": "a"})

    broken.touch()
    run(write())
    answer = ask(gateway.port, path="/readyz")
    assert answer.status == 503 and answer.json() == {"ready": False, "reason": "storage"}
    assert ask(gateway.port, path="/healthz").status == 200  # it runs
    assert ask(gateway.port, path="/readyz", headers=[("Host", "evil.example")]).status == 403
    assert "readyz" not in gateway.output and "Accept-Encoding" not in gateway.output  # no probe fills the log
    broken.unlink()
    run(write())
    assert ask(gateway.port, path="/readyz").json() == {"ready": True}
