"""The gateway as a service of the account: a systemd user unit on Linux, a launch agent on macOS, on Windows (in WSL
without systemd) a scheduled task.

The file names the interpreter, the state directory and the PATH, never a secret: the gateway reads those itself. A
gateway that is asked to stop ends with 0 and stays stopped; one that crashes is started again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import plistlib
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import click

from ... import private_files
from ...config import Config, load, program_environment
from ...runtime import server_info
from .. import exit_codes
from ..printing import note, out, texts
from .windows_task import task_xml

tell = texts("remote")

COMMAND_S = 60.0
STATE_S = 5.0
SYSTEMD = Path("/run/systemd/system")
"""There while systemd is what runs the system."""
_KEPT = ("CLAWDBOT_STATE_DIR", "PATH", "LANG")
"""Environment variables that go into the file. Those that may be secrets do not."""


class ServiceError(click.ClickException):
    """It could not be done; the message says why and what else there is."""

    def __init__(self, key: str, exit_code: int = exit_codes.FAILED, **facts: object):
        super().__init__(tell(key, **facts))
        self.exit_code = exit_code  # type: ignore[misc]  # click has it for a class; it reads the instance's


@dataclass(frozen=True)
class Service:
    """The service of one state directory. ``suffix`` tells those of other directories than the usual one apart."""

    home: Path
    suffix: str
    environment: dict[str, str]

    @classmethod
    def of(cls, config: Config) -> Service:
        """The one for this configuration and this environment."""
        state = os.environ.get("CLAWDBOT_STATE_DIR", "")
        suffix = f"-{hashlib.sha256(os.path.abspath(state).encode()).hexdigest()[:8]}" if state else ""
        kept = {name: os.environ[name] for name in _KEPT if os.environ.get(name)}
        if state:
            kept["CLAWDBOT_STATE_DIR"] = os.path.abspath(state)
        for name, value in kept.items():
            if not value.isprintable():
                raise ServiceError("service.unprintable", exit_codes.USAGE, name=name)
        return cls(config.home, suffix, kept)

    @property
    def mac(self) -> bool:
        return sys.platform == "darwin"

    @property
    def task(self) -> bool:
        """Report whether this is a Linux inside Windows without a service manager of its own."""
        return bool(os.environ.get("WSL_DISTRO_NAME")) and not SYSTEMD.is_dir()

    @property
    def name(self) -> str:
        if self.task:
            return f"Clawdbot for Jupyter{self.suffix}"
        return f"org.jupyter.clawdbot{self.suffix}" if self.mac else f"clawdbot-jupyter{self.suffix}.service"

    @property
    def path(self) -> Path:
        if self.mac:
            return Path.home() / "Library" / "LaunchAgents" / f"{self.name}.plist"
        if self.task:
            return self.home / "windows-task.xml"
        config = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
        return Path(config) / "systemd" / "user" / self.name

    def text(self) -> str:
        """The content of the file."""
        if self.task:
            return task_xml(self.environment, user=_run("whoami.exe").strip())
        return self.plist() if self.mac else self.unit()

    def state(self) -> str:
        """``running``, ``stopped``, ``absent``, or ``unknown`` where the service manager does not say."""
        if not self.installed:
            return "absent"
        if self.task:
            return "unknown"  # it tells only in the language of the Windows
        question = (
            ("launchctl", "list", self.name) if self.mac else ("systemctl", "--user", "is-active", "--quiet", self.name)
        )
        try:
            done = subprocess.run(
                question,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=STATE_S,
                check=False,
                env=program_environment(),
            )
        except (OSError, subprocess.TimeoutExpired):
            return "unknown"
        if self.mac:
            return "running" if b'"PID"' in done.stdout else "stopped"
        return {0: "running", 3: "stopped", 4: "stopped"}.get(done.returncode, "unknown")  # 1: no way to the manager

    def unit(self) -> str:
        """A systemd user unit. 2, 78 and 98 are a wrong configuration and a taken port: trying again would not help."""
        variables = "".join(f"Environment={_quoted(f'{name}={value}')}\n" for name, value in self.environment.items())
        return (
            "[Unit]\n"
            "Description=Clawdbot for Jupyter, the chat gateway\n"
            "StartLimitIntervalSec=300\nStartLimitBurst=10\n\n"
            "[Service]\n"
            f"ExecStart={_quoted(sys.executable).replace('$', '$$')} -m clawdbot_ext.app --no-browser\n"
            f"{variables}"
            "Restart=on-failure\nRestartSec=2\nRestartPreventExitStatus=2 78 98\n"
            "KillMode=mixed\nTimeoutStopSec=30\nUMask=0077\n\n"
            "[Install]\nWantedBy=default.target\n"
        )

    def plist(self) -> str:
        """A launch agent."""
        return plistlib.dumps(
            {
                "Label": self.name,
                "ProgramArguments": [sys.executable, "-m", "clawdbot_ext.app", "--no-browser"],
                "EnvironmentVariables": self.environment,
                "RunAtLoad": True,
                "KeepAlive": {"SuccessfulExit": False},
                "ThrottleInterval": 10,
                "ExitTimeOut": 30,
                "Umask": 0o077,
                "StandardErrorPath": str(self.home / "logs" / "service.log"),
            }
        ).decode()

    @property
    def installed(self) -> bool:
        return self.path.exists()

    def start(self) -> None:
        """Raises ``ServiceError``, as all that follows."""
        if self.task:
            _run("schtasks.exe", "/Run", "/TN", self.name)
        elif self.mac:
            _run("launchctl", "kickstart", f"gui/{os.getuid()}/{self.name}")
        else:
            _run("systemctl", "--user", "start", self.name)

    def install(self) -> None:
        """Write the file and have it start with the account's session. Where that fails, the file is as it was before.

        A file of an earlier installation stays, for it may be the one that runs.
        """
        text = self.text().encode("utf-16" if self.task else "utf-8")
        before = self.path.read_bytes() if self.installed else None
        _make_home(self.home)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        private_files.write(self.path, text, follow=True)
        try:
            self._register()
        except ServiceError:
            if before is None:
                self.path.unlink(missing_ok=True)
            else:
                private_files.write(self.path, before, follow=True)
            raise

    def _register(self) -> None:
        if self.task:
            path = _run("wslpath", "-w", str(self.path)).strip()
            _run("schtasks.exe", "/Create", "/F", "/TN", self.name, "/XML", path)
        elif self.mac:
            _run("launchctl", "bootstrap", f"gui/{os.getuid()}", str(self.path))
        else:
            _run("systemctl", "--user", "daemon-reload")
            _run("systemctl", "--user", "enable", self.name)

    def uninstall(self) -> None:
        """Stop it and remove the file."""
        if self.task:
            _run("schtasks.exe", "/Delete", "/F", "/TN", self.name)
        elif self.mac:
            _run("launchctl", "bootout", f"gui/{os.getuid()}/{self.name}")
        else:
            _run("systemctl", "--user", "disable", "--now", self.name)
        self.path.unlink(missing_ok=True)
        if not (self.mac or self.task):
            _run("systemctl", "--user", "daemon-reload")


def _make_home(home: Path) -> None:
    """The log's folder has to be there before the service manager opens a file in it."""
    private_files.make_directory(home)
    private_files.make_directory(home / "logs")


