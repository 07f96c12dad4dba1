"""The documented recipe for many gateways, in a browser: one is killed in mid-reply, and the page goes on."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from clawdbot_ext.client.endpoint import Endpoint
from clawdbot_ext.client.gateway_client import GatewayClient
from clawdbot_ext.client.reply import message_text
from clawdbot_ext.client.sync import SyncClient
from tests.support.recipe import Recipe
from tests.support.reply_watch import gateway_pid, seen, watch, words
from tests.support.server import GatewayProcess

from .chat import Chat

BACK_MS = 120_000
LONG = "[[tokens=9000]] [[delay_ms=20]]"
"""Three minutes: it is stopped when enough of it was seen."""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recipe]:
    values = {name: secrets.token_hex(32) for name in ("POSTGRES_PASSWORD", "CLAWDBOT_GATEWAY_TOKEN")}
    with Recipe(tmp_path_factory.mktemp("recipe"), values) as recipe:
        yield recipe


def client(recipe: Recipe, gateway: GatewayProcess) -> SyncClient:
    return SyncClient(GatewayClient(Endpoint(gateway.ws_url, gateway.url, recipe.token)))


def near_and_far(recipe: Recipe, chat: Chat) -> tuple[GatewayProcess, GatewayProcess]:
    """The gateway at which the page's socket is, and the other one."""
    a, b = recipe.gateways.values()
    return (a, b) if gateway_pid(chat.page) == a.pid else (b, a)


def more_comes(chat: Chat) -> None:
    """Wait until the reply is well longer than it is now."""
    count = len((chat.replies.last.text_content() or "").split())
    expect(chat.streaming).to_contain_text(f"t{count + 30} ", timeout=BACK_MS)


def stop(chat: Chat) -> str:
    """Stop the reply; its text."""
    chat.page.get_by_role("button", name="Stop").click()
    chat.answered()
    return (chat.replies.last.text_content() or "").strip()


def test_the_gateway_of_the_socket_dies_and_the_reply_goes_on_without_a_gap(recipe, visit):
    chat = visit(recipe).ready()
    near, far = near_and_far(recipe, chat)
    name, at_far = f"story-{uuid.uuid4().hex}", {"sessionKey": f"agent:main:{uuid.uuid4().hex}"}
    with client(recipe, far) as other:
        other.request("sessions.patch", {"key": at_far["sessionKey"], "label": name})
        chat.sessions.filter(has_text=name).click()
        other.request("chat.send", {**at_far, "message": LONG, "idempotencyKey": uuid.uuid4().hex})
        expect(chat.streaming).to_contain_text("t60 ")
        watch(chat.page)
        near.kill()
        more_comes(chat)
        assert near_and_far(recipe, chat)[0] is far
        shown = stop(chat)
        messages = other.request("chat.history", at_far)["messages"]
    assert shown == message_text(messages[-1]).strip() == words(len(shown.split()))
    texts = [each["text"] for each in seen(chat.page)]
    assert all(shown.startswith(text) for text in texts), "characters are missing, or there twice"
    assert texts == sorted(texts, key=len), "the reply became shorter"


def test_the_gateway_of_the_reply_dies_and_one_goes_on_from_where_it_was_cut(recipe, visit):
    for gateway in recipe.gateways.values():
        gateway.revive()
    recipe.await_healthy(*recipe.gateways)
    chat = visit(recipe, session=uuid.uuid4().hex).ready()
    near, _ = near_and_far(recipe, chat)
    chat.send(LONG)
    expect(chat.streaming).to_contain_text("t60 ")
    near.kill()
    expect(chat.page.locator(".mark")).to_contain_text("The answer was cut off.", timeout=BACK_MS)
    kept = (chat.replies.last.text_content() or "").strip()
    assert kept.startswith("t0 t1 ") and words(9000).startswith(kept)
    chat.page.get_by_role("button", name="Continue").click()
    expect(chat.streaming).to_have_count(1)
    more_comes(chat)
    assert stop(chat).startswith(kept)
    expect(chat.mine).to_have_count(1)
