"""Tailscale, by a ``tailscale`` program that the test writes: offered and taken back, and who is believed to come."""

from __future__ import annotations

import asyncio
import json

import pytest
from tornado.httputil import HTTPHeaders

from clawdbot_ext import config
from clawdbot_ext.client.endpoint import locate
from clawdbot_ext.client.sync import connect
from clawdbot_ext.server.net import tailscale
from tests.cli.conftest import run_cli
from tests.support import aio
from tests.support.http import ask, upgrade
from tests.support.jupyter import JupyterProcess
from tests.support.server import GatewayProcess
from tests.support.tailnet import ADDRESS, NAME, OWNER, Tailnet


@pytest.fixture
def tailnet(tmp_path):
    return Tailnet(tmp_path / "tailnet")


@pytest.fixture(scope="module")
def offered(tmp_path_factory):
    """A gateway that is offered to its tailnet."""
    folder = tmp_path_factory.mktemp("tailscale")
    tailnet = Tailnet(folder / "tailnet")
    gateway = GatewayProcess(folder / "state", env={"PATH": tailnet.path}, arguments=("--tailscale=serve",))
    gateway.start()
    yield gateway, tailnet
    gateway.kill()


def until(condition):
    asyncio.run(aio.until(condition, 45))


def test_serve_is_set_up_shown_everywhere_and_taken_back_at_the_end(make_gateway, tailnet):
    gateway = make_gateway(env={"PATH": tailnet.path}, arguments=("--tailscale=serve",))
    until(lambda: f"https://{NAME}/" in gateway.output)
    target = f"http://127.0.0.1:{gateway.port}"
    assert tailnet.heard[-1] == f"serve --bg --yes --https=443 {target}"
    assert (
        json.loads(run_cli(gateway.environment, "gateway", "status", "--json").stdout)["tailscaleUrl"]
        == f"https://{NAME}/"
    )
    with connect(locate(config.load(gateway.environment))) as client:
        assert f"https://{NAME}/" in client.send("/status").text
    gateway.stop()
    assert tailnet.heard[-1] == "serve --yes --https=443 off" and tailnet.served == {}


def test_what_stays_offered_and_what_was_there_before_is_left_alone(make_gateway, tailnet):
    """``resetOnExit`` off; and the user's own service at the same port."""
    settings = {"gateway": {"tailscale": {"mode": "serve", "resetOnExit": False}}}
    first = make_gateway(env={"PATH": tailnet.path}, config=settings)
    until(lambda: f"https://{NAME}/" in first.output)
    first.stop()
    theirs = tailnet.served
    assert theirs["Web"][f"{NAME}:443"]["Handlers"]["/"]["Proxy"].endswith(f":{first.port}")
    second = make_gateway(env={"PATH": tailnet.path}, arguments=("--tailscale=serve",))
    until(lambda: "already serves something else" in second.output)
    assert ask(second.port, path="/healthz").status == 200, "it runs, on this machine alone"
    second.stop()
    assert tailnet.served == theirs


@pytest.mark.parametrize(
    ("trouble", "said"),
    [("missing", "tailscale program is not installed"), ("down", "tailscale up"), ("broken", "access denied")],
)
def test_trouble_with_tailscale_is_told_and_the_gateway_runs_on_this_machine(make_gateway, tailnet, trouble, said):
    if trouble == "missing":
        (tailnet.folder / "tailscale").unlink()
    elif trouble == "down":
        tailnet.write("status", json.dumps({"BackendState": "Stopped", "Self": {"DNSName": f"{NAME}."}}))
    else:
        tailnet.write("broken", "")
    gateway = make_gateway(env={"PATH": tailnet.path}, arguments=("--tailscale=serve",))
    until(lambda: said in gateway.output)
    assert ask(gateway.port, path="/healthz").status == 200
    published = json.loads((gateway.home / "gateway.json").read_text())
    assert "tailscaleUrl" not in published and published["tailscaleProblem"]["key"].startswith("tailscale.")
    for command in (("gateway", "status"), ("status",), ("doctor",)):
        done = run_cli(gateway.environment, *command)
        assert said in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("--tailscale=funnel",), "password"), (("--tailscale=serve", "--bind=lan", "--allow-root"), "bypass Tailscale")],
)
def test_a_start_that_would_offer_too_much_is_refused(make_gateway, tailnet, arguments, said):
    gateway = make_gateway(start=False, env={"PATH": tailnet.path}, arguments=arguments)
    gateway.spawn()
    assert gateway.wait() == 78 and said in gateway.output and tailnet.heard == []


# -- S5: who it is ----------------------------------------------------------------------------------------------------
GOOD = {
    "X-Forwarded-For": ADDRESS,
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": NAME,
    "Tailscale-User-Login": OWNER,
}
FORGED = {
    "no login": {"Tailscale-User-Login": ""},
    "another login": {"Tailscale-User-Login": "eve@example.com"},
    "no address": {"X-Forwarded-For": ""},
    "no scheme": {"X-Forwarded-Proto": ""},
    "no host": {"X-Forwarded-Host": ""},
    "plain http": {"X-Forwarded-Proto": "http"},
    "two addresses": {"X-Forwarded-For": f"{ADDRESS}, 127.0.0.1"},
    "an unknown address": {"X-Forwarded-For": "100.64.0.8"},
    "no address at all": {"X-Forwarded-For": "owner"},
    "an option": {"X-Forwarded-For": "--help"},
    "another's address": {"X-Forwarded-For": "100.64.0.9"},
    "a whois that hangs": {"X-Forwarded-For": "100.64.0.10"},
    "a whois that rambles": {"X-Forwarded-For": "100.64.0.11"},
    "through funnel": {"Tailscale-Funnel-Request": "?1"},
}


