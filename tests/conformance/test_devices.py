"""Devices: identity, pairing, tokens. Sources: README *Handshake facts* (signed text, device id, device token), facts
of ``infra/device-pairing`` and ``gateway/device-auth`` of the npm package, issue 3 (who is let in silently)."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.support.device import Device, b64
from tests.support.pace import promptly
from tests.support.wire import WireError, run, wired

REMOTE = {"X-Forwarded-For": "203.0.113.7"}
"""The headers of a proxy: behind one, no client is on this machine."""


async def refusal(endpoint, params, **headers):
    with pytest.raises(WireError) as refused:
        async with endpoint.joined(params, **headers):
            pass
    return refused.value


def test_a_device_with_the_shared_token_on_loopback_is_let_in_silently_and_given_a_token(standalone):
    device = Device()

    async def main():
        async with standalone.joined(lambda n: device.connect(n, token=standalone.token)) as wire:
            auth = wire.hello["auth"]
            assert auth.keys() == {"deviceToken", "role", "scopes", "issuedAtMs"} and auth["role"] == "operator"
            (row,) = [d for d in (await wire.call("device.pair.list"))["paired"] if d["deviceId"] == device.id]
            assert row["roles"] == ["operator"] and auth["deviceToken"] not in str(row)
        async with standalone.joined(lambda n: device.connect(n, token=auth["deviceToken"]), **REMOTE) as wire:
            assert wire.hello["auth"]["deviceToken"] == auth["deviceToken"], "from anywhere, without the shared token"
        other = Device()
        error = await refusal(standalone, lambda n: other.connect(n, token=auth["deviceToken"]))
        assert error.details["reason"] == "UNAUTHORIZED", "it is that device's alone"

    run(main())


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"signature": b64(b"x" * 64)}, "DEVICE_SIGNATURE"),
        ({"signature": "?"}, "DEVICE_SIGNATURE"),
        ({"id": "0" * 64}, "DEVICE_IDENTITY"),
        ({"publicKey": b64(b"x" * 31)}, "DEVICE_IDENTITY"),
        ({"nonce": "another"}, "DEVICE_NONCE"),
    ],
)
def test_an_identity_that_does_not_hold_is_refused(standalone, wrong, reason):
    device = Device()

    def forged(nonce):
        params = device.connect(nonce, token=standalone.token)
        params["device"].update(wrong)
        return params

    error = run(refusal(standalone, forged))
    assert error.code == "INVALID_REQUEST" and error.details["reason"] == reason


@pytest.mark.parametrize(
    "change",
    [
        {"scopes": ["operator.admin", "operator.pairing"]},
        {"role": "node"},
        {"client": {"id": "other", "version": "1", "platform": "x", "mode": "test"}},
    ],
)
def test_what_was_signed_cannot_be_changed(standalone, change):
    device = Device()
    error = run(refusal(standalone, lambda n: {**device.connect(n, token=standalone.token), **change}))
    assert error.details["reason"] == "DEVICE_SIGNATURE"


@pytest.mark.parametrize(("minutes", "good"), [(-9, True), (9, True), (-11, False), (11, False)])
def test_a_clock_may_be_ten_minutes_off(standalone, minutes, good):
    device, at = Device(), int((time.time() + minutes * 60) * 1000)

    def params(nonce):
        return device.connect(nonce, token=standalone.token, signed_at=at)

    async def main():
        if good:
            async with standalone.joined(params) as wire:
                assert wire.hello["auth"]["deviceToken"]
        else:
            error = await refusal(standalone, params)
            assert error.details["reason"] == "DEVICE_CLOCK" and error.details["serverTimeMs"]

    run(main())


def test_the_older_text_without_a_nonce_is_taken_on_loopback_alone(standalone):
    device = Device()

    async def main():
        def old(nonce):
            return device.connect(None, token=standalone.token, version="v1")

        async with standalone.joined(old):
            pass
        error = await refusal(standalone, old, **REMOTE)
        assert error.details["reason"] == "DEVICE_NONCE"

    run(main())


def test_a_device_from_elsewhere_waits_until_an_operator_lets_it_in(standalone):
    device = Device()

    def params(nonce):
        return device.connect(nonce, token=standalone.token)

    async def main():
        async with (
            standalone.connected(scopes=["operator.admin", "operator.pairing"]) as boss,
            standalone.connected(scopes=["operator.read"]) as other,
        ):
            refused = await refusal(standalone, params, **REMOTE)
            assert refused.code == "NOT_PAIRED" and refused.details["reason"] == "PAIRING_REQUIRED"
            request_id = refused.details["requestId"]
            told = await boss.wait("device.pair.requested", lambda p: p["requestId"] == request_id)
            assert told["payload"]["deviceId"] == device.id
            again = await refusal(standalone, params, **REMOTE)
            assert again.details["requestId"] == request_id, "asking twice is one request"
            (waiting,) = [r for r in (await boss.call("device.pair.list"))["pending"] if r["deviceId"] == device.id]
            await boss.call("device.pair.reject", {"requestId": request_id})
            assert (await refusal(standalone, params, **REMOTE)).details["requestId"] != waiting["requestId"]
            (waiting,) = [r for r in (await boss.call("device.pair.list"))["pending"] if r["deviceId"] == device.id]
            approved = await boss.call("device.pair.approve", {"requestId": waiting["requestId"]})
            assert approved["device"]["deviceId"] == device.id
            await boss.wait("device.pair.resolved", lambda p: (p["decision"], p["deviceId"]) == ("approved", device.id))
            assert not [e for e in other.events if e["event"].startswith("device.pair")], "who may not pair is not told"
            async with standalone.joined(params, **REMOTE) as wire:
                assert wire.hello["auth"]["deviceToken"]
            wider = await refusal(
                standalone, lambda n: device.connect(n, token=standalone.token, role="node", scopes=()), **REMOTE
            )
            assert wider.code == "NOT_PAIRED", "another role is another question"

    run(main())


def test_unknown_requests_and_devices_are_said(standalone):
    async def main():
        async with standalone.connected() as wire:
            for method, params in (
                ("device.pair.approve", {"requestId": "no"}),
                ("device.pair.reject", {"requestId": "no"}),
                ("device.token.rotate", {"deviceId": "no", "role": "operator"}),
                ("device.token.revoke", {"deviceId": "no", "role": "operator"}),
            ):
                with pytest.raises(WireError) as refused:
                    await wire.call(method, params)
                assert refused.value.details["reason"] == "NOT_FOUND"

    run(main())


def test_a_revoked_device_is_out_within_two_seconds_and_its_token_is_void(standalone):
    device = Device()

    async def main():
        async with (
            standalone.connected() as boss,
            standalone.joined(lambda n: device.connect(n, token=standalone.token)) as wire,
        ):
            token = wire.hello["auth"]["deviceToken"]
            began = time.monotonic()
            await boss.call("device.token.revoke", {"deviceId": device.id, "role": "operator"})
            assert await wire.closed() == 1008 and time.monotonic() - began < promptly(2)
            error = await refusal(standalone, lambda n: device.connect(n, token=token))
            assert error.details["reason"] == "UNAUTHORIZED"
            assert device.id not in str((await boss.call("device.pair.list"))["paired"])

    run(main())


def test_a_rotated_token_replaces_the_old_one_and_may_grant_less(standalone):
    device = Device()
    scopes = ("operator.read", "operator.write")

    async def main():
        async with (
            standalone.connected() as boss,
            standalone.joined(lambda n: device.connect(n, token=standalone.token, scopes=scopes)) as wire,
        ):
            old = wire.hello["auth"]["deviceToken"]
            rotated = await boss.call(
                "device.token.rotate",
                {"deviceId": device.id, "role": "operator", "scopes": ["operator.read", "operator.admin"]},
            )
            assert rotated["scopes"] == ["operator.read"], "never more than was approved"
            assert await wire.closed() == 1008
            error = await refusal(standalone, lambda n: device.connect(n, token=old))
            assert error.details["reason"] == "UNAUTHORIZED"
            async with standalone.joined(lambda n: device.connect(n, token=rotated["token"], scopes=scopes)) as again:
                assert again.hello["user"]["scopes"] == ["operator.read"]

    run(main())


@pytest.mark.slow
def test_pairing_outlives_a_restart(make_gateway):
    gateway, device = make_gateway(), Device()

    async def join(token):
        async with wired_device(gateway, device, token) as wire:
            return wire.hello["auth"]["deviceToken"]

    token = run(join(gateway.token))
    gateway.stop()
    gateway.start()
    assert run(join(token)) == token


def wired_device(gateway, device, token):
    from tests.conformance.conftest import Endpoint

    return Endpoint(gateway.ws_url, token).joined(lambda n: device.connect(n, token=token))


def test_frames_sent_before_the_answer_to_a_device_are_answered_in_turn(standalone):
    device = Device()

    async def main():
        async with standalone.open() as wire:
            wire.start()
            nonce = (await wire.wait("connect.challenge"))["payload"]["nonce"]
            hello, health = await asyncio.gather(
                wire.call("connect", device.connect(nonce, token=standalone.token)), wire.call("health")
            )
            assert hello["type"] == "hello-ok" and health["ok"]

    run(main())


def test_the_shared_token_alone_still_connects(standalone):
    async def main():
        async with wired(standalone.ws_url, standalone.token) as wire:
            assert "auth" not in wire.hello

    run(main())
