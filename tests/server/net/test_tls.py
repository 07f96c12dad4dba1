"""https and wss on the gateway's own port: whose certificate is shown, and which one clients believe."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import subprocess
import threading

import pytest
from tornado.httpclient import AsyncHTTPClient

from clawdbot_ext import config
from clawdbot_ext.client import tls as endpoint_tls
from clawdbot_ext.client.endpoint import Endpoint, locate
from clawdbot_ext.client.errors import Untrusted
from clawdbot_ext.client.gateway_client import GatewayClient
from clawdbot_ext.server.net import tls
from tests.cli.conftest import run_cli
from tests.support import aio
from tests.support.jupyter import JupyterProcess
from tests.support.server import GatewayProcess, clean_environment, free_port

TLS = {"gateway": {"tls": {"enabled": True}}}
OTHER = ":".join(["AB"] * 32)


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    """A gateway that made its certificate at its first start."""
    gateway = GatewayProcess(tmp_path_factory.mktemp("tls") / "state", config=TLS)
    gateway.start()
    yield gateway
    gateway.kill()


def seen_at(port):
    with (
        socket.create_connection(("127.0.0.1", port), 5) as plain,
        ssl._create_unverified_context().wrap_socket(plain) as connection,
    ):
        return endpoint_tls.fingerprint(connection.getpeercert(binary_form=True))


def settings(folder, **flags):
    return config.load(
        {"CLAWDBOT_STATE_DIR": str(folder)},
        flags={f"gateway.{name.replace('__', '.')}": value for name, value in flags.items()},
    )


def health(given):
    async def main():
        async with GatewayClient(given) as client:
            return (await client.request("health"))["ok"]

    return asyncio.run(main())


def test_the_certificate_that_was_made_is_private_and_its_fingerprint_is_shown(secure):
    fingerprint = seen_at(secure.port)
    assert fingerprint in secure.output
    for name in ("cert.pem", "key.pem"):
        assert (secure.home / "tls" / name).stat().st_mode & 0o777 == 0o600
    assert (secure.home / "tls").stat().st_mode & 0o777 == 0o700
    done = run_cli(secure.environment, "gateway", "status", "--json")
    status = json.loads(done.stdout)
    assert (status["url"], status["tlsFingerprint"], done.returncode) == (secure.url, fingerprint, 0)
    assert fingerprint in run_cli(secure.environment, "gateway", "status").stdout
    printed = json.loads(run_cli(secure.environment, "web", "--print", "--json").stdout)
    assert printed["url"].startswith(f"{secure.url}?code=") and printed["tlsFingerprint"] == fingerprint


def test_clients_of_the_account_believe_its_own_certificate_for_sockets_and_files(secure):
    given = locate(config.load(secure.environment))

    async def main():
        async with GatewayClient(given) as client:
            assert (await client.request("health"))["ok"]
            assert (await client.send("hello", [("a.csv", b"a,b\n1,2\n")])).text
            with pytest.raises(Exception, match="certificate"):  # no other client does
                await AsyncHTTPClient().fetch(f"{secure.url}healthz")

    asyncio.run(main())


def test_a_lasting_remote_is_believed_by_its_fingerprint_alone(secure, tmp_path):
    """``gateway.remote.*`` on another machine: no state directory in common."""
    there = {"url": secure.url, "token": secure.token}
    fingerprint = seen_at(secure.port)
    environment = clean_environment(tmp_path)
    file = tmp_path / "jupyter" / "config.json"
    file.parent.mkdir(mode=0o700)

    def health_of(*arguments, **remote):
        file.write_text(json.dumps({"gateway": {"remote": {**there, **remote}}}))
        return run_cli(environment, "health", *arguments)

    assert health_of(tlsFingerprint=fingerprint).returncode == 0
    assert health_of(tlsFingerprint=fingerprint.replace(":", "").lower()).returncode == 0
    assert health_of("--tls-fingerprint", f"sha256:{fingerprint}").returncode == 0
    unknown = health_of()
    assert (unknown.returncode, "tlsFingerprint" in unknown.stderr) == (4, True), unknown.stderr
    other = health_of(tlsFingerprint=OTHER)
    assert (other.returncode, fingerprint in other.stderr) == (4, True), other.stderr
    assert health_of("--tls-fingerprint", "AB").returncode == 2


def test_nothing_is_said_to_whoever_shows_another_certificate(secure, tmp_path):
    """Not the token either: the handshake ends, and with it the connection."""
    tls_there = tls.certificate(settings(tmp_path, tls__enabled=True))
    heard = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)

        def listen():
            connection, _ = listening.accept()
            connection.settimeout(10)
            try:
                with tls_there.context.wrap_socket(connection, server_side=True) as wrapped:
                    heard.append(wrapped.recv(1000))
            except OSError:
                heard.append(b"")

        thread = threading.Thread(target=listen)
        thread.start()
        url = f"wss://127.0.0.1:{listening.getsockname()[1]}/ws"
        with pytest.raises(Untrusted) as caught:
            health(Endpoint(url, url, secure.token, tls_fingerprint=seen_at(secure.port)))
        thread.join(10)
    assert heard == [b""] and caught.value.seen == tls_there.fingerprint


def test_a_page_over_https_gets_a_secure_cookie_and_its_origin_is_https(secure):
    context = endpoint_tls.pinned(seen_at(secure.port))

    async def ask(origin):
        return await AsyncHTTPClient().fetch(
            f"{secure.url}auth/login",
            method="POST",
            headers={"Origin": origin},
            ssl_options=context,
            body=json.dumps({"token": secure.token}),
            raise_error=False,
        )

    answer = asyncio.run(ask(secure.url.rstrip("/")))
    assert answer.code == 204 and "secure" in answer.headers["Set-Cookie"].lower()
    assert asyncio.run(ask(secure.url.rstrip("/").replace("https", "http"))).code == 403


@pytest.mark.slow
def test_a_jupyter_server_relays_to_it_and_listens_with_the_same_certificate_when_it_takes_over(tmp_path):
    state, port = tmp_path / "state", free_port()
    standalone = GatewayProcess(state, config=TLS)
    standalone.port = port
    lab = None
    try:
        standalone.start()
        lab = JupyterProcess(state, clawdbot_port=port)
        lab.start()
        fingerprint = seen_at(port)
        through = Endpoint(lab.ws_url, lab.url, "jupyter-token")
        assert health(through)
        standalone.stop()

        def owner():
            info = lab.home / "gateway.json"
            return info.exists() and json.loads(info.read_text())["host"] == "jupyter"

        asyncio.run(aio.until(owner, 45))
        assert seen_at(port) == fingerprint
        assert health(locate(config.load(lab.environment))) and health(through)
    finally:
        standalone.kill()
        if lab is not None:
            lab.kill()


# -- whose certificate ------------------------------------------------------------------------------------------------
def openssl(folder, *words):
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, timeout=60)


def test_a_made_certificate_stays_until_it_has_run_out(tmp_path):
    wanted = settings(tmp_path, tls__enabled=True)
    first = tls.certificate(wanted)
    assert tls.certificate(wanted).fingerprint == first.fingerprint
    cert, _ = tls.own_paths(wanted)
    cert.write_bytes(b"broken")
    assert tls.certificate(wanted).fingerprint != first.fingerprint


def test_the_users_own_certificate_is_shown(tmp_path):
    openssl(
        tmp_path,
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-keyout",
        "key.pem",
        "-out",
        "cert.pem",
        "-subj",
        "/CN=box",
        "-days",
        "2",
    )
    made = tls.certificate(
        settings(
            tmp_path,
            tls__enabled=True,
            tls__certPath=str(tmp_path / "cert.pem"),
            tls__keyPath=str(tmp_path / "key.pem"),
        )
    )
    shown = subprocess.run(
        ["openssl", "x509", "-in", tmp_path / "cert.pem", "-noout", "-fingerprint", "-sha256"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    assert made.fingerprint == shown.strip().partition("=")[2]
    both = tmp_path / "both.pem"
    both.write_text((tmp_path / "key.pem").read_text() + (tmp_path / "cert.pem").read_text())
    alone = tls.certificate(settings(tmp_path, tls__enabled=True, tls__certPath=str(both)))
    assert (alone.fingerprint, alone.key) == (made.fingerprint, both)


@pytest.mark.parametrize(
    ("files", "key"),
    [
        ({"certPath": "none.pem"}, "tls.unreadable"),
        ({"keyPath": "none.pem"}, "tls.noCertificate"),
        ({"autoGenerate": False}, "tls.noCertificate"),
        ({"certPath": "text.pem"}, "tls.wrong"),
        ({"certPath": "cert.pem", "keyPath": "other.pem"}, "tls.wrong"),
        ({"certPath": "cert.pem", "keyPath": "locked.pem"}, "tls.password"),
    ],
)
def test_a_certificate_that_cannot_be_shown_ends_the_start_with_what_to_do(tmp_path, files, key):
    made = tls.certificate(settings(tmp_path, tls__enabled=True))
    (tmp_path / "cert.pem").write_bytes(made.cert.read_bytes())
    (tmp_path / "text.pem").write_text("no certificate")
    openssl(tmp_path, "genpkey", "-algorithm", "ed25519", "-out", "other.pem")
    openssl(tmp_path, "pkey", "-in", str(made.key), "-aes128", "-passout", "pass:x", "-out", "locked.pem")
    given = {
        f"tls__{name}": str(tmp_path / value) if isinstance(value, str) else value for name, value in files.items()
    }
    with pytest.raises(tls.BadCertificate) as caught:
        tls.certificate(settings(tmp_path, tls__enabled=True, **given))
    assert caught.value.key == key


def test_the_start_says_so(make_gateway):
    gateway = make_gateway(start=False, config={"gateway": {"tls": {"enabled": True, "certPath": "/nothing.pem"}}})
    gateway.spawn()
    assert gateway.wait() == 78 and "/nothing.pem" in gateway.output
