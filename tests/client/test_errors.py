"""Translation of errors on the wire into exceptions (``clawdbot_ext.client.errors``)."""

from __future__ import annotations

import pytest

from clawdbot_ext.agent.media.errors import MediaError
from clawdbot_ext.agent.model_catalog import ModelNotAllowed, UnknownModel
from clawdbot_ext.client.errors import from_wire
from clawdbot_ext.protocol.errors import GatewayError, InvalidRequest, NotFound, RateLimited


@pytest.mark.parametrize(
    "error",
    [
        UnknownModel("no-such-model", ["sonnet"]),
        ModelNotAllowed("opus", ["sonnet"]),
        NotFound("There is no session 'x'.", key="x"),
        RateLimited("Too many attempts.", retry_after_ms=500),
        MediaError("MEDIA_BOMB"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_comes_back_with_its_code_reason_and_facts(error: GatewayError) -> None:
    # Classes of the gateway take other arguments than those of the wire, and may be imported beside the client.
    back = from_wire(error.to_wire())
    assert (back.code, back.reason, back.message) == (error.code, error.reason, error.message)
    assert back.facts == error.facts and back.retry_after_ms == error.retry_after_ms


def test_a_reason_of_the_gateway_alone_is_an_invalid_request() -> None:
    assert type(from_wire(UnknownModel("x", []).to_wire())) is InvalidRequest
