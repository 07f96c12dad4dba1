"""The way through the kernel: a page's connections to the gateway, each its own."""

from __future__ import annotations

import json
import queue
from collections.abc import Mapping
from typing import Any

import pytest

from clawdbot_ext import connect
from clawdbot_ext.config import ConfigError
from clawdbot_ext.notebook.comm_bridge import Bridge
from clawdbot_ext.notebook.kernel_client import KernelClient
from clawdbot_ext.notebook.widget_pinned import Pinned

WAIT_S = 60.0


class Page:
    """Messages to all pages that show one widget."""

    def __init__(self) -> None:
        self.heard: queue.Queue[Mapping[str, Any]] = queue.Queue()

    def wait(self, kind: str, number: int) -> Mapping[str, Any]:
        while True:
            message = self.heard.get(timeout=WAIT_S)
            if (message["kind"], message["id"]) == (kind, number):
                return message


@pytest.fixture
def client(standing_gateway):
    client = KernelClient(lambda: connect(standing_gateway.url, token=standing_gateway.token))
    yield client
    client.close()


@pytest.fixture
def page():
    return Page()


@pytest.fixture
def bridge(client, page):
    bridge = Bridge(client, page.heard.put)
    yield bridge
    thread = bridge._thread
    bridge.close()
    thread.join(WAIT_S)
    assert not thread.is_alive()


def test_frames_go_both_ways_and_the_page_needs_no_secret(bridge, page):
    bridge.received({"kind": "open", "id": 7})
    page.wait("opened", 7)
    assert json.loads(page.wait("frame", 7)["text"])["event"] == "connect.challenge"
    bridge.received({"kind": "frame", "id": 7, "text": "no frame"})
    assert page.wait("closed", 7)["code"] == 1008


def test_a_page_that_left_before_its_connection_was_there_leaves_none_open(bridge, page, client):
    client.get()
    for number in range(3):
        bridge.received({"kind": "open", "id": number})
        bridge.received({"kind": "close", "id": number})
    left = {0, 1, 2}
    while left:  # what was under way when it left may still come
        message = page.heard.get(timeout=WAIT_S)
        assert message["kind"] in ("frame", "closed")
        left -= {message["id"]} if message["kind"] == "closed" else set()
    assert not bridge._sockets and not bridge._waiting


def test_a_second_page_cannot_take_the_connection_of_the_first(bridge, page):
    bridge.received({"kind": "open", "id": 1})
    page.wait("frame", 1)
    first = bridge._sockets[1]
    bridge.received({"kind": "open", "id": 1})
    bridge.received({"kind": "open", "id": 2})
    page.wait("frame", 2)
    assert bridge._sockets[1] is first


def test_a_page_is_told_when_there_is_no_way_to_the_gateway(page):
    def connect_wrongly():
        raise ConfigError("gateway.remote.url", "is no address")

    bridge = Bridge(KernelClient(connect_wrongly), page.heard.put)
    bridge.received({"kind": "open", "id": 3})
    told = page.wait("closed", 3)
    assert told["code"] == 1013 and "gateway.remote.url" in told["reason"]
    thread = bridge._thread
    bridge.close()
    thread.join(WAIT_S)


@pytest.fixture
def visitor(client, page):
    """A page of strangers: says what it likes over the bridge of a chat of the session ``shown``."""
    bridge = Bridge(client, page.heard.put, Pinned(lambda: "shown"))
    bridge.received({"kind": "open", "id": 1})
    page.wait("frame", 1)
    names = {"id": "webchat-ui", "version": "1", "platform": "x", "mode": "webchat"}

    def ask(method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        text = json.dumps({"type": "req", "id": method, "method": method, "params": params})
        bridge.received({"kind": "frame", "id": 1, "text": text})
        while True:
            frame = json.loads(page.wait("frame", 1)["text"])
            if frame["type"] == "res" and frame["id"] == method:
                return frame
            ask.events.append(frame)

    ask.events = []
    ask.hello = ask(
        "connect",
        {
            "minProtocol": 3,
            "maxProtocol": 3,
            "client": names,
            "role": "operator",
            "scopes": ["operator.admin"],
            "caps": [],
        },
    )
    yield ask
    thread = bridge._thread
    bridge.close()
    thread.join(WAIT_S)


def test_r13_a_visitor_has_the_chat_of_one_session_and_no_more(visitor, client):
    assert visitor.hello["ok"] and "snapshot" not in visitor.hello["payload"] and "auth" not in visitor.hello["payload"]
    client.get().submit("Of the owner [[text=Secret.]]", [], session_key="other", run_id="theirs").result(WAIT_S)
    for method in (
        "sessions.list",
        "config.get",
        "config.patch",
        "auth.link",
        "sessions.patch",
        "files.list",
        "node.invoke",
        "models.setKey",
        "exec.approval.list",
        "exec.approval.resolve",
        "exec.approvals.set",
        "hands.grants.list",
        "hands.grants.revoke",
        "hands.changes.list",
        "hands.changes.undo",
        "hands.changes.keep",
        "sessions.search",
        "chat.inject",
    ):
        assert not visitor(method, {"key": "other", "sessionKey": "other"})["ok"], method
    assert visitor("chat.history", {"sessionKey": "other"})["payload"]["messages"] == []
    assert visitor("sessions.subscribe", {"keys": ["other", "main"]})["ok"]
    for command in ("/model demo", "  /new", "\n/config"):
        assert not visitor("chat.send", {"sessionKey": "shown", "message": command, "idempotencyKey": command})["ok"]
    file = {"fileName": "a.md", "mimeType": "text/plain", "path": "/etc/passwd", "mediaId": "m", "content": "YQ=="}
    sent = visitor(
        "chat.send",
        {
            "sessionKey": "other",
            "message": "Visiting [[text=Yes.]]",
            "idempotencyKey": "v1",
            "thinking": "high",
            "attachments": [file],
        },
    )
    assert sent["ok"], sent
    client.get().submit("More [[text=Hidden.]]", [], session_key="other", run_id="more").result(WAIT_S)
    said = [str(client.request("chat.history", {"sessionKey": key})["messages"]) for key in ("shown", "other")]
    assert "Visiting" in said[0] and "Visiting" not in said[1]
    visitor("chat.history", {})
    assert "Secret" not in str(visitor.events) and "Hidden" not in str(visitor.events)
