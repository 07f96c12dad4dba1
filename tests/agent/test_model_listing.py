"""Rows of ``/v1/models`` with values that no session, client or database could hold."""

from __future__ import annotations

import msgspec
import pytest

from clawdbot_ext.agent.model_listing import DEFAULT_OUTPUT, DEFAULT_WINDOW, model_infos

HOSTILE = [10**400, 2**63, float("inf"), float("nan"), -1, True, "many"]


@pytest.mark.parametrize("value", HOSTILE, ids=[repr(value)[:8] for value in HOSTILE])
def test_limits_and_dates_that_are_none_are_as_if_not_given(value):
    (info,) = model_infos("p", [{"id": "m", "max_model_len": value, "max_tokens": value, "created": value}])
    assert (info.context_window, info.max_output) == (DEFAULT_WINDOW, DEFAULT_OUTPUT) and info.created_at_ms == 0


def test_names_with_half_characters_can_be_sent_to_clients():
    (info,) = model_infos("p", [{"id": "m\ud800", "display_name": "M \ud800\0", "created_at": "0001-01-01T00:00:00"}])
    assert (info.id, info.name) == ("m\ufffd", "M \ufffd\ufffd") and msgspec.json.encode(info.name)