def _quoted(text: str) -> str:
    """One word of a unit file: ``%`` is a specifier there."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'


def _run(*words: str) -> str:
    """Output of the program. Raises ``ServiceError``."""
    if shutil.which(words[0]) is None:
        raise ServiceError("service.noManager", program=words[0])
    done = subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        check=False,
        env=program_environment(),
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise ServiceError("service.failed", program=" ".join(words), problem=said[-1] if said else done.returncode)
    return done.stdout


@click.command("install", help=tell("help.service.install"))
@click.option("--no-start", is_flag=True, help=tell("help.service.noStart"))
@click.option("--print", "print_only", is_flag=True, help=tell("help.service.print"))
def install(no_start: bool, print_only: bool) -> None:
    """Make the gateway a service of this account."""
    service = Service.of(load())
    if print_only:
        out(service.text())
        return
    was_there = service.installed
    service.install()
    if not no_start:
        try:
            service.start()
        except ServiceError:
            if not was_there:
                with contextlib.suppress(ServiceError):
                    service.uninstall()
                service.path.unlink(missing_ok=True)
            raise
    out(tell("service.installed", path=service.path))
    if not no_start:
        out(tell("service.started", name=service.name))
    if not (service.mac or service.task):
        note(tell("service.linger"))


@click.command("uninstall", help=tell("help.service.uninstall"))
def uninstall() -> None:
    """Take the service away; conversations and settings stay."""
    service = Service.of(load())
    if not service.installed:
        out(tell("service.notInstalled"))
        return
    service.uninstall()
    out(tell("service.uninstalled", path=service.path))


@click.command("start", help=tell("help.service.start"))
def start() -> None:
    """Start the service."""
    config = load()
    if (running := server_info.find_running_gateway(config)) is not None:
        out(tell("service.runs", url=running.url))
        return
    if not start_installed():
        raise ServiceError("service.startNotInstalled")


def start_installed() -> bool:
    """Start the service, if one is installed; returns whether. Raises ``ServiceError``."""
    service = Service.of(load())
    if service.installed:
        service.start()
        out(tell("service.started", name=service.name))
    return service.installed
