"""The way through the kernel: a page's connections to the gateway, each its own."""

from __future__ import annotations

import json
import queue
from collections.abc import Mapping
from typing import Any

import pytest

from clawdbot_ext import connect
from clawdbot_ext.client_kernel import KernelClient
from clawdbot_ext.config import ConfigError
from clawdbot_ext.widget_bridge import Bridge

WAIT_S = 15.0


class Page:
    """What all pages that show one widget hear."""

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
