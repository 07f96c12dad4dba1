"""The mount in another Jupyter server: the gateway under ``{base_url}clawdbot/``, with Jupyter's user."""

from __future__ import annotations

import asyncio
import functools
import json
from urllib.parse import parse_qs, urlsplit

import pytest
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from clawdbot_ext import config
from clawdbot_ext.gateway.access.auth import by_token
from clawdbot_ext.runtime import server_info
from clawdbot_ext.runtime.gateway_lock import acquire
from clawdbot_ext.runtime.secrets import client_credential
from clawdbot_ext.server.handlers import routes
from tests.support.http import addresses, ask, upgrade
from tests.support.tools import require

BASE = "/a%40b/clawdbot/"


@pytest.fixture
def state(tmp_path, monkeypatch):
    folder = tmp_path / "state"
    monkeypatch.setenv("CLAWDBOT_STATE_DIR", str(folder))
    monkeypatch.setenv("CLAWDBOT_GATEWAY_PORT", "0")
    for name in ("ANTHROPIC_API_KEY", "CLAWDBOT_GATEWAY_TOKEN", "CLAWDBOT_GATEWAY_PASSWORD", "JUPYTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def jp_server_config(state):
    return {
        "ServerApp": {"jpserver_extensions": {"clawdbot_ext": True}},
        "ClawdbotApp": {"gateway_config": {"gateway.listenWithJupyter": "off"}},
    }


@pytest.fixture
def server(jp_serverapp, http_server, jp_http_port):
    """The server, answering; its start hooks have not run."""
    jp_serverapp.port = jp_http_port
    return jp_serverapp


@pytest.fixture
def mounted(server, jp_asyncio_loop):
    """The server with its start hooks run, as ``jupyter lab`` runs them."""
    jp_asyncio_loop.run_until_complete(server._post_start())
    yield server
    jp_asyncio_loop.run_until_complete(server.cleanup_extensions())


@pytest.fixture
def get(jp_fetch):
    """Fetch a path below the mount; every status is an answer."""

    async def get(path="chat", **options):
        try:
            return await jp_fetch("clawdbot", *path.split("/"), follow_redirects=False, **options)
        except HTTPClientError as exc:
            return exc.response

    return get


@pytest.fixture
def connect(jp_http_port, jp_auth_header, jp_asyncio_loop):
    """Open a socket below the mount with Jupyter's token, or with ``headers``."""
    opened = []

    async def connect(path="ws", headers=None):
        url = f"ws://127.0.0.1:{jp_http_port}{BASE}{path}"
        socket = await websocket_connect(HTTPRequest(url, headers=jp_auth_header if headers is None else headers))
        opened.append(socket)
        return socket

    async def close_all():
        for socket in opened:
            socket.close()
            while socket.close_code is None and await socket.read_message() is not None:
                pass

    yield connect
    jp_asyncio_loop.run_until_complete(close_all())


def leadership_of(server):
    """The extension's place in the gateway."""
    return server.extension_manager.extension_apps["clawdbot_ext"].copy().pop()._leadership


async def gateway_of(server):
    """The context of the server's gateway, which has started."""
    leadership = leadership_of(server)
    await leadership.ready()
    return leadership.context


async def say_hello(socket, **auth):
    """Challenge, connect; the answer."""
    assert json.loads(await socket.read_message())["event"] == "connect.challenge"
    params = {
        "minProtocol": 3,
        "maxProtocol": 3,
        "auth": auth,
        "client": {"id": "test", "version": "1", "platform": "linux", "mode": "backend"},
    }
    await socket.write_message(json.dumps({"type": "req", "id": "1", "method": "connect", "params": params}))
    while (frame := json.loads(await socket.read_message()))["type"] != "res":
        pass
    return frame


async def test_every_route_but_health_and_built_files_wants_jupyters_login(mounted, get):
    require("built-page")
    for path in ("chat", "auth/session"):
        assert (await get(path)).code == 200, path
        assert (await get(path, headers={"Authorization": ""})).code in (302, 401, 403), path
    # as Jupyter's own: else the part that says how to log in could not be fetched
    for path in ("embed.js", "favicon.svg"):
        assert (await get(path, headers={"Authorization": ""})).code == 200, path
    assert (await get("healthz", headers={"Authorization": ""})).code == 200
    assert (await get("nothing")).code == 404
    root = await get("")
    assert root.code == 302 and root.headers["Location"] == BASE
    assert (await get("auth/login", method="POST", body="{}")).code == 404


async def test_the_control_ui_is_the_root_of_the_mount_and_asks_for_nothing_outside_it(
    mounted, jp_http_port, jp_auth_header
):
    require("built-page")
    await gateway_of(mounted)

    def fetch(path, headers=jp_auth_header):
        asked = functools.partial(ask, jp_http_port, path=path, headers=list(headers.items()))
        return asyncio.get_running_loop().run_in_executor(None, asked)

    page = await fetch(BASE)
    assert page.status == 200 and page.body == (await fetch(f"{BASE}chat")).body
    asked = addresses(page, BASE)
    assert asked and all(each.startswith(BASE) for each in asked)
    assert [each for each in asked if (await fetch(each)).status != 200] == []
    login = urlsplit((await fetch(BASE, {})).headers["Location"])
    assert login.path == "/a%40b/login" and parse_qs(login.query)["next"] == [BASE]


async def test_the_page_has_our_headers_and_the_session_is_jupyters(mounted, get):
    facts = json.loads((await get("auth/session")).body)
    assert facts["authenticated"] is True and facts["mount"] == "jupyter" and facts["user"] and facts["modes"] == []
    headers = (await get()).headers
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer"


async def test_jupyters_token_opens_the_socket_with_jupyters_user(mounted, connect):
    for path in ("ws", "", "chat"):
        socket = await connect(path)
        hello = await say_hello(socket)
        assert hello["ok"] and hello["payload"]["user"]["via"] == "jupyter"


async def test_the_users_own_programs_get_in_with_the_gateways_token(mounted, connect, jp_http_port):
    info = server_info.find_running_gateway(config.load())
    assert info.ws_url.endswith(f":{jp_http_port}{BASE}ws") and info.url.endswith(BASE) and info.host == "jupyter"
    assert info.server_url and info.url.startswith(info.server_url)
    socket = await connect(headers={"Authorization": f"Bearer {client_credential(config.load())}"})
    hello = await say_hello(socket)
    assert hello["ok"] and hello["payload"]["user"]["via"] == "token"
    for headers, code in (({"Authorization": "Bearer wrong"}, 401), ({}, 403)):
        with pytest.raises(HTTPClientError) as refused:
            await connect(headers=headers)
        assert refused.value.code == code


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://127.0.0.1", "http://127.0.0.1:1", "http://127.0.0.1:{port}.evil.example"],
)
async def test_a_foreign_origin_opens_nothing_even_with_a_token(mounted, connect, jp_http_port, jp_auth_header, origin):
    with pytest.raises(HTTPClientError) as refused:
        await connect(headers={**jp_auth_header, "Origin": origin.format(port=jp_http_port)})
    assert refused.value.code == 403


