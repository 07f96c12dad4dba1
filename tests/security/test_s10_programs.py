"""S10: programs that are started learn no secret: not by their command line, which everybody on the machine can read,
and not by their environment.

Each place in the package that starts one is in a table, with a trial: it is made to start a spy, which writes down what
it was given.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import psutil
import pytest

import clawdbot_ext
from clawdbot_ext import config
from clawdbot_ext.agent.media import transcribers, worker_client
from clawdbot_ext.agent.media.api import MediaError, MediaSettings
from clawdbot_ext.cli import node
from clawdbot_ext.cli.service import units
from clawdbot_ext.cli.service.units import Service, ServiceError
from clawdbot_ext.cli.ssh import process as ssh
from clawdbot_ext.cli.ssh import tunnel
from clawdbot_ext.cli.ssh.process import Host, RemoteGateway, SshError
from clawdbot_ext.runtime import browser
from clawdbot_ext.server import diagnosis, secret_handover
from clawdbot_ext.server.net import tailscale
from clawdbot_ext.store.files import Files
from tests.support.http import ask
from tests.support.server import GatewayProcess, free_port
from tests.support.wire import opened, run, wired

PACKAGE = Path(clawdbot_ext.__file__).parent
STARTERS = (
    "subprocess.",
    "asyncio.create_subprocess",
    "os.exec",
    "os.spawn",
    "os.posix_spawn",
    "os.system",
    "os.popen",
    "os.startfile",
    "os.fork",
    "pty.",
    "multiprocessing.",
    "webbrowser.",
    "pexpect.",
)
NO_STARTERS = ("subprocess.list2cmdline", "webbrowser.Error", "subprocess.TimeoutExpired", "subprocess.SubprocessError")
CODE = "code=canary-of-a-link"


def calls() -> list[tuple[str, str, ast.Call]]:
    """``(file, dotted name, call)`` of everything in the package that starts a program."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node_ in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node_, ast.Call):
                name = ast.unparse(node_.func)
                if (name.startswith(STARTERS) and name not in NO_STARTERS) or name.endswith(".launch_browser"):
                    found.append((path.relative_to(PACKAGE).as_posix(), name, node_))
    return found


class Spy:
    """A program under any name that writes down its arguments and its environment, and fails."""

    def __init__(self, folder: Path):
        self.folder, self.notes = folder, folder / "notes"
        self.notes.mkdir()

    def install(self, name: str) -> str:
        """As ``name``; its path."""
        program = self.folder / name
        program.write_text(
            f'#!/bin/sh\n{{ echo "$0 $*"; env; cat "$(echo "$*" | sed "s,^file://,,")" 2>/dev/null '
            f'| sed "s,^,read: ,"; }} > "{self.notes}/$$.part"\n'
            f'mv "{self.notes}/$$.part" "{self.notes}/$$"\nexit 1\n'
        )
        program.chmod(0o755)
        return str(program)

    def told(self) -> list[str]:
        """Its arguments each time; what it read of a file that it was given begins with ``read:``."""
        return [note.read_text(errors="replace") for note in self.notes.iterdir() if not note.suffix]


