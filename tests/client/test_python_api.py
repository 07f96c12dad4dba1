"""``clawdbot_ext.connect()`` and ``connect_async()`` at a real gateway, in front of a scripted model."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest

import clawdbot_ext
from clawdbot_ext import ReplyFailed
from clawdbot_ext.client.errors import Closed, ConnectionLost
from clawdbot_ext.client.reply import Chunk, ReplyEnd
from clawdbot_ext.protocol.errors import GatewayError
from tests.support.messages_api import MessagesAPI
from tests.support.server import GatewayProcess

pytestmark = pytest.mark.slow
WAIT_S = 60.0


@pytest.fixture(scope="module")
def api() -> Iterator[MessagesAPI]:
    with MessagesAPI() as api:
        yield api


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, api: MessagesAPI) -> Iterator[GatewayProcess]:
    env = {"ANTHROPIC_API_KEY": "sk-canary-key", "ANTHROPIC_BASE_URL": api.url}
    gateway = GatewayProcess(
        tmp_path_factory.mktemp("home") / "state", env=env, config={"agents": {"defaults": {"autoTitle": False}}}
    )
    gateway.start()
    yield gateway
    gateway.stop()


@pytest.fixture(autouse=True)
def environment(home: GatewayProcess, api: MessagesAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAWDBOT_STATE_DIR", str(home.state))
    api.requests.clear()


def asked(api: MessagesAPI) -> list[dict[str, Any]]:
    """The content blocks of the newest question that reached the model."""
    turns = [r.body["messages"] for r in api.requests if r.path.endswith("/messages") and r.body.get("stream")]
    content: list[dict[str, Any]] = turns[-1][-1]["content"]
    return content


def test_an_error_of_the_model_is_raised_with_what_had_been_written() -> None:
    with clawdbot_ext.connect() as client:
        with pytest.raises(ReplyFailed, match=r"\w") as failed:
            client.send("[[error=401]]", session_key="failing")
        assert failed.value.end.state == "error" and failed.value.end.error
        with pytest.raises(ReplyFailed):
            client.submit("[[error=401]]", session_key="failing").result(WAIT_S)
        [*_, end] = client.ask("[[error=401]]", session_key="failing")
        assert isinstance(end, ReplyEnd) and end.state == "error" and end.error_message
        assert client.send("[[text=fine]]", session_key="failing").text == "fine"


def test_the_asynchronous_face_raises_the_same() -> None:
    async def main() -> None:
        async with clawdbot_ext.connect_async() as client:
            with pytest.raises(ReplyFailed):
                await client.send("[[error=401]]", session_key="failing-too")
            assert (await client.send("[[text=fine]]", session_key="failing-too")).text == "fine"
        with pytest.raises(Closed, match="closed"):
            await client.send("again")
        with pytest.raises(Closed):
            await client.reconnect()
        await client.connect()
        assert (await client.send("[[text=back]]")).text == "back"
        await client.close()

    asyncio.run(asyncio.wait_for(main(), WAIT_S))


def test_frames_figures_and_values_go_along(api: MessagesAPI) -> None:
    pandas = pytest.importorskip("pandas")
    from PIL import Image

    frame = pandas.DataFrame([[1, 2], [3, 4]], columns=["same", "same"])
    given = [frame, Image.new("RGB", (30, 20), "red"), {"unit": "EUR"}, ("own.txt", b"own words")]
    with clawdbot_ext.connect() as client:
        assert client.send("[[text=seen]]", given, session_key="along").text == "seen"
    blocks = asked(api)
    words = "\n".join(block.get("text", "") for block in blocks)
    assert "2 rows × 2 columns" in words and words.count("- `same`: int64") == 2
    assert "{'unit': 'EUR'}" in words and "own words" in words
    images = [block for block in blocks if block["type"] == "image"]
    assert len(images) == 1 and len(base64.b64decode(images[0]["source"]["data"])) > 50

    async def main() -> None:
        async with clawdbot_ext.connect_async() as client:
            await client.send("[[text=seen]]", [frame], session_key="along")

    asyncio.run(asyncio.wait_for(main(), WAIT_S))
    assert "2 rows × 2 columns" in "\n".join(block.get("text", "") for block in asked(api))


def test_a_figure_of_matplotlib_goes_along_as_a_picture(api: MessagesAPI) -> None:
    """Of a real one; the machinery goes by the class's name, so that nothing imports matplotlib for it."""
    figure = pytest.importorskip("matplotlib.figure").Figure(figsize=(3, 2))
    axes = figure.subplots()
    axes.plot([1, 2, 3])
    for given in (figure, axes):
        with clawdbot_ext.connect() as client:
            client.send("[[text=seen]]", [given], session_key="figure")
        images = [block for block in asked(api) if block["type"] == "image"]
        assert base64.b64decode(images[-1]["source"]["data"]).startswith(b"\x89PNG")


def test_a_model_can_be_chosen_with_the_question(api: MessagesAPI) -> None:
    with clawdbot_ext.connect() as client:
        models = [model["id"] for model in client.request("models.list")["models"] if model["provider"] == "anthropic"]
        client.send("[[text=ok]]", session_key="chosen", model=models[-1])
        assert [r.body["model"] for r in api.requests if r.body.get("stream")][-1] in models[-1]
        with pytest.raises(GatewayError):
            client.send("x", session_key="chosen", model="no-such-model")


def test_what_is_asked_of_a_closed_client_is_told_so() -> None:
    client = clawdbot_ext.connect()
    client.close()
    client.close()
    for asking in (
        lambda: client.send("x"),
        lambda: client.request("health"),
        lambda: list(client.ask("x")),
        lambda: client.attach([b"x"]),
        lambda: client.submit("x"),
        lambda: client.subscribe(print),
    ):
        with pytest.raises(Closed, match="closed; connect again"):
            asking()
    assert not client.connected and issubclass(Closed, ConnectionLost)


def test_who_waits_for_a_reply_hears_that_the_client_was_closed() -> None:
    client = clawdbot_ext.connect()
    ended: Future[str] = Future()
    begun = threading.Event()

    def wait() -> None:
        try:
            for item in client.ask("[[tokens=2000]][[delay_ms=20]]", session_key="waiting"):
                if isinstance(item, Chunk):
                    begun.set()
            ended.set_result("an end")
        except ConnectionLost as exc:
            ended.set_result(type(exc).__name__)

    threading.Thread(target=wait, daemon=True).start()
    assert begun.wait(WAIT_S)
    client.close()
    assert ended.result(WAIT_S) == "Closed"
    with clawdbot_ext.connect() as other:
        other.request("chat.abort", {"sessionKey": "waiting"})


def test_texts_come_in_the_language_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.setenv("LC_MESSAGES", "ko_KR.UTF-8")
    with clawdbot_ext.connect() as client, pytest.raises(GatewayError) as refused:
        client.request("sessions.resolve", {"key": "no-such-session"})
    assert any("가" <= letter <= "힣" for letter in str(refused.value.facts)), refused.value.facts
