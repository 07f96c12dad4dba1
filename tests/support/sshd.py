"""A real sshd on a free port of loopback, with throwaway keys, that lets this account in."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.support.server import clean_environment, free_port
from tests.support.tools import require

START_S = 60.0
KNOWN = "box"
"""The host as the client's configuration names it. ``stranger`` is the same with an unknown host key, ``locked-out``
with a key that opens nothing, ``shut`` a port without a listener."""


class Sshd:
    """``programs`` is the folder that is the PATH of who logs in; ``environment`` calls the client to it."""

    def __init__(self, folder: Path, state: Path):
        """``state``: the state directory of who logs in."""
        self.folder, self.port = folder, free_port()
        self.programs = folder / "bin"
        self.programs.mkdir(parents=True)
        for name in ("host", "user", "other"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
        (folder / "authorized").write_text((folder / "user.pub").read_text())
        (folder / "known").write_text(f"[127.0.0.1]:{self.port} {(folder / 'host.pub').read_text()}")
        remote = clean_environment(state)
        settings = {name: remote[name] for name in ("CLAWDBOT_STATE_DIR", "PYTHONPATH", "LANG")}
        settings["PATH"] = f"{self.programs}:/usr/bin:/bin"
        (folder / "sshd_config").write_text(
            "\n".join(
                [
                    f"Port {self.port}",
                    "ListenAddress 127.0.0.1",
                    f"HostKey {folder / 'host'}",
                    "PidFile none",
                    f"AuthorizedKeysFile {folder / 'authorized'}",
                    "StrictModes no",
                    "UsePAM no",
                    "PasswordAuthentication no",
                    "KbdInteractiveAuthentication no",
                    "PermitRootLogin prohibit-password",
                    "PrintMotd no",
                    "SetEnv " + " ".join(f'"{name}={value}"' for name, value in settings.items()),
                    "",
                ]
            )
        )
        (folder / "ssh_config").write_text(
            "\n".join(
                [
                    "Host stranger",
                    "  UserKnownHostsFile /dev/null",
                    "Host locked-out",
                    f"  IdentityFile {folder / 'other'}",
                    "Host shut",
                    f"  Port {free_port()}",
                    "Host box stranger shut",
                    f"  IdentityFile {folder / 'user'}",
                    "Host box stranger locked-out shut",
                    "  HostName 127.0.0.1",
                    f"  Port {self.port}",
                    "Host *",
                    "  IdentitiesOnly yes",
                    "  IdentityAgent none",
                    "  GlobalKnownHostsFile /dev/null",
                    f"  UserKnownHostsFile {folder / 'known'}",
                    "  StrictHostKeyChecking yes",
                    "",
                ]
            )
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """Environment in which ``clawdbot`` calls this one."""
        return {"CLAWDBOT_SSH": f"ssh -F {self.folder / 'ssh_config'}"}

    def install_clawdbot(self) -> None:
        """Put ``clawdbot`` on the PATH of who logs in; its login greets, as some do."""
        script = self.programs / "clawdbot"
        script.write_text(f'#!/bin/sh\necho "Welcome to {{box}}."\nexec "{sys.executable}" -m clawdbot_ext "$@"\n')
        script.chmod(0o755)

    def start(self) -> None:
        """Start it and wait until it greets."""
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # root's sshd wants it; the service makes it at boot
        with (self.folder / "sshd.log").open("ab") as log:
            self._process = subprocess.Popen(
                [require("sshd"), "-D", "-e", "-f", str(self.folder / "sshd_config")],
                stdin=subprocess.DEVNULL,
                stderr=log,
            )
        ends = time.monotonic() + START_S
        scan = ["ssh-keyscan", "-T", "1", "-p", str(self.port), "127.0.0.1"]
        while subprocess.run(scan, capture_output=True, check=False).stdout == b"":
            if self._process.poll() is not None or time.monotonic() > ends:
                raise RuntimeError("sshd did not start:\n" + (self.folder / "sshd.log").read_text())
            time.sleep(0.05)

    def stop(self) -> None:
        """End it; what is connected goes too."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(START_S)