@pytest.fixture
def spy(tmp_path, monkeypatch):
    """In front of everything in ``PATH``, with every secret of ours in the environment and a state directory."""
    made = Spy(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CLAWDBOT_STATE_DIR", str(tmp_path / "state"))
    for name in (*config.secret_variables(), "JUPYTERHUB_API_TOKEN", "JPY_API_TOKEN"):
        monkeypatch.setenv(name, f"canary-in-{name}".ljust(40, "-"))  # one of them has to be long
    monkeypatch.setenv("CLAWDBOT_STORAGE_URL", "postgresql://user:canary-in-CLAWDBOT_STORAGE_URL@127.0.0.1:9/none")
    return made


def try_browser(spy, monkeypatch, *, empty=True):
    program = f"{spy.install('browser')} %s"
    assert not browser.open_page(f"http://127.0.0.1:9/chat?{CODE}", browser=program)  # the spy fails, as one may
    assert not empty or not list((spy.folder / "state" / "jupyter" / "open").iterdir())


def try_ssh(spy, monkeypatch):
    monkeypatch.setenv(ssh.PROGRAM, spy.install("ssh"))
    with pytest.raises(SshError):
        ssh.find(Host.parse("someone@box"), "clawdbot", asking=False)


def try_tunnel(spy, monkeypatch):
    monkeypatch.setenv(ssh.PROGRAM, spy.install("ssh"))
    gateway = RemoteGateway("http", "127.0.0.1", free_port(), "/", CODE)
    made = tunnel.Tunnel(Host.parse("box"), gateway, free_port())
    with pytest.raises(SshError):
        made.open(asking=False)
    made.close()


def try_tunnel_behind(spy, monkeypatch):
    with tempfile.TemporaryFile() as said:
        process = tunnel._spawn([spy.install("ssh")], said, behind=True)
        process.communicate(timeout=60)


def try_service_state(spy, monkeypatch):
    spy.install("systemctl")
    spy.install("launchctl")
    monkeypatch.setattr(Service, "installed", True)
    monkeypatch.setattr(Service, "task", False)
    Service.of(config.load()).state()


def try_service(spy, monkeypatch):
    spy.install("systemctl")
    with pytest.raises(ServiceError):
        units._run("systemctl", "--user", "daemon-reload")


def try_tailscale(spy, monkeypatch):
    spy.install("tailscale")
    with pytest.raises(tailscale.TailscaleError):
        run(tailscale._run("status"))


def try_node(spy, monkeypatch):
    program = spy.install("helper")
    assert run(node._run({"command": [program, "--word"]}, frozenset({program})))["exitCode"] == 1


def a_job(spy, settings=None):
    sound = spy.folder / "sound.wav"
    sound.write_bytes(b"RIFF")
    limits = worker_client.Limits()
    return worker_client.Job(
        task="probe",
        path=str(sound),
        name="sound.wav",
        mime_type="audio/wav",
        kind="audio",
        size=4,
        sha256="0" * 64,
        limits=limits,
        settings=settings or MediaSettings(),
    )


def try_worker(spy, monkeypatch):
    monkeypatch.setattr(sys, "executable", spy.install("python-of-ours"))
    with pytest.raises(MediaError):
        run(worker_client.run(a_job(spy)))


def try_transcriber(spy, monkeypatch):
    settings = MediaSettings(audio_command=(spy.install("recogniser"), "{{MediaPath}}"))
    with pytest.raises(MediaError):
        run(transcribers._command(a_job(spy, settings), worker_client.Sound(1000, "pcm", 16000, 1), settings))


def try_diagnosis(spy, monkeypatch):
    monkeypatch.setattr(sys, "executable", spy.install("python-of-ours"))
    given = config.load({"CLAWDBOT_STATE_DIR": str(spy.folder / "home")}, flags={"gateway.bind": "lan"})
    given.home.mkdir(parents=True)
    with pytest.raises(ValueError, match="told nothing"):
        run(diagnosis.Diagnosis(lambda: given).examine("en"))


@pytest.mark.parametrize("folder", ["open", "media/incoming"])
def test_s15_a_link_planted_in_the_state_directory_costs_nobody_their_files(folder, spy, monkeypatch):
    """Only our own files are tidied up, wherever the folder leads."""
    elsewhere = spy.folder / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    (elsewhere / "thesis.html").write_text("years of work")
    os.utime(elsewhere / "thesis.html", (0, 0))
    planted = spy.folder / "state" / "jupyter" / folder
    planted.parent.mkdir(parents=True, mode=0o700)
    planted.symlink_to(elsewhere)
    if folder == "open":
        try_browser(spy, monkeypatch, empty=False)
    else:
        Files(planted.parent).open()
    assert (elsewhere / "thesis.html").read_text() == "years of work"


PLACES = {
    ("agent/media/worker_client.py", "asyncio.create_subprocess_exec"): (try_worker,),
    ("agent/media/transcribers.py", "asyncio.create_subprocess_exec"): (try_transcriber,),
    ("runtime/browser.py", "webbrowser.get"): (try_browser,),
    ("cli/node.py", "asyncio.create_subprocess_exec"): (try_node,),
    ("cli/service/units.py", "subprocess.run"): (try_service, try_service_state),
    ("cli/ssh/process.py", "subprocess.run"): (try_ssh,),
    ("cli/ssh/tunnel.py", "subprocess.Popen"): (try_tunnel, try_tunnel_behind),
    (
        "server/secret_handover.py",
        "os.execve",
    ): (),  # ourselves again: test_s10_a_server_shows_neither… looks at what comes
    ("server/process.py", "os.execve"): (),  # the same
    ("server/diagnosis.py", "asyncio.create_subprocess_exec"): (try_diagnosis,),
    ("server/hands_node/kernel_code.py", "os.fork"): (),  # sent to the person's kernel, and runs there only
    ("server/net/tailscale.py", "asyncio.create_subprocess_exec"): (try_tailscale,),
}
TRIALS = [trial for trials in PLACES.values() for trial in trials]


def test_s10_every_place_that_starts_a_program_is_in_the_table_and_gives_an_environment():
    found = calls()
    assert set(PLACES) == {(file, name) for file, name, _ in found}
    counts = Counter((file, name) for file, name, _ in found)
    assert {place: max(1, len(trials)) for place, trials in PLACES.items()} == dict(counts)
    for file, name, call in found:
        if name.startswith(("subprocess.", "asyncio.")):
            assert any(keyword.arg == "env" for keyword in call.keywords), (file, call.lineno)


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.__name__)
def test_s10_a_program_that_is_started_is_given_no_secret(trial, spy, monkeypatch):
    trial(spy, monkeypatch)
    told = spy.told()
    assert told
    for each in told:
        given = "\n".join(line for line in each.splitlines() if not line.startswith("read:"))
        assert "canary" not in given, given
        if trial is try_browser:
            assert CODE in each  # it reads the file, which others cannot


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_s10_a_server_shows_neither_in_its_command_line_nor_in_its_environment_what_it_was_started_with(tmp_path):
    """Everybody reads the one, its kernels the other. It still knows them, also after a restart in place."""
    token = "canary-token-of-the-command-line"
    made = GatewayProcess(
        tmp_path / "state",
        arguments=("--token", token),
        env={"ANTHROPIC_API_KEY": "sk-canary-key", "CLAWDBOT_GATEWAY_PASSWORD": "canary-password"},
        config={"gateway": {"kernelsGetProviderKeys": True}},
    )
    made.start()

    def look():
        proc = Path(f"/proc/{made.pid}")
        for shown in ("cmdline", "environ"):
            assert b"canary" not in (proc / shown).read_bytes()
        assert f"--port={made.port}".encode() in (proc / "cmdline").read_bytes()

    async def knows():
        async with opened(made.ws_url) as wire:
            hello = await wire.handshake(token=token)
            assert hello["snapshot"]["setup"]["provider"] == "anthropic"
            return hello

    try:
        look()
        run(knows())
        headers = [("Authorization", f"Bearer {token}")]
        assert ask(made.port, "POST", "/api/kernels", headers, b"{}").status == 201
        (kernel,) = psutil.Process(made.pid).children(recursive=True)
        given = kernel.environ()
        assert given["ANTHROPIC_API_KEY"] == "sk-canary-key"  # which the setting asks for
        assert not [name for name, value in given.items() if "canary" in value and name != "ANTHROPIC_API_KEY"]

        async def restart():
            async with wired(made.ws_url, token) as wire:
                await wire.call("gateway.stop", {"restart": True})
                await wire.closed()

        run(restart())
        made.await_answer()
        look()
        run(knows())
    finally:
        made.stop()


