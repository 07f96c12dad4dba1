"""``%clawdbot web``: the address by which the person's browser reaches the page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from clawdbot_ext.client.endpoint import Endpoint
from clawdbot_ext.notebook.page_address import browser_is_here, page_address
from tests.support.http import ask
from tests.support.jupyter import JupyterProcess

from .kernel import Kernel

OWN = Endpoint("ws://127.0.0.1:18789/ws", "http://127.0.0.1:18789/")
REMOTE = Endpoint("wss://elsewhere.example/ws", "https://elsewhere.example/")
HUB = {"JUPYTERHUB_SERVICE_PREFIX": "/user/ann/"}


@pytest.mark.parametrize(
    ("endpoint", "env", "address"),
    [
        (OWN, {}, "http://127.0.0.1:18789/"),
        (OWN, {"JPY_PARENT_PID": "1"}, "http://127.0.0.1:18789/"),  # its parent is no Jupyter server
        (REMOTE, {"JPY_PARENT_PID": "1"}, "https://elsewhere.example/"),
        (
            Endpoint("ws://127.0.0.1:1/ws", "http://127.0.0.1:1/user/ann/clawdbot/", hub="hidden"),
            HUB,
            "/user/ann/clawdbot/",
        ),
        (
            Endpoint("ws://127.0.0.1:1/ws", "https://hub.example/user/ann/clawdbot/", hub="public"),
            HUB,
            "https://hub.example/user/ann/clawdbot/",
        ),
    ],
)
def test_the_address_is_one_that_the_persons_browser_reaches(
    endpoint: Endpoint, env: Mapping[str, str], address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    assert page_address(endpoint, env) == address


@pytest.mark.parametrize("facts", ["", "[]", "{}", '{"url": "http://127.0.0.1:1/x/", "base_url": "/x/"}'])
def test_a_server_that_does_not_answer_or_is_unreadable_is_none(
    facts: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "jpserver-7.json").write_text(facts)
    assert page_address(OWN, {"JPY_PARENT_PID": "7"}) == OWN.page_url


def test_a_browser_is_opened_only_where_the_person_sees_it() -> None:
    assert browser_is_here({"DISPLAY": ":0"}) and browser_is_here({"BROWSER": "firefox"})
    for env in ({"DISPLAY": ":0", **HUB}, {"BROWSER": "lynx", **HUB}, {"DISPLAY": ":0", "SSH_CONNECTION": "1 2 3 4"}):
        assert not browser_is_here(env), env


@pytest.mark.slow
def test_in_a_jupyter_server_it_is_the_servers_own_mount(tmp_path: Path) -> None:
    """A path: whatever name, port and scheme the browser has the server under stays."""
    server = JupyterProcess(tmp_path / "state", base_url="/a%40b/")
    server.start()
    try:
        started = ask(
            server.port, "POST", f"{server.base_url}api/kernels", headers=tuple(server.headers.items()), body=b"{}"
        )
        identity = json.loads(started.body)["id"]
        kernel = Kernel(connection=server.state / "jupyter-runtime" / f"kernel-{identity}.json")
        try:
            ran = kernel.run("%load_ext clawdbot_ext\n%clawdbot web")
            assert ran.errors == [] and ran.markdown.endswith(": /a%40b/clawdbot/chat"), ran
            assert 'href="/a%40b/clawdbot/chat"' in str(ran.outputs) and "127.0.0.1" not in str(ran.outputs)
            assert "code=" not in str(ran.outputs)
        finally:
            kernel.stop()
    finally:
        server.stop()
