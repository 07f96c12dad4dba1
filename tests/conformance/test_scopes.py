"""Every method × role × scope. Source: the rules of ``gateway/server-methods.js`` in the npm package, as facts: node
methods for nodes alone, admin may everything, approvals and pairing have scopes of their own."""

from __future__ import annotations

import pytest

from clawdbot_ext.protocol.schema import METHODS, OPERATOR_SCOPES
from tests.support.device import Device
from tests.support.wire import WireError, run

IMPLIED = {"operator.admin": set(OPERATOR_SCOPES), "operator.write": {"operator.write", "operator.read"}}
FOR_NODES = {"node.invoke.result", "node.event", "skills.bins"}


async def refused(wire, method) -> str | None:
    """Why a call is refused before its parameters are looked at; ``None`` if it is not. Nothing is carried out: the
    parameters are no object."""
    with pytest.raises(WireError) as caught:
        await wire.call(method, 5)
    return caught.value.details.get("reason")


@pytest.mark.parametrize("scope", [*OPERATOR_SCOPES, ""])
def test_an_operator_may_what_its_scope_says_and_nothing_else(endpoint, scope):
    held = IMPLIED.get(scope, {scope})

    async def main():
        async with endpoint.connected(scopes=[scope] if scope else []) as wire:
            for name, row in METHODS.items():
                why = await refused(wire, name)
                if name in FOR_NODES:
                    assert why == "WRONG_ROLE", name
                else:
                    assert (why == "MISSING_SCOPE") is (row.scope not in held), name

    run(main())


def test_a_node_may_call_the_methods_of_nodes_alone(endpoint):
    device = Device()

    async def main():
        connect = {"token": endpoint.token, "role": "node", "scopes": ()}
        async with endpoint.joined(lambda nonce: device.connect(nonce, **connect)) as wire:
            for name in METHODS:
                assert (await refused(wire, name) == "WRONG_ROLE") is (name not in FOR_NODES), name

    run(main())


def test_the_methods_that_only_reading_allows_change_nothing():
    """A read scope is handed to dashboards: nothing that writes may hide behind it."""
    changing = (
        "send",
        "abort",
        "inject",
        "patch",
        "reset",
        "delete",
        "clear",
        "set",
        "apply",
        "approve",
        "reject",
        "rotate",
        "revoke",
        "invoke",
        "stop",
        "run",
        "new",
        "restore",
        "undo",
        "compact",
        "rename",
        "resolve",
    )
    readable = {name for name, row in METHODS.items() if row.scope == "operator.read"}
    suspects = {name for name in readable if name.rpartition(".")[2] in changing}
    assert suspects == {"sessions.resolve"}, "which finds a key and resolves nothing else"