@pytest.mark.parametrize(
    ("given", "plain", "secret"),
    [
        (["-m", "x", "--port=1", "--token", "t", "--verbose"], ["-m", "x", "--port=1", "--verbose"], ["--token", "t"]),
        (["--password=p", "--ServerApp.password=q"], [], ["--password=p", "--ServerApp.password=q"]),
        (["--ClawdbotApp.gateway_config={'a': 'b'}", "file"], ["file"], ["--ClawdbotApp.gateway_config={'a': 'b'}"]),
        (["token", "--no-browser"], ["token", "--no-browser"], []),
        (["--token"], [], ["--token"]),
    ],
)
def test_s10_options_that_may_hold_secrets_are_told_apart(given, plain, secret):
    assert secret_handover.split(given) == (plain, secret)


@pytest.mark.slow
def test_s10_every_way_to_open_the_page_shows_the_browser_a_file_which_goes(standalone, tmp_path):
    """``clawdbot web``, a second ``jupyter clawdbot``, and the magics: the file is private, is read, and is gone."""
    reader = tmp_path / "browser"
    reader.write_text(
        f'#!/bin/sh\nfile="${{1#file://}}"\nstat -c "%a $1" "$file" >> "{tmp_path}/seen"\n'
        f'cat "$file" >> "{tmp_path}/read"\n'
    )
    reader.chmod(0o755)
    process = standalone.process
    environment = {**process.environment, "BROWSER": f"{reader} %s", "CLAWDBOT_GATEWAY_PORT": str(process.port)}
    magic = (
        "from IPython.testing.globalipapp import start_ipython; shell = start_ipython(); "
        "shell.run_line_magic('load_ext', 'clawdbot_ext'); shell.run_line_magic('clawdbot', 'web')"
    )
    for number, words in enumerate((["-m", "clawdbot_ext", "web"], ["-m", "clawdbot_ext.app"], ["-c", magic])):
        done = subprocess.run(
            [sys.executable, *words],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
        seen = (tmp_path / "seen").read_text().splitlines()
        assert len(seen) == number + 1, (words, done.stdout, done.stderr)
        mode, _, shown = seen[-1].partition(" ")
        assert mode == "600" and shown.startswith("file://") and "code" not in shown
        assert not Path(shown.removeprefix("file://")).exists()
    links = [part.partition('"')[0] for part in (tmp_path / "read").read_text().split('href="')[1:]]
    assert len(set(links)) == 3
    for link in links:
        assert ask(process.port, path=link.removeprefix(f"http://127.0.0.1:{process.port}")).status == 303
