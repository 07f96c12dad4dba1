"""A mount is as strict about origins as the Jupyter server around it is with its own sockets."""

from __future__ import annotations

from http.cookies import SimpleCookie

import pytest

from tests.support.http import ask, upgrade
from tests.support.jupyter import TOKEN, JupyterProcess

pytestmark = pytest.mark.slow
SETTINGS = {
    "none": {},
    "allow_origin": {"allow_origin": "https://box.example"},
    "allow_origin_pat": {"allow_origin_pat": "https://[a-z]+[.]example"},
    "every origin": {"allow_origin": "*"},
}
ORIGINS = [
    "http://127.0.0.1:{port}",
    "https://127.0.0.1:{port}",
    "https://box.example",
    "https://box.example:8443",
    "https://more.example",
    "https://box.example.evil",
    "http://localhost:{port}",
    "http://127.0.0.1",
]
NEVER = ["null", "chrome-extension://127.0.0.1:{port}", "file://"]
"""Jupyter takes a page of an extension whose name is the server's address; nothing of ours needs one."""


@pytest.fixture(scope="module", params=SETTINGS)
def server(request, tmp_path_factory):
    made = JupyterProcess(tmp_path_factory.mktemp("origins") / "state")
    made.traits["ServerApp"] = SETTINGS[request.param]
    made.start()
    yield made
    made.kill()


def test_every_origin_is_answered_as_by_jupyters_own_socket(server):
    shown = ask(server.port, path=f"{server.base_url}api/status?token={TOKEN}").headers.get_list("Set-Cookie")
    cookie = "; ".join(f"{name}={value.value}" for line in shown for name, value in SimpleCookie(line).items())

    def answers(path, origin):
        headers = [("Origin", origin.format(port=server.port)), ("Cookie", cookie)]
        return upgrade(server.port, server.base_url + path, headers).status

    for origin in ORIGINS:
        jupyters, ours = (answers(path, origin) for path in ("api/events/subscribe", "clawdbot/ws"))
        assert ours == jupyters, (origin, ours, jupyters)
        assert ours in (101, 403), origin
    if "*" not in server.traits["ServerApp"].values():
        assert {answers("clawdbot/ws", origin) for origin in NEVER} == {403}


def test_a_refused_origin_is_told_in_words_with_the_setting_that_mends_it(server):
    if "*" in server.traits["ServerApp"].values():
        return
    headers = [("Origin", "https://else.where"), *server.headers.items()]
    for path, method in (("auth/session", "POST"), ("media?name=a.csv", "POST")):
        answer = ask(server.port, method, server.mount + path, headers)
        assert answer.status == 403, path
        assert answer.json() == {
            "error": "origin not allowed",
            "reason": "ORIGIN_NOT_ALLOWED",
            "origin": "https://else.where",
            "host": f"127.0.0.1:{server.port}",
            "setting": "ServerApp.allow_origin",
        }, path
