"""The process: address, lock, exit codes and messages, signals, and what is left in files and output."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from clawdbot_ext.server.options import parse
from tests.support.http import ask, login, upgrade
from tests.support.pace import promptly
from tests.support.server import ROOT, clean_environment, free_port
from tests.support.wire import opened, run, wired

pytestmark = pytest.mark.slow  # each starts a process
BUSY, CONFIG = 98, 78


def start(state, *arguments, port=None, env=None, timeout=60):
    """Run the command where it is expected to end by itself."""
    given = [] if port is None else [f"--port={port}"]
    return subprocess.run(
        [sys.executable, "-m", "clawdbot_ext.app", "--no-browser", *given, *arguments],
        cwd=ROOT,
        text=True,
        env=clean_environment(state, **(env or {})),
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=timeout,
    )


def test_a_misspelt_option_is_not_left_to_jupyter_and_its_own_are(capsys):
    for word, nearest in (("--prot", "--port"), ("--tokne=x", "--token"), ("--no-browsr", "--no-browser")):
        with pytest.raises(SystemExit) as ended:
            parse([word, "3"])
        assert ended.value.code == 2 and f"did you mean {nearest}?" in capsys.readouterr().err
    theirs = ("--debug", "--config=x", "--transport=tcp", "--log-level=10", "--ServerApp.port_retries=0")
    assert parse(theirs).rest == theirs


@contextlib.contextmanager
def answering(answer=b"", address="127.0.0.1"):
    """A program that has a port and answers everything with ``answer``; what it was sent is collected."""
    received = []
    with socket.create_server((address, 0)) as server:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection, contextlib.suppress(OSError):
                        received.append(connection.recv(65536))
                        connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1], received


# -- starting -------------------------------------------------------------------------------------------------------
def test_the_first_start_makes_private_files_and_says_where_to_go(make_gateway, tmp_path):
    gateway = make_gateway(state=tmp_path / "new" / "state")
    for folder in (gateway.state, gateway.home, gateway.home / "secrets", gateway.home / "logs"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder
    for file in [p for p in gateway.home.rglob("*") if p.is_file()]:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert len(gateway.token) >= 32
    lines = gateway.output.splitlines()
    assert gateway.url in lines[1] and "clawdbot web" in gateway.output
    assert gateway.token not in gateway.output and "Traceback" not in gateway.output
    assert len(lines) <= 11, gateway.output


def test_the_first_lines_are_korean_where_the_terminal_is(make_gateway):
    assert "60초" in make_gateway(env={"LANG": "ko_KR.UTF-8"}).output


def test_localhost_works_by_either_address(standing_gateway):
    assert ask(standing_gateway.port, path="/healthz").json() == {"ok": True}
    if socket.has_ipv6:
        host = [("Host", f"localhost:{standing_gateway.port}")]
        assert ask(standing_gateway.port, path="/healthz", headers=host, source="::1", address="::1").status == 200


def test_loopback_is_not_reachable_by_another_address(standing_gateway):
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", standing_gateway.port), 1)


def test_lan_listens_everywhere_and_takes_addresses_but_no_foreign_names(make_gateway):
    gateway = make_gateway(arguments=("--bind=lan", "--allow-root"))
    port = gateway.port
    assert ask(port, path="/healthz", address="127.0.0.2").status == 200
    assert ask(port, path="/healthz", headers=[("Host", f"192.168.1.5:{port}")]).status == 200
    assert ask(port, path="/healthz", headers=[("Host", socket.gethostname())]).status == 200
    assert ask(port, path="/healthz", headers=[("Host", "evil.example")]).status == 403
    assert gateway.url in gateway.output


def test_ip_is_the_one_address(make_gateway):
    gateway = make_gateway(start=False, arguments=("--ip=127.0.0.3",))
    gateway.spawn()
    info = wait_for(lambda: (gateway.home / "gateway.json").exists() and (gateway.home / "gateway.json").read_text())
    assert f"http://127.0.0.3:{gateway.port}/" in info
    assert ask(gateway.port, path="/healthz", address="127.0.0.3").status == 200
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", gateway.port), 1)


def wait_for(condition, timeout=60.0):
    ends = time.monotonic() + timeout
    while time.monotonic() < ends:
        if found := condition():
            return found
        time.sleep(0.01)
    raise AssertionError(f"did not happen within {timeout} s")


@pytest.mark.parametrize(
    ("arguments", "env", "trait", "file", "expected"),
    [
        ((), {}, None, None, "default"),
        ((), {}, None, "file", "file"),
        ((), {}, "trait", "file", "trait"),
        ((), {"CLAWDBOT_GATEWAY_PORT": "env"}, "trait", "file", "env"),
        ((), {"JUPYTER_PORT": "env"}, "trait", "file", "env"),
        (("--port=flag",), {"CLAWDBOT_GATEWAY_PORT": "env"}, "trait", "file", "flag"),
        (("--ServerApp.port=trait",), {}, None, "file", "trait"),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else None,
)
def test_the_port_comes_from_the_strongest_source(tmp_path, arguments, env, trait, file, expected):
    """Each candidate port is held by a program of ours, so the message names the one that was tried."""
    with contextlib.ExitStack() as stack:
        ports = {name: stack.enter_context(answering())[0] for name in ("flag", "env", "trait", "file")}
        ports["default"] = 18789

        def fill(text):
            return text if text not in ports else str(ports[text])

        if trait:
            folder = tmp_path / "jupyter-config"
            folder.mkdir()
            (folder / "jupyter_clawdbot_config.py").write_text(f"c.ServerApp.port = {ports['trait']}\n")
            (folder / "jupyter_server_config.py").write_text("c.ServerApp.port = 1\nc.ServerApp.ip = '0.0.0.0'\n")
        if file:
            (tmp_path / "jupyter").mkdir(mode=0o700)
            (tmp_path / "jupyter" / "config.json").write_text(f"{{gateway: {{port: {ports['file']}}}}}")
        given = [f"{a.split('=')[0]}={fill(a.split('=')[1])}" for a in arguments]
        if expected == "default":
            code = "from clawdbot_ext import config; print(config.load()['gateway.port'])"
            done = subprocess.run(
                [sys.executable, "-c", code], env=clean_environment(tmp_path), text=True, capture_output=True
            )
            assert done.stdout.strip() == "18789"
            return
        done = start(tmp_path, *given, env={name: fill(value) for name, value in env.items()})
        assert done.returncode == BUSY and str(ports[expected]) in done.stderr, done.stderr


@pytest.mark.parametrize(
    "arguments",
    [("--port=99999",), ("--bind=custom",), ("--bind=tailnet",), ("--ip=192.0.2.1",), ("--ip=no.such.host.invalid",)],
    ids=" ".join,
)
def test_what_cannot_be_meant_is_refused_in_one_line(tmp_path, arguments):
    done = start(tmp_path, *arguments, "--allow-root", env={"CLAWDBOT_GATEWAY_PORT": str(free_port())})
    assert done.returncode == CONFIG and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr


@pytest.mark.parametrize("secret", [("--token=short",), ("--token=changeme",), ("--password=short",)], ids=" ".join)
def test_a_weak_secret_is_refused_where_others_can_connect(tmp_path, secret):
    done = start(tmp_path, "--bind=lan", "--allow-root", *secret, port=free_port())
    assert done.returncode == CONFIG and "gateway.auth." in done.stderr
    assert secret[0].split("=")[1] not in done.stderr.replace("must not be a placeholder", "")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be refused as root")
def test_root_is_warned_on_loopback_and_refused_elsewhere(tmp_path, standing_gateway):
    assert "root" in standing_gateway.output
    done = start(tmp_path, "--bind=lan", port=free_port())
    assert done.returncode == 1 and "--allow-root" in done.stderr


# -- a busy port ----------------------------------------------------------------------------------------------------
CHALLENGE = b'{"type":"event","event":"connect.challenge","payload":{"nonce":"n","ts":1}}'
CLAWDBOT = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: x\r\n\r\n" + bytes([0x81, len(CHALLENGE)]) + CHALLENGE
)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", f"process {os.getpid()}"),
        (b"HTTP/1.1 200 OK\r\n\r\nhi", "another program"),
        (CLAWDBOT, "a Clawdbot gateway"),
    ],
    ids=["silent", "web server", "clawdbot"],
)
def test_a_busy_port_is_named_with_its_holder_who_is_sent_nothing_secret(tmp_path, answer, words):
    with answering(answer) as (port, received):
        done = start(tmp_path, port=port, env={"CLAWDBOT_GATEWAY_TOKEN": "canary-secret-token"})
    assert done.returncode == BUSY and done.stdout == ""
    assert f"Port {port}" in done.stderr and words in done.stderr
    everything = b"".join(received)
    assert b"canary" not in everything and b"Authorization" not in everything and b'"connect"' not in everything
    assert not (tmp_path / "jupyter" / "gateway.json").exists()


def test_a_port_held_by_another_gateway_of_ours_is_named_with_process_and_address(tmp_path, standing_gateway):
    done = start(tmp_path / "other", port=standing_gateway.port)
    assert done.returncode == BUSY
    assert str(standing_gateway.pid) in done.stderr and standing_gateway.url in done.stderr


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_a_port_that_is_free_on_one_loopback_address_only_is_busy(tmp_path):
    with socket.socket(socket.AF_INET6) as held:
        held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        held.bind(("::1", 0))
        held.listen()
        assert start(tmp_path, port=held.getsockname()[1]).returncode == BUSY


def test_a_damaged_store_is_named_and_left_as_it_is(tmp_path):
    (tmp_path / "jupyter").mkdir(mode=0o700)
    database = tmp_path / "jupyter" / "gateway.sqlite3"
    database.write_bytes(b"this is no database " * 1000)
    done = start(tmp_path, port=free_port())
    assert done.returncode == 1 and str(database) in done.stderr and "Traceback" not in done.stderr
    assert database.read_bytes().startswith(b"this is no database")
    assert "chat?code" not in done.stdout and not (tmp_path / "jupyter" / "gateway.json").exists()


def test_a_state_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    done = start(tmp_path, port=free_port(), env={"CLAWDBOT_STATE_DIR": str(tmp_path / "file" / "state")})
    assert done.returncode == CONFIG and str(tmp_path / "file") in done.stderr and len(done.stderr.splitlines()) == 1


# -- one gateway a state directory ----------------------------------------------------------------------------------
def test_a_second_start_points_to_the_first_and_succeeds(gateway):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for port in (None, gateway.port):
        done = start(gateway.state, port=port)
        assert done.returncode == 0 and done.stderr == ""
        assert gateway.url in done.stdout and str(gateway.pid) in done.stdout
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime < 4  # seconds of a core, for both


def test_a_second_start_on_another_port_is_refused_since_it_would_listen_nowhere(gateway):
    done = start(gateway.state, port=free_port())
    assert done.returncode == BUSY and gateway.url in done.stderr and str(gateway.pid) in done.stderr


def test_force_takes_over_from_the_running_gateway(make_gateway):
    first = make_gateway()
    second = make_gateway(state=first.state, arguments=("--force",))
    assert first.wait() == 0
    assert login(second.port, token=second.token).status == 204


def test_force_signals_no_process_but_the_one_that_holds_the_lock(gateway, tmp_path):
    """In a container a gateway publishes a process id that means another program outside."""
    with subprocess.Popen(["sleep", "30"]) as bystander:
        published = gateway.home / "gateway.json"
        published.write_text(json.dumps(json.loads(published.read_text()) | {"pid": bystander.pid}))
        done = start(gateway.state, "--force", port=free_port())
        assert (done.returncode, bystander.poll()) == (98, None) and str(bystander.pid) in done.stdout + done.stderr
        bystander.kill()


def test_what_a_killed_gateway_left_behind_is_no_obstacle(gateway):
    gateway.kill()
    assert (gateway.home / "gateway.json").exists()
    gateway.start()
    assert ask(gateway.port, path="/healthz").status == 200


# -- stopping -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_without_a_question_and_nothing_is_left(gateway, number):
    os.kill(gateway.pid, number)
    assert gateway.wait() == 0
    assert not (gateway.home / "gateway.json").exists()
    assert "Traceback" not in gateway.output and "Task was destroyed" not in gateway.output
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", gateway.port), 1)
    gateway.start()


def test_a_second_sigterm_ends_it_at_once(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            run_id, _ = await wire.send("[[tokens=100000]] [[delay_ms=20]]")
            await wire.wait("chat", lambda p: p["runId"] == run_id)
            gateway.terminate()
            await wire.wait("shutdown")
            began = time.monotonic()
            gateway.terminate()
            assert gateway.wait() == 128 + signal.SIGTERM
            assert time.monotonic() - began < promptly(2)

    run(main())


def test_while_it_drains_it_is_not_healthy_and_takes_nobody(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            with socket.create_connection(("127.0.0.1", gateway.port)) as connection:
                request = f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{gateway.port}\r\n\r\n".encode()
                connection.sendall(request)
                assert b"200" in connection.recv(4096)
                run_id, _ = await wire.send("[[tokens=100000]] [[delay_ms=20]]")
                await wire.wait("chat", lambda p: p["runId"] == run_id)
                gateway.terminate()
                await wire.wait("shutdown")
                connection.sendall(request)
                assert b"503" in connection.recv(4096)
            with pytest.raises(OSError, match="refused"):
                socket.create_connection(("127.0.0.1", gateway.port), 1)

    run(main())
    gateway.kill()


def test_it_stops_by_request(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            assert (await wire.call("gateway.stop")) == {"ok": True}
            await wire.wait("shutdown")

    run(main())
    assert gateway.wait() == 0


def test_it_restarts_by_request_as_the_same_process_and_tells_clients_to_come_back(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            uptime = wire.hello["snapshot"]["uptimeMs"]
            await wire.call("gateway.stop", {"restart": True})
            goodbye = (await wire.wait("shutdown"))["payload"]
            assert goodbye["restartExpectedMs"] > 0
            assert await wire.closed() == 1012
        return uptime

    pid, links = gateway.pid, gateway.output.count("chat?code=")
    run(main())
    wait_for(lambda: (gateway.home / "gateway.json").exists() and _healthy(gateway))

    async def again():
        async with wired(gateway.ws_url, gateway.token) as wire:
            assert wire.hello["snapshot"]["uptimeMs"] < 10_000

    run(again())
    assert gateway.pid == pid and gateway.output.count("chat?code=") == links
    gateway.terminate()
    assert gateway.wait() == 0


def _healthy(gateway):
    try:
        return ask(gateway.port, path="/healthz").status == 200
    except OSError:
        return False


# -- secrets and slow clients ---------------------------------------------------------------------------------------
def test_no_secret_is_in_any_output_file_or_process_list(make_gateway):
    canaries = {"token": "canary-token-0123456789", "key": "sk-ant-canary"}
    gateway = make_gateway(
        env={
            "CLAWDBOT_GATEWAY_TOKEN": canaries["token"],
            "ANTHROPIC_API_KEY": canaries["key"],
            "ANTHROPIC_BASE_URL": "http://127.0.0.1:9",
        },
        arguments=("--verbose", "--debug"),
    )
    port, own = gateway.port, [("Origin", gateway.url.rstrip("/"))]
    cookie = login(port, token=canaries["token"]).cookie
    guesses = {"wrong": "canary-guess", "link": "canary-code", "referer": "canary-referer", "cookie": "canary-cookie"}
    login(port, token=guesses["wrong"])
    login(port, password=guesses["wrong"])
    for path in (
        "/api/contents",
        "/api/kernels/none",
        f"/chat?code={guesses['link']}",
        f"/nothing?token={guesses['wrong']}",
        f"/api/contents/none?token={guesses['wrong']}",
        "/api/nbconvert",
        "/nbconvert/html/none",
    ):
        for headers in (
            [("Cookie", cookie)],
            [("Authorization", f"Bearer {canaries['token']}")],
            [("Authorization", f"Bearer {guesses['wrong']}")],
            [("Cookie", f"clawdbot-{port}={guesses['cookie']}")],
            [("Referer", f"http://127.0.0.1:{port}/?token={guesses['referer']}")],
        ):
            ask(port, path=path, headers=headers)
            ask(port, "POST", path, [*own, *headers], b'{"token": "canary-guess"}')
            upgrade(port, path, [*own, *headers])

    async def main():
        async with opened(gateway.ws_url) as wire:
            params = {"auth": {"token": guesses["wrong"]}}
            await wire.socket.send(json.dumps({"type": "req", "id": "1", "method": "connect", "params": params}))
            await wire.closed()

    run(main())
    gateway.terminate()
    gateway.wait()
    written = [
        gateway.output,
        *(p.read_text(errors="replace") for p in gateway.home.rglob("*") if p.is_file() and p.parent.name != "secrets"),
        *(p.read_text(errors="replace") for p in gateway.state.rglob("*.json")),
    ]
    for secret in (*canaries.values(), *guesses.values(), cookie.split("=")[1]):
        assert not [text for text in written if secret in text], secret


def test_a_client_that_never_finishes_its_request_is_cut_off(standing_gateway):
    for sent in (b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n"):
        with socket.create_connection(("127.0.0.1", standing_gateway.port)) as connection:
            connection.settimeout(5)
            connection.sendall(sent)
            assert connection.recv(1) == b""


def test_a_client_that_says_nothing_after_the_upgrade_is_cut_off(make_gateway):
    gateway = make_gateway(config={"gateway": {"handshakeTimeoutMs": 1000}})

    async def main():
        async with opened(gateway.ws_url) as wire:
            assert await wire.closed(timeout=promptly(5)) == 1008

    run(main())


def test_help_and_version_need_no_server(tmp_path):
    for arguments, words in ((("--help",), "--bind"), (("--version",), "."), (("--help-all",), "ClawdbotApp")):
        done = start(tmp_path, *arguments)
        assert done.returncode == 0 and words in done.stdout
    for wrong in ("--bind=everywhere", "--password=", "--port=many"):
        assert start(tmp_path, wrong).returncode == 2
    assert not (tmp_path / "jupyter").exists()


def test_the_browser_gets_a_file_that_leads_to_a_link_so_that_no_process_list_has_the_code(make_gateway, tmp_path):
    seen = tmp_path / "seen"
    browser = tmp_path / "browser.sh"
    browser.write_text(f'#!/bin/sh\necho "$1" > {seen}.part && mv {seen}.part {seen}\n')
    browser.chmod(0o755)
    gateway = make_gateway(start=False, env={"BROWSER": f"{browser} %s"})
    gateway.browser = True
    gateway.spawn()
    url = wait_for(lambda: seen.exists() and seen.read_text().strip())
    assert url.startswith("file:") and "code=" not in url
    page = Path(url.removeprefix("file://")).read_text()
    code = re.search(r"/chat\?code=([\w-]+)", page)
    assert code and Path(url.removeprefix("file://")).stat().st_mode & 0o777 == 0o600
    assert code[1] not in gateway.output
    assert ask(gateway.port, path=f"/chat?code={code[1]}").headers["Location"] == "chat"


def test_a_first_start_on_a_full_disk_says_so_and_works_when_there_is_room(make_gateway, tmp_path):
    """Here the limit on the size of files stands for the disk: nothing can be written."""
    state = tmp_path / "full"
    refused = subprocess.run(
        [sys.executable, "-m", "clawdbot_ext.app", f"--port={free_port()}", "--no-browser"],
        cwd=tmp_path,
        env=clean_environment(state),
        capture_output=True,
        text=True,
        timeout=90,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
    )
    assert refused.returncode == 1 and "Traceback" not in refused.stderr, refused.stderr
    assert f"The state directory {state} cannot be used: File too large" in refused.stderr
    gateway = make_gateway(state=state)
    assert gateway.token
