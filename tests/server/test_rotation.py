"""Another token, another password, and logging everybody out: what ends, and what the audit log says about it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from websockets.asyncio.client import connect

from clawdbot_ext.config import load, set_value
from clawdbot_ext.server import audit_log
from tests.support.device import Device
from tests.support.http import ask, login, upgrade
from tests.support.pace import promptly
from tests.support.server import ROOT
from tests.support.wire import Wire, WireError, opened, run, wired


def clawdbot(gateway, *arguments, **options):
    """Run the command line as the user of ``gateway``."""
    return subprocess.run(
        [sys.executable, "-m", "clawdbot_ext", *arguments],
        cwd=ROOT,
        env=gateway.environment,
        capture_output=True,
        text=True,
        timeout=30,
        **options,
    )


def events(gateway):
    """The audit log, without what the library adds."""
    lines = (gateway.home / "logs" / "audit.log").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    return [
        (
            row["__schema__"].removeprefix(audit_log.ID + "/"),
            {name: value for name, value in row.items() if not name.startswith("__")},
        )
        for row in rows
    ]


def is_in(gateway, cookie):
    answer = ask(gateway.port, path="/auth/session", headers=[("Cookie", cookie)])
    return answer.json()["authenticated"]


async def opened_by(gateway, cookie):
    origin = gateway.url.rstrip("/")
    wire = Wire(await connect(gateway.ws_url, origin=origin, additional_headers={"Cookie": cookie}))
    await wire.handshake()
    return wire


def test_a_rotated_token_ends_everything_that_came_by_the_old_one(gateway):
    old = gateway.token
    cookie = login(gateway.port, token=old).cookie

    async def main():
        async with wired(gateway.ws_url, old) as one, opened(gateway.ws_url) as waiting:
            two = await opened_by(gateway, cookie)
            done = clawdbot(gateway, "token", "rotate")
            assert done.returncode == 0, done.stderr
            assert await one.closed(timeout=promptly(2)) == 1008 and await two.closed(timeout=promptly(2)) == 1008
            new = done.stdout.strip()
            await waiting.handshake(token=new)  # who has not logged in yet may do so with the new one
            return new

    new = run(main())
    assert new == gateway.token != old and len(new) >= 32
    assert not is_in(gateway, cookie) and login(gateway.port, token=old).status == 401
    assert upgrade(gateway.port, headers=[("Authorization", f"Bearer {old}")]).status == 401
    assert login(gateway.port, token=new).status == 204
    kinds = [kind for kind, _ in events(gateway)]
    assert "rotated" in kinds and "login" in kinds and "login.failed" in kinds
    written = (gateway.home / "logs" / "audit.log").read_text()
    assert old not in written and new not in written and cookie.partition("=")[2] not in written
    assert (gateway.home / "logs" / "audit.log").stat().st_mode & 0o777 == 0o600


def test_a_token_of_the_file_is_rotated_there_and_one_of_the_environment_nowhere(make_gateway):
    gateway = make_gateway(config={"gateway": {"auth": {"token": "chosen-by-a-person-1"}}}, start=False)
    done = clawdbot(gateway, "token", "rotate", "--json")
    new = json.loads(done.stdout)["token"]
    assert json.loads((gateway.home / "config.json").read_text())["gateway"]["auth"]["token"] == new
    gateway.environment["CLAWDBOT_GATEWAY_TOKEN"] = "from-the-environment"
    refused = clawdbot(gateway, "token", "rotate")
    assert refused.returncode == 2 and "CLAWDBOT_GATEWAY_TOKEN" in refused.stderr
    assert "from-the-environment" not in refused.stdout + refused.stderr


def test_logging_out_everywhere_ends_browsers_and_leaves_programs(gateway):
    cookies = [login(gateway.port, token=gateway.token).cookie for _ in range(4)]
    origin = [("Origin", gateway.url.rstrip("/"))]
    body = b'{"everywhere": true}'

    async def main():
        async with wired(gateway.ws_url, gateway.token) as program:
            path = "/" + (await program.call("auth.link"))["path"]
            pages = [await opened_by(gateway, cookie) for cookie in cookies[:2]]
            # not by a stranger, nor by a cookie that is no good
            for forged in ([], [("Cookie", cookies[0][:-3] + "abc")]):
                ask(gateway.port, "POST", "/auth/logout", [*origin, *forged], body)
            assert all(is_in(gateway, cookie) for cookie in cookies)
            assert clawdbot(gateway, "logout").returncode == 0
            for page in pages:
                assert await page.closed(timeout=promptly(2)) == 1008
            assert not any(is_in(gateway, cookie) for cookie in cookies)
            assert "Set-Cookie" not in ask(gateway.port, path=path).headers
            # and by the page itself
            again = [login(gateway.port, token=gateway.token).cookie for _ in range(2)]
            page = await opened_by(gateway, again[1])
            assert ask(gateway.port, "POST", "/auth/logout", [*origin, ("Cookie", again[0])], body).status == 204
            assert await page.closed(timeout=promptly(2)) == 1008
            assert not any(is_in(gateway, cookie) for cookie in again)
            assert await program.call("health")

    run(main())
    assert [kind for kind, _ in events(gateway)].count("logout.everywhere") == 2


def test_a_password_is_set_as_a_hash_and_ends_the_logins_before_it(gateway):
    cookie = login(gateway.port, token=gateway.token).cookie

    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            done = clawdbot(gateway, "password", "set", input="correct horse battery\n")
            assert done.returncode == 0, done.stderr
            assert await wire.closed(timeout=promptly(5)) == 1008

    run(main())
    stored = (gateway.home / "config.json").read_text()
    assert "scrypt:" in stored and "correct horse" not in stored
    assert not is_in(gateway, cookie)
    assert login(gateway.port, password="correct horse battery").status == 204
    assert login(gateway.port, password="incorrect").status == 401
    changed = [facts for kind, facts in events(gateway) if kind == "config"]
    assert [facts["names"] for facts in changed] == ["gateway.auth.mode, gateway.auth.password"]
    weak = clawdbot(gateway, "password", "set", input="password1\n")
    assert weak.returncode == 2 and "password1" not in weak.stdout + weak.stderr


def test_a_password_in_clear_becomes_a_hash_at_the_start_and_when_it_is_set(make_gateway):
    gateway = make_gateway(config={"gateway": {"auth": {"password": "keep this to yourself"}}})
    path = gateway.home / "config.json"
    assert "keep this" not in path.read_text() and "kept as a hash" in gateway.output
    assert login(gateway.port, password="keep this to yourself").status == 204

    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            set_value(path, "gateway.auth.password", "another one, better")
            assert await wire.closed(timeout=promptly(5)) == 1008

    run(main())
    assert "scrypt:" in path.read_text() and "another one" not in path.read_text()
    assert login(gateway.port, password="another one, better").status == 204


# -- ?token= --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("path", "page"), [("/", "./"), ("/chat", "chat")])
def test_a_token_in_a_link_is_exchanged_and_gone_from_the_address(standing_gateway, path, page):
    port, token = standing_gateway.port, standing_gateway.token
    answer = ask(port, path=f"{path}?session=agent%3Amain%3Ax&token={token}")
    assert (answer.status, answer.headers["Location"]) == (303, f"{page}?session=agent%3Amain%3Ax")
    assert answer.headers["Referrer-Policy"] == "no-referrer" and answer.headers["Cache-Control"] == "no-store"
    assert token not in str(answer.headers) and is_in(standing_gateway, answer.cookie)
    wrong = ask(port, path=f"{path}?token=wrong")
    assert (wrong.status, wrong.headers["Location"]) == (303, f"{page}?link=expired")
    assert "Set-Cookie" not in wrong.headers


@pytest.mark.parametrize("path", ["/auth/session", "/api/contents", "/api/me", "/media/aaaaaaaaaaaa", "/ws"])
def test_a_token_in_any_other_address_is_nothing(standing_gateway, path):
    answer = ask(standing_gateway.port, path=f"{path}?token={standing_gateway.token}")
    assert "Set-Cookie" not in answer.headers
    assert answer.status in (401, 403, 404) or answer.json()["authenticated"] is False


# -- the audit log --------------------------------------------------------------------------------------------------
def test_every_kind_of_event_can_be_written_and_nothing_else(tmp_path):
    config = load({"CLAWDBOT_STATE_DIR": str(tmp_path)})
    os.makedirs(audit_log.path_of(config).parent)
    log = audit_log.Audit(config)
    for kind, (_, fields) in audit_log.KINDS.items():
        log.note(kind, {**dict.fromkeys(fields, "x" * 1000), **({"user": "앤\n\x1b[31m"} if "user" in fields else {})})
        log.note(kind, {"secret": "canary"})  # of no schema: not written
    log.close()
    rows = [json.loads(line) for line in audit_log.path_of(config).read_text().splitlines()]
    assert [row["__schema__"] for row in rows] == [f"{audit_log.ID}/{kind}" for kind in audit_log.KINDS]
    assert all(len(value) <= audit_log.MAX_TEXT for row in rows for name, value in row.items() if name[0] != "_")


def test_approvals_pairings_and_settings_are_written_down_with_who_did_it(gateway):
    device = Device()

    async def main():
        async with wired(gateway.ws_url, gateway.token) as agent, wired(gateway.ws_url, gateway.token) as person:
            waiting = agent.expect("ask")
            await agent.socket.send(
                json.dumps(
                    {
                        "type": "req",
                        "id": "ask",
                        "method": "exec.approval.request",
                        "params": {"id": "a1", "command": "echo canary-of-a-command"},
                    }
                )
            )
            await person.wait("exec.approval.requested")
            await person.call("exec.approval.resolve", {"id": "a1", "decision": "deny"})
            await waiting
            async with opened(gateway.ws_url, additional_headers={"X-Forwarded-For": "203.0.113.7"}) as far:
                far.start()
                nonce = (await far.wait("connect.challenge"))["payload"]["nonce"]
                with pytest.raises(WireError) as refused:
                    await far.call("connect", device.connect(nonce, token=gateway.token))
            await person.call("device.pair.approve", {"requestId": refused.value.details["requestId"]})
            await person.call("device.token.revoke", {"deviceId": device.id, "role": "operator"})
            current = await person.call("config.get")
            await person.call("config.patch", {"raw": '{"session": {"maxQueued": 7}}', "baseHash": current["hash"]})

    run(main())
    found = {}
    for kind, facts in events(gateway):
        found.setdefault(kind, []).append(facts)
    assert found["approval"][0]["decision"] == "deny" and found["approval"][0]["id"] == "a1"
    assert [facts["action"] for facts in found["pairing"]] == ["asked", "approved", "revoked"]
    assert {facts["device"] for facts in found["pairing"]} == {device.id}
    assert [facts["names"] for facts in found["config"]] == ["session.maxQueued"]
    for kind in ("approval", "config", "connected"):
        assert all(facts["user"] and facts["via"] == "token" and facts["client"] for facts in found[kind]), kind
    assert "canary" not in (gateway.home / "logs" / "audit.log").read_text()
