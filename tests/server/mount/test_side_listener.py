"""The gateway's own port beside a mount: the standalone server's routes and rules in another Jupyter server."""

from __future__ import annotations

import asyncio
import socket

import pytest

from clawdbot_ext import config
from clawdbot_ext.runtime import server_info
from clawdbot_ext.runtime.secrets import client_credential
from tests.support.http import ask, upgrade


@pytest.fixture
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("CLAWDBOT_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("CLAWDBOT_GATEWAY_PORT", "0")
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    return tmp_path / "state"


@pytest.fixture
def jp_server_config(state):
    return {"ServerApp": {"jpserver_extensions": {"clawdbot_ext": True}}}


@pytest.fixture
def mounted(jp_serverapp, http_server, jp_http_port, jp_asyncio_loop):
    jp_serverapp.port = jp_http_port
    jp_asyncio_loop.run_until_complete(jp_serverapp._post_start())
    yield jp_serverapp
    jp_asyncio_loop.run_until_complete(jp_serverapp.cleanup_extensions())


def in_thread(call):
    return asyncio.get_running_loop().run_in_executor(None, call)


async def test_the_port_serves_the_page_and_the_socket_by_our_own_login_and_nothing_of_jupyter(mounted, jp_http_port):
    info = server_info.find_running_gateway(config.load())
    port = int(info.url.rstrip("/").rpartition(":")[2])
    assert port != jp_http_port and info.host == "jupyter" and info.server_url.endswith(f":{jp_http_port}/a%40b/")

    def main():
        assert ask(port, path="/chat").status == 200
        session = ask(port, path="/auth/session").json()
        assert not session["authenticated"] and session["mount"] == "standalone"
        assert ask(port, path="/api/contents").status == 404
        assert ask(port, path="/chat", headers=[("Host", "evil.example")]).status == 403
        assert upgrade(port, "/ws", [("Origin", "http://evil.example")]).status == 403
        assert upgrade(port, "/").status == 101
        token = client_credential(config.load())
        assert upgrade(port, "/ws", [("Authorization", f"Bearer {token}")]).status == 101

    await in_thread(main)
    await mounted.cleanup_extensions()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), 1)


async def test_where_somebody_else_has_the_port_the_mount_is_served_and_says_so(
    state,
    jp_serverapp,
    http_server,
    jp_http_port,
    caplog,
    monkeypatch,
):
    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setenv("CLAWDBOT_GATEWAY_PORT", str(other.getsockname()[1]))
        jp_serverapp.port = jp_http_port
        await jp_serverapp._post_start()
        info = server_info.find_running_gateway(config.load())
        assert info.url == info.server_url + "clawdbot/"
        assert "in use by" in caplog.text and f"{info.url}chat only" in caplog.text
        await jp_serverapp.cleanup_extensions()