async def test_our_own_origin_may(mounted, connect, jp_http_port, jp_auth_header):
    socket = await connect(headers={**jp_auth_header, "Origin": f"http://127.0.0.1:{jp_http_port}"})
    assert (await say_hello(socket))["ok"]


@pytest.mark.parametrize("path", ["", "chat", "auth/session", "embed.js", "ws"])
async def test_a_foreign_host_is_refused_by_jupyter(mounted, jp_asyncio_loop, jp_http_port, path):
    asked = upgrade if path == "ws" else ask

    def main():
        return asked(jp_http_port, path=BASE + path, headers=[("Host", "evil.example")]).status

    assert await jp_asyncio_loop.run_in_executor(None, main) == 403


async def test_while_the_gateways_process_does_not_answer_everything_says_so_and_to_come_back(
    state,
    server,
    get,
    connect,
):
    lock = acquire(config.load())
    client_credential(config.load(), create=True)
    lock.publish(server_info.GatewayInfo(1, "http://127.0.0.1:9/", "ws://127.0.0.1:9/ws", 1, "0", "standalone"))
    await server._post_start()
    page = await get()
    assert page.code == 503 and b"not running" in page.body and page.headers["Retry-After"] == "1"
    assert "script" not in page.headers["Content-Security-Policy"]
    with pytest.raises(HTTPClientError) as refused:
        await connect()
    assert refused.value.code == 503
    assert not list(state.rglob("*.sqlite3*"))
    await server.cleanup_extensions()
    assert server_info.find_running_gateway(config.load()).pid == 1  # not ours to take back
    lock.release()


