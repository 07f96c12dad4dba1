"""The handshake and the frames, without a socket: text in, bytes out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawdbot_ext.protocol import frames
from clawdbot_ext.protocol.connection import MAX_BAD_FRAMES, Handshake, Reject, ServerConnection, State
from clawdbot_ext.protocol.frames import CloseCode, Request

CLIENT = {"id": "cli", "version": "1", "platform": "linux", "mode": "cli"}


def connect(**changes: Any) -> str:
    params = {"minProtocol": 3, "maxProtocol": 3, "client": CLIENT, **changes}
    return json.dumps({"type": "req", "id": "1", "method": "connect", "params": params})


def connected(max_payload: int = 1 << 20) -> ServerConnection:
    connection = ServerConnection(max_payload)
    connection.challenge("n", 1)
    assert isinstance(connection.receive(connect()), Handshake)
    connection.welcome()
    return connection


def error_of(reject: Any) -> dict[str, Any]:
    assert isinstance(reject, Reject)
    frame = json.loads(reject.frame)
    assert frame["type"] == "res" and frame["ok"] is False
    error: dict[str, Any] = frame["error"]
    return error


def test_the_server_speaks_first_and_without_a_sequence_number() -> None:
    frame = json.loads(ServerConnection(1000).challenge("nonce-1", 1795334678563))
    assert frame == {
        "type": "event",
        "event": "connect.challenge",
        "payload": {"nonce": "nonce-1", "ts": 1795334678563},
    }


def test_a_good_connect_is_handed_over_and_changes_nothing_until_welcomed() -> None:
    connection = ServerConnection(1 << 20)
    connection.challenge("n", 1)
    got = connection.receive(connect(auth={"token": "t"}, caps=["chat.append"], futureField=1))
    assert isinstance(got, Handshake)
    assert (got.request_id, got.params.client.id, got.params.caps) == ("1", "cli", ["chat.append"])
    assert connection.state is State.CHALLENGED


@pytest.mark.parametrize(("low", "high"), [(1, 2), (4, 9)])
def test_a_client_of_another_protocol_is_closed_with_1002_and_told_ours(low: int, high: int) -> None:
    got = ServerConnection(1 << 20).receive(connect(minProtocol=low, maxProtocol=high))
    assert error_of(got)["details"] == {"reason": "PROTOCOL_MISMATCH", "expectedProtocol": 3}
    assert isinstance(got, Reject) and got.close == CloseCode.PROTOCOL


@pytest.mark.parametrize(
    "first",
    [
        '{"type":"req","id":"7","method":"health"}',
        "not json",
        '{"type":"req","id":"1","method":"connect","params":{"minProtocol":3}}',
        '{"type":"event","event":"x"}',
        "[" * 100_000,
    ],
)
def test_anything_else_first_is_answered_with_a_code_and_closed(first: str) -> None:
    connection = ServerConnection(1 << 20)
    got = connection.receive(first)
    assert error_of(got)["code"] == "INVALID_REQUEST"
    assert isinstance(got, Reject) and got.close == CloseCode.POLICY
    assert connection.state is State.CLOSED


def test_before_connect_a_frame_may_have_64_kb_and_no_more() -> None:
    big = connect(userAgent="x" * 100, extra="y" * 70_000)
    got = ServerConnection(1 << 20).receive(big)
    assert error_of(got)["details"]["reason"] == "TOO_LARGE"


@pytest.mark.parametrize(
    ("text", "request_id"),
    [
        ("{", "invalid"),
        ('{"type":"req","method":"health"}', "invalid"),
        ('{"type":"req","id":"a","method":5}', "a"),
        ('{"type":"res","id":"b","method":"x"}', "b"),
        ('{"type":"req","id":"c","method":"health","params":NaN}', "invalid"),
        ('{"type":"req","id":"' + "d" * 300 + '","method":"health"}', "invalid"),
        ('"text"', "invalid"),
        ("[]", "invalid"),
        ("", "invalid"),
    ],
)
def test_a_bad_frame_is_answered_under_its_id_and_keeps_the_socket(text: str, request_id: str) -> None:
    got = connected().receive(text)
    assert error_of(got)["code"] == "INVALID_REQUEST"
    assert isinstance(got, Reject) and got.close is None
    assert json.loads(got.frame)["id"] == request_id


def test_an_oversized_frame_is_answered_under_its_id_and_keeps_the_socket() -> None:
    text = json.dumps({"type": "req", "id": "big", "method": "chat.send", "params": {"message": "x" * 5000}})
    connection = connected(max_payload=2000)
    got = connection.receive(text)
    assert error_of(got)["details"] == {"reason": "TOO_LARGE", "maxBytes": 2000}
    assert isinstance(got, Reject) and got.close is None and json.loads(got.frame)["id"] == "big"
    assert isinstance(connection.receive('{"type":"req","id":"2","method":"health"}'), Request)


def test_bad_frames_in_a_row_end_the_connection_and_a_good_one_starts_the_count_anew() -> None:
    connection = connected()
    for _ in range(MAX_BAD_FRAMES - 1):
        connection.receive("{")
    connection.receive('{"type":"req","id":"2","method":"health"}')
    closes = [got.close for _ in range(MAX_BAD_FRAMES) if isinstance(got := connection.receive("{"), Reject)]
    assert closes == [None] * (MAX_BAD_FRAMES - 1) + [CloseCode.POLICY]


def test_a_second_connect_is_an_error_and_keeps_the_socket() -> None:
    got = connected().receive(connect())
    assert isinstance(got, Reject) and got.close is None


def test_event_sequence_numbers_rise_by_one_and_frames_have_only_the_known_keys() -> None:
    connection = connected()
    made = [json.loads(connection.event("tick", b'{"ts":1}')) for _ in range(3)]
    assert [f["seq"] for f in made] == [1, 2, 3]
    assert all(set(f) == {"type", "event", "payload", "seq"} for f in made)


def test_responses_carry_any_id_unharmed() -> None:
    assert json.loads(frames.response('a"b\\', {"x": "한"})) == {
        "type": "res",
        "id": 'a"b\\',
        "ok": True,
        "payload": {"x": "한"},
    }


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.text() | json_values.map(json.dumps))
def test_no_text_makes_the_connection_raise(text: str) -> None:
    for connection in (ServerConnection(1 << 20), connected()):
        got = connection.receive(text)
        if isinstance(got, Reject):
            json.loads(got.frame)


@given(
    st.fixed_dictionaries(
        {"type": st.just("req"), "id": json_values, "method": json_values, "params": json_values}
    ).map(json.dumps)
)
def test_no_request_shaped_frame_makes_the_connection_raise(text: str) -> None:
    got = connected().receive(text)
    assert isinstance(got, (Request, Reject))


def test_lone_surrogates_are_refused_not_stored() -> None:
    got = connected().receive('{"type":"req","id":"1","method":"chat.send","params":{"message":"\\ud800"}}')
    if isinstance(got, Request):  # params are not looked at here: the method's own decoder must refuse
        from clawdbot_ext.gateway.dispatch import read_params
        from clawdbot_ext.protocol.errors import InvalidRequest
        from clawdbot_ext.protocol.schema import ChatInjectParams

        with pytest.raises(InvalidRequest):
            read_params("chat.inject", ChatInjectParams, got.params)