def with_strangers(tailnet):
    tailnet.is_("100.64.0.9", "eve@example.com")
    tailnet.write("slow-100.64.0.10", "")
    tailnet.write("whois-100.64.0.11", "[1]")
    return tailnet


async def login_of(headers, peer="127.0.0.1", whois=None):
    given = HTTPHeaders({name: value for name, value in headers.items() if value})
    return await (whois or tailscale.Whois(10))(given, peer)


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_s5_whom_serve_forwards_and_whois_confirms_is_believed(tailnet, monkeypatch, peer):
    monkeypatch.setenv("PATH", tailnet.path)
    assert asyncio.run(login_of(GOOD, peer, tailscale.Whois(10))) == OWNER
    assert asyncio.run(login_of({**GOOD, "Tailscale-User-Login": OWNER.upper()}, peer, tailscale.Whois(10))) == OWNER


@pytest.mark.parametrize("forged", FORGED)
def test_s5_anything_else_is_nobody(tailnet, monkeypatch, forged):
    monkeypatch.setenv("PATH", with_strangers(tailnet).path)
    whois = tailscale.Whois(0.3 if "hangs" in forged else 10)
    assert asyncio.run(login_of({**GOOD, **FORGED[forged]}, whois=whois)) is None


@pytest.mark.parametrize("peer", ["192.168.1.5", "100.64.0.7", "::ffff:10.0.0.1", "2001:db8::1", "", "localhost"])
def test_s5_the_headers_count_only_from_this_machine(tailnet, monkeypatch, peer):
    monkeypatch.setenv("PATH", tailnet.path)
    assert asyncio.run(login_of(GOOD, peer)) is None
    assert tailnet.heard == [], "no lookup was made"


def test_s5_a_header_twice_is_none(tailnet, monkeypatch):
    monkeypatch.setenv("PATH", tailnet.path)
    for name, value in GOOD.items():
        headers = HTTPHeaders(GOOD)
        headers.add(name, value)
        assert asyncio.run(tailscale.Whois(10)(headers, "127.0.0.1")) is None


def test_s5_an_answer_is_kept_for_a_while_and_many_ask_once(tailnet, monkeypatch):
    monkeypatch.setenv("PATH", tailnet.path)

    async def main():
        whois = tailscale.Whois(10)
        assert await asyncio.gather(*(login_of(GOOD, whois=whois) for _ in range(20))) == [OWNER] * 20
        await asyncio.gather(
            *(login_of({**GOOD, "X-Forwarded-For": f"100.64.1.{last}"}, whois=whois) for last in range(3))
        )
        assert len(whois._known) == 4

    asyncio.run(main())
    assert tailnet.heard.count(f"whois --json {ADDRESS}") <= tailscale.AT_ONCE


def headers_of(more):
    return [(name, value) for name, value in {"Host": NAME, **GOOD, **more}.items() if value]


def test_s5_the_identity_opens_our_routes_and_not_those_of_jupyter(offered):
    gateway, _ = offered
    session = ask(gateway.port, path="/auth/session", headers=headers_of({})).json()
    assert (session["authenticated"], session["user"]) == (True, OWNER)
    assert upgrade(gateway.port, headers=headers_of({"Origin": f"https://{NAME}"})).status == 101
    for path in ("/api/contents", "/api/kernels"):
        assert ask(gateway.port, path=path, headers=headers_of({})).status in (302, 403), path


@pytest.mark.parametrize("forged", [name for name in FORGED if "hangs" not in name])
def test_s5_a_forged_identity_opens_nothing(offered, forged):
    gateway, tailnet = offered
    with_strangers(tailnet)
    headers = headers_of(FORGED[forged])
    session = ask(gateway.port, path="/auth/session", headers=headers).json()
    assert not session["authenticated"]


@pytest.mark.slow
def test_s5_in_a_jupyter_server_the_own_port_is_offered_and_the_mount_takes_no_identity(tailnet, tmp_path):
    lab = JupyterProcess(
        tmp_path / "state", env={"PATH": tailnet.path}, config={"gateway": {"tailscale": {"mode": "serve"}}}
    )
    try:
        lab.start()
        until(lambda: tailnet.served is not None)
        assert tailnet.heard[-1].endswith(f" http://127.0.0.1:{lab.clawdbot_port}")
        session = ask(lab.clawdbot_port, path="/auth/session", headers=headers_of({})).json()
        assert (session["authenticated"], session["user"]) == (True, OWNER)
        mounted = headers_of({"Host": f"127.0.0.1:{lab.port}"})
        assert ask(lab.port, path=f"{lab.mount}auth/session", headers=mounted).status in (302, 403)
        assert upgrade(lab.port, f"{lab.mount}ws", mounted).status == 403
        lab.stop()
        assert tailnet.served == {}
    finally:
        lab.kill()


def test_s5_funnel_gives_no_identity(make_gateway, tailnet):
    gateway = make_gateway(
        env={"PATH": tailnet.path, "CLAWDBOT_GATEWAY_PASSWORD": "a long and good password"},
        arguments=("--tailscale=funnel",),
        config={"gateway": {"auth": {"allowTailscale": True}}},
    )
    until(lambda: f"https://{NAME}/" in gateway.output)
    assert tailnet.heard[-1].startswith("funnel --bg --yes --https=443 ")
    session = ask(gateway.port, path="/auth/session", headers=headers_of({})).json()
    assert not session["authenticated"] and not [line for line in tailnet.heard if line.startswith("whois")]
