"""Policies of an administrator: models, and features that are switched off for every client alike."""

from __future__ import annotations

import base64

import pytest

from clawdbot_ext.config.settings import FEATURES
from tests.support.http import ask
from tests.support.wire import WireError, run, text_of, wired

pytestmark = pytest.mark.slow
CAPS = ("chat.append", "session.events")
PATIENCE_S = 90.0
"""The first list of models imports the SDK, which takes its time on a loaded machine."""
FILE = {"content": base64.b64encode(b"a,b\n1,2\n").decode(), "fileName": "a.csv"}
WITH_A_FILE = {"sessionKey": "main", "message": "?", "idempotencyKey": "a-file", "attachments": [FILE]}


async def refused(wire, method, params=None):
    """The reason and its facts."""
    with pytest.raises(WireError) as caught:
        await wire.call(method, params)
    return caught.value.error["details"]


def test_what_is_switched_off_is_refused_and_told_beforehand(make_gateway):
    gateway = make_gateway(config={"policy": {"disabled": list(FEATURES)}})
    calls = {
        "settings": [("config.patch", {"raw": "{}", "baseHash": ""}), ("models.test", {"apiKey": "sk-own"})],
        "export": [("sessions.export", {"key": "main"})],
        "import": [("sessions.import", {"content": "{}"})],
        "files": [("files.list", {}), ("chat.send", {**WITH_A_FILE, "attachments": [{"path": "a.csv"}]})],
        "uploads": [("chat.send", WITH_A_FILE)],
        "temporary": [
            ("sessions.new", {"temporary": True}),
            ("chat.send", {"sessionKey": "agent:main:temporary:abc", "message": "?", "idempotencyKey": "t"}),
        ],
    }

    async def main():
        async with wired(gateway.ws_url, gateway.token, caps=CAPS) as wire:
            features = wire.hello["features"]
            assert set(features["disabled"]) == set(FEATURES)
            assert not {"config.set", "config.patch", "sessions.export", "files.list"} & set(features["methods"])
            assert {"chat.send", "config.get", "sessions.new"} <= set(features["methods"])
            assert wire.hello["snapshot"]["setup"]["needsKey"] is False, "no user is asked for a key that cannot be set"
            for feature, refusals in calls.items():
                for method, params in refusals:
                    details = await refused(wire, method, params)
                    assert (details["reason"], details["feature"]) == ("DISABLED_BY_POLICY", feature), method
            answer = await wire.ask("what time is it?")
            assert answer["state"] == "final"
            roles = [m["role"] for m in (await wire.call("chat.history", {"sessionKey": "main"}))["messages"]]
            assert roles == ["user", "assistant"], "a model without tools answers by itself"

    run(main())
    upload = ask(gateway.port, "POST", "/media?name=a.csv", [("Authorization", f"Bearer {gateway.token}")], b"a,b\n")
    assert (upload.status, upload.json()["error"]["details"]["reason"]) == (403, "DISABLED_BY_POLICY")


def test_only_allowed_models_can_be_chosen_and_answer(make_gateway, messages_api):
    gateway = make_gateway(
        env={
            "ANTHROPIC_API_KEY": "sk-canary-key",
            "ANTHROPIC_BASE_URL": messages_api.url,
            "CLAWDBOT_MODELS_ALLOWED": "haiku, anthropic/claude-sonnet-?",
        },
        config={"agents": {"defaults": {"model": "claude-opus-5-5", "autoTitle": False}}},
    )

    async def main():
        async with wired(gateway.ws_url, gateway.token, caps=CAPS) as wire:
            offered = [model["id"] for model in (await wire.call("models.list", timeout=PATIENCE_S))["models"]]
            assert offered == ["claude-sonnet-5", "claude-haiku-4-5-20251001"]
            for method, params in (
                ("sessions.patch", {"key": "main", "model": "claude-opus-5-5"}),
                ("sessions.new", {"model": "anthropic/claude-opus-5-5"}),
            ):
                details = await refused(wire, method, params)
                assert details["reason"] == "MODEL_NOT_ALLOWED" and details["suggestions"]
            assert (await refused(wire, "sessions.patch", {"key": "main", "model": "no-such"}))[
                "reason"
            ] == "UNKNOWN_MODEL"
            told = await wire.ask("/model claude-opus-5-5")
            assert "is not allowed here" in text_of(told["message"])
            # of the models that the user's own file and a line name, the newest that is allowed answers
            assert (await wire.ask("[[text=one]]"))["state"] == "final"
            await wire.call("sessions.patch", {"key": "main", "model": "haiku"})
            assert (await wire.ask("[[text=two]]"))["state"] == "final"
            patched = await wire.call("sessions.patch", {"key": "main", "model": "sonnet"})
            assert patched["entry"]["model"] == "claude-sonnet-5"

    run(main(), PATIENCE_S)
    asked = [r.body["model"] for r in messages_api.requests if r.path.endswith("/messages")]
    assert asked == ["claude-sonnet-5", "claude-haiku-4-5-20251001"]
