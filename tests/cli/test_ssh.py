"""A gateway on another machine: ``clawdbot tunnel`` and ``clawdbot --ssh`` through a real sshd."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import psutil  # type: ignore[import-untyped]
import pytest

from clawdbot_ext.cli.ssh.process import Host, RemoteGateway, SshError
from tests.cli.conftest import TIMEOUT_S, Done, eventually, run_cli
from tests.support.server import GatewayProcess, clean_environment, free_port
from tests.support.sshd import KNOWN, Sshd

Call = Callable[..., Done]


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory, standing_gateway: GatewayProcess) -> Iterator[Sshd]:
    """Another machine, with ``clawdbot`` and a gateway."""
    sshd = Sshd(tmp_path_factory.mktemp("sshd"), standing_gateway.state)
    sshd.install_clawdbot()
    sshd.start()
    yield sshd
    sshd.stop()


@pytest.fixture
def here(tmp_path: Path, box: Sshd) -> dict[str, str]:
    """The environment of this machine, where no gateway runs."""
    return clean_environment(tmp_path, **box.environment)


@pytest.fixture
def call(here: dict[str, str]) -> Call:
    """The command line of this machine."""
    return lambda *arguments, **environment: run_cli({**here, **environment}, *arguments)


class Opened:
    """``clawdbot tunnel`` as a process, and what it wrote."""

    def __init__(self, environment: dict[str, str], *arguments: str):
        self._process = subprocess.Popen(
            [sys.executable, "-m", "clawdbot_ext", "tunnel", KNOWN, "--json", *arguments],
            env=environment,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.notes: list[str] = []
        self._heard = threading.Condition()
        assert self._process.stdout is not None
        lines: list[str] = []
        while not lines or lines[-1] != "}\n":
            line = self._process.stdout.readline()
            if not line:
                raise RuntimeError(self._process.communicate()[1])
            lines.append(line)
        self.said = json.loads("".join(lines))
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            with self._heard:
                self.notes.append(line)
                self._heard.notify_all()

    def await_note(self, text: str) -> None:
        with self._heard:
            assert self._heard.wait_for(lambda: any(text in note for note in self.notes), TIMEOUT_S), self.notes

    def ssh(self) -> psutil.Process:
        """The ssh that it runs."""
        (found,) = [child for child in psutil.Process(self._process.pid).children() if child.name() == "ssh"]
        return found

    def end(self, number: signal.Signals) -> int:
        self._process.send_signal(number)
        code = self._process.wait(TIMEOUT_S)
        self._reader.join(TIMEOUT_S)
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()
        return code


def healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}healthz", timeout=60) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def test_the_certificate_of_a_gateway_with_tls_is_told_over_ssh_and_believed_alone(tmp_path: Path) -> None:
    gateway = GatewayProcess(tmp_path / "state", config={"gateway": {"tls": {"enabled": True}}})
    sshd = Sshd(tmp_path / "sshd", gateway.state)
    sshd.install_clawdbot()
    try:
        gateway.start()
        sshd.start()
        found = run_cli(clean_environment(tmp_path / "here", **sshd.environment), "--ssh", KNOWN, "health", "--json")
        assert (found.returncode, json.loads(found.stdout)["ok"]) == (0, True), found.stderr
        printed = run_cli(gateway.environment, "web", "--print", "--json").stdout
        read = RemoteGateway.read(Host.parse(KNOWN), printed)
        assert read.scheme == "https" and read.tls_fingerprint == json.loads(printed)["tlsFingerprint"]
        garbled = printed.replace(read.tls_fingerprint, "--")
        assert RemoteGateway.read(Host.parse(KNOWN), garbled).tls_fingerprint is None
    finally:
        sshd.stop()
        gateway.kill()


# -- the tunnel -------------------------------------------------------------------------------------------------------
def test_a_tunnel_opens_the_page_logged_in_comes_back_and_leaves_nothing_behind(
    here: dict[str, str], standing_gateway: GatewayProcess
) -> None:
    tunnel = Opened(here)
    page = tunnel.said["pageUrl"]
    assert tunnel.said["port"] != standing_gateway.port, "that one is taken here"
    assert healthy(page)
    cookies = urllib.request.HTTPCookieProcessor()
    browser = urllib.request.build_opener(cookies)
    with browser.open(tunnel.said["url"], timeout=60) as answer:
        assert answer.url == f"{page}chat"
    with browser.open(f"{page}auth/session", timeout=60) as answer:
        assert json.load(answer)["authenticated"] is True

    before = tunnel.ssh()
    before.kill()
    tunnel.await_note("Connected again")
    assert healthy(page), "at the same address"
    after = tunnel.ssh()
    assert after.pid != before.pid

    assert tunnel.end(signal.SIGINT) == 130
    assert not after.is_running()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", tunnel.said["port"]), 2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_however_a_tunnel_ends_no_ssh_is_left(number: signal.Signals, here: dict[str, str]) -> None:
    tunnel = Opened(here, "--local-port", str(free_port()))
    ssh = tunnel.ssh()
    tunnel.end(number)
    assert eventually(lambda: not ssh.is_running() or ssh.status() == psutil.STATUS_ZOMBIE)


def test_a_taken_port_is_named_with_the_way_out(call: Call) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = call("tunnel", KNOWN, "--no-browser", "--local-port", str(port))
    assert done.returncode == 1
    assert f"Port {port} on this machine is in use. Choose another with --local-port." in done.stderr


# -- commands ---------------------------------------------------------------------------------------------------------
def test_a_command_asks_the_gateway_of_the_other_machine(call: Call, standing_gateway: GatewayProcess) -> None:
    asked = call("--ssh", KNOWN, "agent", "-m", "hello over ssh", "--session", "far")
    assert (asked.returncode, "demo" in asked.stdout) == (0, True), asked.stderr
    shown = run_cli(standing_gateway.environment, "sessions", "show", "far", "--json")
    assert json.loads(shown.stdout)["messages"][0]["content"] == [{"type": "text", "text": "hello over ssh"}]
    assert [child for child in psutil.Process().children() if child.name() == "ssh"] == []


def test_a_file_goes_along(call: Call, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("a,b\n1,2\n")
    done = call("--ssh", KNOWN, "agent", "-m", "look", "--attach", str(tmp_path / "data.csv"), "--session", "file")
    assert done.returncode == 0, done.stderr


def test_the_program_there_can_be_named(call: Call) -> None:
    done = call("--ssh", KNOWN, "--remote-command", f"{sys.executable} -m clawdbot_ext", "status", "--json")
    assert (done.returncode, "sessions" in json.loads(done.stdout)) == (0, True)


def test_the_state_of_the_gateway_there_is_told_and_not_ours(call: Call) -> None:
    done = call("--ssh", KNOWN, "gateway", "status", "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["running"], "pid" in found) == (0, True, False)


def test_the_connection_of_a_long_command_comes_back(here: dict[str, str]) -> None:
    events = subprocess.Popen(
        [sys.executable, "-m", "clawdbot_ext", "--ssh", KNOWN, "node", "--name", "far"],
        env=here,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        assert events.stderr is not None
        events.stderr.readline()
        (ssh,) = psutil.Process(events.pid).children()
        ssh.kill()
        assert eventually(
            lambda: (
                [child.status() for child in psutil.Process(events.pid).children() if child.pid != ssh.pid]
                == [psutil.STATUS_SLEEPING]
            )
        )
    finally:
        events.terminate()
        events.communicate(timeout=TIMEOUT_S)


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("--ssh", KNOWN, "web"), "clawdbot tunnel HOST"),
        (("--ssh", KNOWN, "gateway", "run"), "can't be used with --ssh"),
        (("--ssh", KNOWN, "config", "get", "gateway.port"), "can't be used with --ssh"),
        (("--ssh", KNOWN, "doctor"), "can't be used with --ssh"),
        (("--ssh", KNOWN, "security", "audit"), "can't be used with --ssh"),
        (("--ssh", KNOWN, "status", "--url", "ws://127.0.0.1:1/"), "different gateways"),
        (("--remote-command", "x", "status"), "can only be used with --ssh"),
    ],
)
def test_what_makes_no_sense_through_ssh_says_so(call: Call, arguments: tuple[str, ...], hint: str) -> None:
    done = call(*arguments)
    assert done.returncode == 2
    assert hint in done.stderr


# -- what goes wrong --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("host", "code", "hint"),
    [
        ("stranger", 4, "accept it: ssh stranger"),
        ("locked-out", 4, "ssh-add"),
        ("shut", 3, "cannot be reached"),
        ("no-such-machine.invalid", 3, "The host no-such-machine.invalid was not found"),
    ],
)
def test_a_way_that_does_not_work_is_told_in_a_sentence(call: Call, host: str, code: int, hint: str) -> None:
    done = call("--ssh", host, "status")
    assert (done.returncode, hint in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr


def test_a_failure_is_told_in_korean(call: Call) -> None:
    done = call("tunnel", "stranger", LC_ALL="ko_KR.UTF-8")
    assert "stranger 컴퓨터의 호스트 키가 아직 known_hosts에 없어요" in done.stderr


def test_a_machine_without_clawdbot_or_without_a_gateway_says_which(call: Call, box: Sshd, tmp_path: Path) -> None:
    missing = call("--ssh", KNOWN, "--remote-command", "clawdbot-nowhere", "status")
    assert (missing.returncode, "--remote-command" in missing.stderr) == (1, True), missing.stderr
    elsewhere = f"env CLAWDBOT_STATE_DIR={tmp_path / 'empty'} {box.programs / 'clawdbot'}"
    idle = call("--ssh", KNOWN, "--remote-command", elsewhere, "status")
    assert (idle.returncode, f"No gateway is running on {KNOWN}" in idle.stderr) == (3, True), idle.stderr


def test_a_machine_without_ssh_says_so(call: Call) -> None:
    done = call("--ssh", KNOWN, "status", CLAWDBOT_SSH="ssh-nowhere")
    assert (done.returncode, "ssh-nowhere" in done.stderr) == (3, True)


@pytest.mark.parametrize(
    "target",
    [
        "-oProxyCommand=id",
        "user@-oProxyCommand=id",
        "-l@box",
        "a b",
        "box;id",
        "box$(id)",
        "`id`",
        "us'er@box",
        "box|id",
        "user@box:0",
        "user@box:65536",
        "user@box:-p",
        "fe80::1",
        "box\n",
        "",
        "@box",
        "user@",
        "box/x",
        "box&",
        "ｂox",
    ],
)
def test_a_name_that_ssh_or_a_shell_could_act_on_is_refused(target: str) -> None:
    with pytest.raises(click.BadParameter):
        Host.parse(target)


@pytest.mark.parametrize(
    ("target", "host"),
    [
        ("box", Host("box")),
        ("me@box.example:2222", Host("box.example", "me", 2222)),
        ("me@corp.example@box", Host("box", "me@corp.example")),
        ("me@[2001:db8::1]:22", Host("2001:db8::1", "me", 22)),
    ],
)
def test_a_name_is_read(target: str, host: Host) -> None:
    assert Host.parse(target) == host
    words = host.call(asking=False)
    assert words[-2:] == ["--", host.name]
    assert "BatchMode=yes" in words


@pytest.mark.parametrize(
    "url",
    [
        "http://-oProxyCommand=id:1/chat?code=a",
        "http://h:1/chat?code=a&token=b",
        "javascript:alert(1)",
        "chat",
        "http://h:99999/chat?code=a",
        "http://h:1/a b/chat?code=a",
        "http://u:p@h:1/x?y",
        "http://h:1/chat?code=",
    ],
)
def test_what_another_machine_says_is_not_believed_blindly(url: str) -> None:
    printed = json.dumps({"url": url, "expiresAt": 1})
    with pytest.raises(SshError):
        RemoteGateway.read(Host("box"), printed)


def test_the_address_is_found_in_what_a_login_prints() -> None:
    printed = 'hello {there}\n{"url": 1}\n{\n "url": "http://[::1]:80/lab/clawdbot/chat?code=a", "expiresAt": 5\n}\nb'
    found = RemoteGateway.read(Host("box"), printed)
    assert (found.address, found.port, found.root, found.query) == ("[::1]", 80, "/lab/clawdbot/", "code=a")
