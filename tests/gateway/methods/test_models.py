"""``models.test``: which models and addresses it asks."""

from __future__ import annotations

import pytest

from tests.support.in_process import asking, in_process
from tests.support.wire import run


@pytest.mark.slow
def test_a_test_of_a_model_is_counted_and_obeys_the_policy(tmp_path, messages_api):
    settings = asking(messages_api.url, "claude-sonnet-5-5")
    settings["models"]["allowed"] = ["sonnet"]

    async def main():
        async with in_process(tmp_path, settings=settings) as it:
            asked = {"provider": "anthropic", "model": "claude-opus-5-5"}
            error = (await it.call("models.test", asked))["error"]
            assert error["details"]["reason"] == "MODEL_NOT_ALLOWED"
            assert not [each for each in messages_api.requests if each.path.endswith("/messages")]
            tested = await it.call("models.test", {**asked, "model": "claude-sonnet-5-5"})
            assert tested["payload"]["ok"] and tested["payload"]["reply"]
            assert (await it.call("usage.cost", {}))["payload"]["totals"]["totalTokens"] > 0

            it.gateway.services.host.of_user = True  # as in the space of a user
            error = (await it.call("models.test", {"apiKey": "sk-x", "baseUrl": "http://127.0.0.1:9/"}))["error"]
            assert error["details"]["reason"] == "OPERATOR_ONLY"
            there = {"apiKey": "sk-x", "baseUrl": messages_api.url}
            assert (await it.call("models.test", there))["payload"]["ok"], "the operator's own address"

    run(main())