async def test_stopping_the_gateway_leaves_the_server_and_gives_the_lock_back(mounted, connect, get, jp_fetch):
    socket = await connect()
    await say_hello(socket)
    await socket.write_message(json.dumps({"type": "req", "id": "2", "method": "gateway.stop", "params": {}}))
    while await socket.read_message() is not None:
        pass
    assert socket.close_code == 1001
    while server_info.lock_held(config.load()):
        await get("healthz")
    assert (await jp_fetch("api", "contents")).code == 200
    assert (await get()).code == 503
    lock = acquire(config.load())
    assert lock is not None and server_info.read_info(config.load()) is None
    lock.release()


async def test_the_gateway_in_a_server_can_be_restarted(mounted, connect, get):
    socket = await connect()
    await say_hello(socket)
    request = {"type": "req", "id": "2", "method": "gateway.stop", "params": {"restart": True}}
    await socket.write_message(json.dumps(request))
    while await socket.read_message() is not None:
        pass
    while (await get("healthz")).code != 200:
        pass
    socket = await connect()
    assert (await say_hello(socket))["ok"]


async def test_the_lock_is_kept_until_the_store_is_closed_however_often_it_is_stopped(mounted):
    context = await gateway_of(mounted)
    first = asyncio.create_task(context.stop("one"))
    await asyncio.sleep(0)
    await context.stop("two")
    assert first.done() and not server_info.lock_held(config.load())


async def test_a_gateway_that_was_stopped_hears_no_more_of_the_configuration(mounted, monkeypatch):
    context = await gateway_of(mounted)
    former = context.gateway
    await context.stop("restarting", restarts=True)
    monkeypatch.setattr(former.services.providers, "reload", lambda: pytest.fail("it is still told"))
    context.live.reload()


async def test_an_unbuilt_page_says_how_to_build_it(mounted, get, monkeypatch, tmp_path):
    monkeypatch.setattr(routes, "STATIC", tmp_path)
    page = await get("chat", headers={"Accept-Language": "ko"})
    assert page.code == 503 and b"npm run build" in page.body and "빌드".encode() in page.body
    assert (await get("embed.js")).code == 404


async def test_traits_of_the_host_server_configure_the_gateway(state, jp_configurable_serverapp):
    app = jp_configurable_serverapp(
        config={
            "ServerApp": {"jpserver_extensions": {"clawdbot_ext": True}},
            "ClawdbotApp": {"gateway_config": {"session.mainKey": "mine"}},
        }
    )
    extension = app.extension_manager.extension_apps["clawdbot_ext"].pop()
    assert extension._leadership.live()["session.mainKey"] == "mine"


async def test_a_login_link_opens_the_mount_and_nothing_of_jupyters(mounted, connect, get, jp_http_port, jp_fetch):
    """``clawdbot web`` where the mount is the only address there is."""
    context = await gateway_of(mounted)
    code, _ = await context.auth.links.create(by_token())
    path, no_login = f"chat?code={code}", {"Authorization": ""}

    def anonymous(path, headers=(), method="GET", body=b""):
        return asyncio.get_running_loop().run_in_executor(
            None, lambda: ask(jp_http_port, method, path, list(headers), body)
        )

    opened = await anonymous(BASE + path)
    assert opened.status == 303 and opened.headers["Location"] == "chat"
    assert f"Path={BASE};" in opened.headers["Set-Cookie"] and "HttpOnly" in opened.headers["Set-Cookie"]
    cookie = [("Cookie", opened.cookie)]
    page = await anonymous(f"{BASE}chat", cookie)
    assert page.status == 200 and b"<title>Clawdbot" in page.body
    assert (await anonymous(f"{BASE}auth/session", cookie)).json()["authenticated"]
    assert (await anonymous(f"{BASE}embed.js", cookie)).status == 200
    origin = {"Origin": f"http://127.0.0.1:{jp_http_port}", "Cookie": opened.cookie}
    assert (await say_hello(await connect(headers=origin)))["ok"]
    # not without the page's origin, not twice, and not for the rest of the server
    with pytest.raises(HTTPClientError) as refused:
        await connect(headers={"Cookie": opened.cookie})
    assert refused.value.code == 403
    assert "/login" in (await anonymous(BASE + path)).headers["Location"]
    assert (await anonymous("/a%40b/api/contents", cookie)).status == 403
    assert no_login


