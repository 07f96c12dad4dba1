"""On a JupyterHub: the mount of each user's own server, with the Hub's login, and nothing besides."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import requests
from websockets.exceptions import InvalidStatus

from tests.support.hub import Hub, cookies_for
from tests.support.server import ROOT
from tests.support.wire import opened, run, text_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]  # starting a Hub and two servers takes its time


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    hub = Hub(tmp_path_factory.mktemp("hub"))
    try:
        hub.start(["ann", "bob"])
        yield hub
    finally:
        hub.stop()


@pytest.fixture(scope="module")
def browsers(hub):
    return {user: hub.log_in(user) for user in ("ann", "bob")}


def socket_of(hub, user, browser, **more):
    path = f"/user/{user}/clawdbot/ws"
    headers = {"Cookie": cookies_for(browser, path), "Origin": hub.url, **more}
    return opened(hub.url.replace("http", "ws", 1) + path, additional_headers=headers)


def test_page_and_socket_work_behind_the_proxy_and_each_user_has_their_own_sessions(hub, browsers):
    async def main():
        for user in ("ann", "bob"):
            async with socket_of(hub, user, browsers[user]) as wire:
                hello = await wire.handshake()
                assert (hello["user"]["name"], hello["user"]["via"]) == (user, "jupyter")
                assert str(hub.folder / "home" / user) in hello["snapshot"]["stateDir"]
                await wire.ask(f"[[text=for {user} alone]]")
        async with socket_of(hub, "ann", browsers["ann"]) as wire:
            await wire.handshake()
            said = [text_of(message) for message in
                    (await wire.call("chat.history", {"sessionKey": "main"}))["messages"]]
            assert said[-1] == "for ann alone" and not [text for text in said if "bob" in text]

    run(main())
    page = browsers["ann"].get(f"{hub.url}/user/ann/clawdbot/chat", timeout=10)
    assert page.status_code == 200 and "<title>Clawdbot" in page.text
    name = page.text.partition("./assets/")[2].partition('"')[0]
    assert browsers["ann"].get(f"{hub.url}/user/ann/clawdbot/assets/{name}", timeout=10).status_code == 200
    session = browsers["ann"].get(f"{hub.url}/user/ann/clawdbot/auth/session", timeout=10).json()
    assert (session["user"], session["mount"]) == ("ann", "jupyter")


def test_nobody_else_comes_in(hub, browsers):
    async def refused(user, browser, **more):
        with pytest.raises(InvalidStatus) as answer:
            async with socket_of(hub, user, browser, **more):
                pass
        return answer.value.response.status_code

    async def main():
        assert await refused("ann", browsers["bob"]) == 403
        assert await refused("ann", requests.Session()) == 403
        assert await refused("ann", browsers["ann"], Origin="http://evil.example") == 403

    run(main())
    assert browsers["bob"].get(f"{hub.url}/user/ann/clawdbot/chat", timeout=10).status_code in (403, 404)
    stranger = requests.get(f"{hub.url}/user/ann/clawdbot/chat", timeout=10, allow_redirects=False)
    assert stranger.status_code == 302 and "/hub/" in stranger.headers["Location"]


def test_there_is_no_second_port_and_no_login_of_ours(hub):
    listening = {connection.laddr.port for process in psutil.process_iter(["environ"])
                 if str(hub.folder) in (process.info["environ"] or {}).get("HOME", "")
                 for connection in process.net_connections("tcp") if connection.status == psutil.CONN_LISTEN}
    assert listening and hub.gateway_port not in listening
    for path in ("auth/login", "auth/logout"):
        assert requests.get(f"{hub.url}/user/ann/clawdbot/{path}", timeout=10, allow_redirects=False).status_code in (
            302, 403, 404)


def test_the_command_line_and_kernels_find_the_mount_by_what_the_hub_gives_them(hub):
    server = next(process for process in psutil.process_iter(["environ", "cmdline"])
                  if (process.info["environ"] or {}).get("JUPYTERHUB_USER") == "ann"
                  and "jupyterhub.singleuser" in (process.info["cmdline"] or []))
    # with a state directory where no gateway is, as on another machine
    given = {**server.info["environ"], "CLAWDBOT_STATE_DIR": str(Path(hub.folder, "elsewhere"))}

    def ran(*arguments):
        done = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=given, capture_output=True, text=True,
                              timeout=30)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "from a terminal" in ran("-m", "clawdbot_ext", "agent", "-m", "[[text=from a terminal]]")
    assert ran("-m", "clawdbot_ext", "web", "--print").strip().endswith("/user/ann/clawdbot/chat")
    program = "import json, clawdbot_ext\nwith clawdbot_ext.connect() as c: print(json.dumps(c.hello['user']))"
    assert json.loads(ran("-c", program))["name"] == "ann"
