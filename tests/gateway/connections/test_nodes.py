"""Results of nodes: their payload as JSON text, from kernels and notebooks that write more than strict JSON."""

from __future__ import annotations

import pytest

from clawdbot_ext.gateway.connections.nodes import payload_of
from clawdbot_ext.protocol.errors import InvalidRequest
from clawdbot_ext.protocol.schema import NodeEventParams
from clawdbot_ext.server.hands_node.node import _encoded


def test_a_result_with_values_that_json_has_not_is_taken():
    payload = {"outputs": [float("nan"), float("inf"), 10**400, "half \ud800", "NUL \0"]}
    for text in (_encoded(payload), '{"outputs": [NaN, Infinity, 1e999, "half \\ud800", "NUL \\u0000"]}'):
        found = payload_of(NodeEventParams(event="x", payload_json=text))
        assert found == {"outputs": [None, None, None, "half \ufffd", "NUL \ufffd"]}
    for text in ("{", "[" * 100_000):
        with pytest.raises(InvalidRequest):
            payload_of(NodeEventParams(event="x", payload_json=text))