async def test_on_a_hub_only_the_hub_logs_in(mounted, jp_http_port):
    context = await gateway_of(mounted)
    context.auth.own_logins = False
    code, _ = await context.auth.links.create(by_token())

    def follow():
        return ask(jp_http_port, path=f"{BASE}chat?code={code}")

    answer = await asyncio.get_running_loop().run_in_executor(None, follow)
    assert answer.status == 302 and "Set-Cookie" not in answer.headers


async def test_the_log_is_there_for_clients_and_the_servers_own_says_where_the_chat_is(mounted, connect, caplog):
    hello = await say_hello(socket := await connect())
    assert hello["ok"]
    await socket.write_message(json.dumps({"type": "req", "id": "2", "method": "logs.tail", "params": {}}))
    while (frame := json.loads(await socket.read_message()))["type"] != "res":
        pass
    assert "connected" in "".join(frame["payload"]["lines"])
    assert f"{BASE}chat" in "".join(record.getMessage() for record in caplog.get_records("setup"))


async def test_loading_makes_nothing_and_the_first_request_starts_the_gateway(mounted, state, get):
    leadership = leadership_of(mounted)
    assert server_info.find_running_gateway(config.load()) is not None  # and everybody finds it
    assert "context" not in leadership.__dict__ and not list(state.rglob("*.sqlite3*"))
    assert (await get("healthz")).code == 200 and not list(state.rglob("*.sqlite3*"))
    assert (await get()).code == 200 and list(state.rglob("*.sqlite3*"))


async def test_files_are_taken_from_and_given_to_jupyters_user_alone(mounted, get):
    taken = await get("media", params={"name": "a.txt"}, method="POST", body="alpha")
    assert taken.code == 201
    media = json.loads(taken.body)
    again = await get(f"media/{media['mediaId']}")
    assert (again.code, again.body) == (200, b"alpha")
    assert (
        again.headers["Content-Disposition"].startswith("attachment")
        and "sandbox" in again.headers["Content-Security-Policy"]
    )
    for method, path, body in (("GET", f"media/{media['mediaId']}", None), ("POST", "media", "beta")):
        assert (await get(path, method=method, body=body, headers={"Authorization": ""})).code in (401, 403)
    foreign = {"Origin": "http://evil.example", "Authorization": ""}
    assert (await get("media", method="POST", body="beta", headers=foreign)).code in (403, 404)


async def test_a_reply_under_way_holds_off_a_cull_and_an_open_page_does_not(mounted, connect, get, monkeypatch):
    monkeypatch.setattr("clawdbot_ext.server.leadership.ACTIVITY_S", 0.02)
    activity = "clawdbot_last_activity"
    before = mounted.web_app.last_activity()
    await say_hello(socket := await connect())
    assert (await get()).code == 200 and (await get("auth/session")).code == 200
    beats = leadership_of(mounted)._activity_task
    socket.ping(b"still there")
    await socket.write_message(json.dumps({"type": "req", "id": "2", "method": "health", "params": {}}))
    while json.loads(await socket.read_message()).get("id") != "2":
        pass
    assert activity not in mounted.web_app.settings and not beats.done()
    assert mounted.web_app.last_activity() == before
    params = {"sessionKey": "main", "message": "[[tokens=100000]] [[delay_ms=20]]", "idempotencyKey": "run-1"}
    await socket.write_message(json.dumps({"type": "req", "id": "3", "method": "chat.send", "params": params}))
    while activity not in mounted.web_app.settings:
        await socket.read_message()
    first = mounted.web_app.last_activity()
    while mounted.web_app.last_activity() == first:
        await socket.read_message()
    abort = {"sessionKey": "main"}
    await socket.write_message(json.dumps({"type": "req", "id": "4", "method": "chat.abort", "params": abort}))
    while json.loads(await socket.read_message()).get("id") != "4":
        pass
