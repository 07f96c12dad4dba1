"""Anything at all as frames and parameters: always a coded error or a valid answer, the socket and the process alive,
nothing stored that should not be. Hypothesis makes the values; the gateway is a real one."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clawdbot_ext.protocol.schema import METHODS
from tests.conformance.conftest import Endpoint
from tests.support.device import Device
from tests.support.server import GatewayProcess
from tests.support.wire import Wire, opened

CODES = {"NOT_LINKED", "NOT_PAIRED", "AGENT_TIMEOUT", "INVALID_REQUEST", "UNAVAILABLE"}
NOT_CALLED = {
    "gateway.stop": "it would",
    "gateway.checks": "takes no parameters and starts two processes",
    "exec.approval.request": "waits for a person",
    "auth.link": "takes no parameters and gives out logins",
    "auth.rotate": "takes no parameters",
    "auth.logoutEverywhere": "takes no parameters",
}
SLOW = {"agent.wait": {"timeoutMs": 1}, "node.invoke": {"timeoutMs": 1}}
"""Parameters that keep a call that happens to be valid from waiting."""
EXAMPLES = 25

texts = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [
            "",
            "main",
            "\0",
            "\ud800",
            "\u202e",
            "a" * 5000,
            "../../etc/passwd",
            "null",
            "agent:main:main",
            "agent:x:y",
            "%s",
            "'; DROP TABLE runs; --",
            "😀" * 50,
        ]
    ),
)
numbers = st.one_of(st.integers(-3, 3), st.integers(), st.sampled_from([2**53, 2**63, -(2**63), 10**400]), st.floats())
leaves = st.one_of(st.none(), st.booleans(), numbers, texts)
values: st.SearchStrategy[Any] = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)


def parameters(method: str) -> st.SearchStrategy[Any]:
    """An object with the method's own field names mostly, each value of any kind; at times no object at all."""
    names = [field.encode_name for field in msgspec.structs.fields(METHODS[method].params)]
    fields = st.dictionaries(st.one_of(st.sampled_from(names), texts) if names else texts, values, max_size=6)
    good = {"sessionKey": "fuzz", "key": "fuzz", "idempotencyKey": "fuzz-run", "keys": ["fuzz"], "message": "/status"}
    seeded = fields.map(lambda some: {**{name: good[name] for name in names if name in good}, **some})
    return st.one_of(fields, seeded, seeded, values)


def encoded(value: Any) -> str:
    """JSON as a careless client writes it: NaN, lone surrogates and all."""
    return json.dumps(value, allow_nan=True)


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    process = GatewayProcess(tmp_path_factory.mktemp("fuzzed"), config={"gateway": {"loginAttemptsPerMinute": 600}})
    process.start()
    yield process
    process.stop()
    with closing(sqlite3.connect(process.home / "gateway.sqlite3")) as conn:
        assert conn.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        for (body,) in conn.execute("SELECT body FROM messages UNION ALL SELECT body FROM records"):
            assert "\0" not in body and isinstance(json.loads(body), dict)
        for (key,) in conn.execute("SELECT key FROM sessions"):
            assert key.startswith("agent:") and len(key) <= 256 and key.isprintable()


@pytest.fixture(scope="module")
def connection(target):
    """One socket and one loop for all examples of all methods: what an example does to it, the next one sees."""
    loop = asyncio.new_event_loop()
    entered: list[Any] = []

    async def connect(role: str) -> Wire:
        endpoint = Endpoint(target.ws_url, target.token)
        device = Device()
        context = endpoint.joined(
            lambda nonce: device.connect(
                nonce, token=target.token, role=role, scopes=("operator.admin",) if role == "operator" else ()
            )
        )
        entered.append(context)
        return await context.__aenter__()

    wires = {role: loop.run_until_complete(connect(role)) for role in ("operator", "node")}
    yield loop, wires
    for context in entered:
        loop.run_until_complete(context.__aexit__(None, None, None))
    loop.close()


async def answer_to(wire: Wire, method: str, text: str) -> dict[str, Any]:
    """Send a request with parameters as text; its answer."""
    number = str(next(wire._ids))
    waiter = wire._pending[number] = asyncio.get_running_loop().create_future()

    def unreadable(frame: dict[str, Any]) -> None:
        if frame["id"] == "invalid":  # NaN or half a surrogate pair: no JSON, so its id could not be read
            waiter.set_result(frame)

    wire.on_response = unreadable
    await wire.socket.send(f'{{"type":"req","id":"{number}","method":"{method}","params":{text}}}')
    answer: dict[str, Any] = await asyncio.wait_for(waiter, 10)
    if answer["id"] == "invalid":
        await wire.call("health" if wire.hello["user"]["scopes"] else "skills.bins")  # so many end it
    return answer


@pytest.mark.slow
@pytest.mark.parametrize("method", [name for name in METHODS if name not in NOT_CALLED])
def test_any_parameters_get_a_coded_error_or_an_answer(connection, method):
    loop, wires = connection
    wire = wires[METHODS[method].role]

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(parameters(method))
    def check(params: Any) -> None:
        if isinstance(params, dict):
            params = {**params, **SLOW.get(method, {})}
        answer = loop.run_until_complete(answer_to(wire, method, encoded(params)))
        if not answer["ok"]:
            error = answer["error"]
            assert error["code"] in CODES and error["message"]
            assert error.get("details", {}).get("reason") != "INTERNAL", (method, params)

    check()


@pytest.mark.slow
def test_deep_and_large_parameters_are_refused(connection):
    loop, wires = connection
    deep = "[" * 20_000 + "]" * 20_000
    for text in (deep, '{"a":' * 5_000 + "1" + "}" * 5_000, json.dumps({"key": "x" * 900_000})):
        answer = loop.run_until_complete(answer_to(wires["operator"], "sessions.resolve", text))
        assert not answer["ok"] and answer["error"]["code"] == "INVALID_REQUEST"


@pytest.mark.slow
def test_any_frames_leave_the_gateway_alive(target):
    """Before and after the handshake; a socket may be closed for it, the process may not end."""

    async def one(text: str | bytes, token: str | None) -> None:
        async with opened(target.ws_url) as wire:
            if token:
                await wire.handshake(token=token)
            else:
                wire.start()
            await wire.socket.send(text)
            await wire.socket.ping()
            await asyncio.sleep(0)

    frames = st.one_of(
        values.map(encoded),
        st.binary(max_size=60),
        st.text(max_size=60, alphabet=st.characters(codec="utf-8")),
        st.fixed_dictionaries(
            {"type": st.sampled_from(["req", "res", "event", ""]), "id": leaves, "method": leaves, "params": values}
        ).map(encoded),
    )

    @settings(max_examples=60, deadline=None, database=None, derandomize=True)
    @given(frames, st.booleans())
    def check(text: str | bytes, connected: bool) -> None:
        asyncio.run(one(text, target.token if connected else None))

    check()
    asyncio.run(one("{}", target.token))
    assert "Traceback" not in (target.home / "logs" / "gateway.log").read_text()
