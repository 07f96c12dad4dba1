"""Contents of the wheel and the sdist, and that the one can be made from the other without Node."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import venv
import zipfile
from email import message_from_bytes
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import hatch_build
from clawdbot_ext._version import __version__
from tests.support.tools import require

ROOT = Path(__file__).resolve().parent.parent
WHEEL_LIMIT = 2_750_000
"""Bytes. The wheel is about 2.2 MB, a third of it diagrams (mermaid); source maps or node_modules in it by accident
would be far more."""


def run(*command: object, **environment: str) -> str:
    """Output of a program, which must succeed in time."""
    done = subprocess.run(
        [str(word) for word in command],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def plain(text: str) -> str:
    """Without colours."""
    return re.sub("\x1b\\[[0-9;]*m", "", text)


def build(source: Path, output: Path, kind: str, path: str) -> Path:
    """Make a ``wheel`` or an ``sdist`` of ``source`` in this environment, with ``path`` as PATH."""
    run(
        sys.executable,
        "-m",
        "build",
        "--no-isolation",
        "--skip-dependency-check",
        f"--{kind}",
        "--outdir",
        output,
        source,
        PATH=path,
    )
    return next(output.glob("*.whl" if kind == "wheel" else "*.tar.gz"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    node = str(Path(require("npm")).parent)
    return build(ROOT, tmp_path_factory.mktemp("sdist"), "sdist", os.pathsep.join((node, os.environ["PATH"])))


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that ``pip install`` makes of the sdist on a machine where nothing is on PATH."""
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        # Python before 3.10.12 and 3.11.4 (Debian 12's) knows no filters; later ones warn when none is chosen.
        archive.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    empty = tmp_path_factory.mktemp("empty")
    return build(next(folder.iterdir()), tmp_path_factory.mktemp("wheel"), "wheel", str(empty))


@pytest.mark.slow
def test_the_sdist_has_the_sources_and_what_is_built_of_them(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert {
        "pyproject.toml",
        "hatch_build.py",
        "package.json",
        "package-lock.json",
        ".npmrc",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "static/package.json",
        "static/vite.config.ts",
        "clawdbot_ext/_version.py",
        "clawdbot_ext/_static/chat.html",
        "clawdbot_ext/_static/embed.js",
        "clawdbot_ext/_static/single.js",
        "clawdbot_ext/_labextension/package.json",
        "labextension/package.json",
        "labextension/install.json",
        "labextension/tsconfig.json",
        "clawdbot_ext/widget_loader.js",
    } <= names
    for folder in ("static/src", "labextension/src", "labextension/schema", "labextension/style", "notebooks"):
        sources = {
            path.relative_to(ROOT).as_posix()
            for path in (ROOT / folder).rglob("*")
            if path.is_file() and ".ipynb_checkpoints" not in path.parts
        }
        assert sources
        assert sources - names == set()
    assert [name for name in names if "node_modules" in name or "__pycache__" in name] == []


@pytest.mark.slow
def test_the_wheel_has_the_client_the_texts_and_both_extensions(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    data = f"jupyter_clawdbot-{__version__}.data/data"
    lab = f"{data}/share/jupyter/labextensions/jupyter-clawdbot"
    assert {
        "clawdbot_ext/_static/chat.html",
        "clawdbot_ext/_static/embed.js",
        "clawdbot_ext/_static/single.js",
        "clawdbot_ext/widget_loader.js",
        "clawdbot_ext/py.typed",
        "clawdbot_ext/locale/gateway.en.json",
        "clawdbot_ext/locale/gateway.ko.json",
        f"{data}/etc/jupyter/jupyter_server_config.d/clawdbot_ext.json",
        f"{lab}/package.json",
        f"{lab}/install.json",
        f"{lab}/schemas/jupyter-clawdbot/plugin.json",
    } <= names
    assert any(name.startswith("clawdbot_ext/_static/assets/") for name in names)
    assert any(name.startswith(f"{lab}/static/remoteEntry.") for name in names)
    unwanted = ("tests/", "static/", "scripts/", "clawdbot_ext/_static/.")
    assert [name for name in names if name.startswith(unwanted)] == []
    assert wheel.stat().st_size < WHEEL_LIMIT


@pytest.mark.slow
def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        info = f"jupyter_clawdbot-{__version__}.dist-info"
        metadata = message_from_bytes(archive.read(f"{info}/METADATA"))
        scripts = archive.read(f"{info}/entry_points.txt").decode()
    assert (metadata["Name"], metadata["Version"]) == ("jupyter-clawdbot", __version__)
    assert metadata["License-Expression"] == "BSD-3-Clause"
    assert "clawdbot = clawdbot_ext.cli:main" in scripts
    assert "jupyter-clawdbot = clawdbot_ext.app:main" in scripts


def test_r11_installing_us_adds_nobody_elses_code_to_lab() -> None:
    """Of all that is installed with us, only Jupyter's own packages have extensions of Lab."""
    declared = re.search(r"^dependencies = \[\n(.*?)^\]", (ROOT / "pyproject.toml").read_text(), re.M | re.S)
    assert declared
    wanted = re.findall(r'^  "([^"]+)"', declared[1], re.M)
    seen, extensions = set(), set()
    while wanted:
        requirement = Requirement(wanted.pop())
        if requirement.name in seen or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        seen.add(requirement.name)
        package = distribution(requirement.name)
        wanted += package.requires or []
        if any("share/jupyter/labextensions/" in file.as_posix() for file in package.files or []):
            extensions.add(requirement.name)
    assert {name.replace("_", "-") for name in extensions} == {"jupyterlab-pygments"}
    assert len(seen) > 40


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``bin`` of an environment into which the wheel was installed; what it depends on is borrowed from this one."""
    environment = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(environment, symlinks=True)
    python = environment / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel)
    packages = next(environment.rglob("site-packages"))
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python.parent


@pytest.mark.slow
def test_installing_the_wheel_enables_the_server_extension(installed: Path, tmp_path: Path) -> None:
    module = "jupyter_server.extension.serverextension"  # what `jupyter server extension` runs
    printed = plain(run(installed / "python", "-m", module, "list", JUPYTER_CONFIG_DIR=str(tmp_path)))
    ours = printed.split(f"Config dir: {installed.parent}", 1)[1].split("Config dir:", 1)[0]
    assert "clawdbot_ext enabled" in ours
    assert f"clawdbot_ext {__version__} OK" in ours


@pytest.mark.slow
def test_installing_the_wheel_enables_the_labextension(installed: Path, tmp_path: Path) -> None:
    module = "jupyterlab.labextensions"  # what `jupyter labextension` runs
    printed = plain(run(installed / "python", "-m", module, "list", JUPYTER_CONFIG_DIR=str(tmp_path)))
    ours = printed.split(f"{installed.parent}/share/jupyter/labextensions", 1)[1].split("/share/jupyter/", 1)[0]
    assert f"jupyter-clawdbot v{__version__} enabled OK (python, jupyter-clawdbot)" in ours


@pytest.mark.slow
def test_installing_the_wheel_brings_both_programs(installed: Path) -> None:
    for program in ("jupyter-clawdbot", "clawdbot"):
        assert __version__ in run(installed / program, "--version")


def test_the_browser_client_has_the_version_of_the_package() -> None:
    for workspace in json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["workspaces"]:
        described = json.loads((ROOT / workspace / "package.json").read_text(encoding="utf-8"))
        assert described["version"] == __version__, workspace


def test_the_lock_file_names_no_host() -> None:
    """``.npmrc`` leaves the addresses out, so that a mirror works; an npm that ignores it would bring them back."""
    locked = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    fetched = [name for name, entry in locked.items() if str(entry.get("resolved", "")).startswith("http")]
    assert fetched == []
    assert [
        name
        for name, entry in locked.items()
        if name.startswith("node_modules/") and not entry.get("link") and "integrity" not in entry
    ] == []


def test_node_is_asked_of_the_registry_only_where_the_machine_has_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not hatch_build.system_node_ok()
    (tmp_path / "npm").write_text("#!/bin/sh\n")
    expected = {"v20.20.2": False, "v22.11.9": False, "v22.12.0": True, "v24.19.0": True, "": False}
    for version, enough in expected.items():
        (tmp_path / "node").write_text(f"#!/bin/sh\necho {version}\n")
        for program in ("node", "npm"):
            (tmp_path / program).chmod(0o755)
        assert hatch_build.system_node_ok() is enough, version


def test_a_changed_source_is_built_again(tmp_path: Path) -> None:
    for name in (*hatch_build.NEEDED, f"{hatch_build.OUTPUT}/assets/chat.js"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    source = tmp_path / "static" / "src" / "page.ts"
    source.parent.mkdir(parents=True)
    source.write_text("1")
    assert not hatch_build.is_built(tmp_path)
    hatch_build.stamp(tmp_path).touch()
    assert hatch_build.is_built(tmp_path)
    source.write_text("2")
    assert not hatch_build.is_built(tmp_path)


NPM = """#!/bin/sh
echo "$PWD" >> "$NPM_LOG"
if [ "$1" = ci ]; then
  mkdir -p node_modules "$npm_config_cache"
  touch node_modules/heavy "$npm_config_cache/heavy"
else
  mkdir -p clawdbot_ext/_static clawdbot_ext/_labextension
  cp static/src/page.ts clawdbot_ext/_static/chat.html
  touch clawdbot_ext/_static/embed.js clawdbot_ext/_static/single.js clawdbot_ext/_labextension/package.json
fi
"""
"""A program in npm's place: what it leaves where it is started, and the folders in which it was."""


@pytest.mark.parametrize("version", ["standard", "editable"])
def test_only_an_editable_install_leaves_node_modules(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, programs, temporary = tmp_path / "root", tmp_path / "bin", tmp_path / "tmp"
    for folder in (root / "static" / "src", root / "clawdbot_ext" / "_static", programs, temporary):
        folder.mkdir(parents=True)
    (root / "static" / "src" / "page.ts").write_text("page")
    (root / "clawdbot_ext" / "_static" / "old.js").touch()
    (programs / "npm").write_text(NPM)
    (programs / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("NPM_LOG", str(tmp_path / "log"))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    if version == "editable":
        monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    else:
        monkeypatch.delenv("npm_config_cache", raising=False)

    hatch_build.FrontendHook(str(root), {}, None, None, str(tmp_path), "wheel").initialize(version, {})

    assert hatch_build.is_built(root)
    assert (root / hatch_build.OUTPUT / "chat.html").read_text() == "page"
    assert list(temporary.iterdir()) == []
    assert (root / "node_modules").exists() is (version == "editable")
    assert not (root / hatch_build.OUTPUT / "old.js").exists() or version == "editable"  # there Vite empties the folder
    places = set((tmp_path / "log").read_text().split())
    assert places == {str(root)} if version == "editable" else all(p.startswith(str(temporary)) for p in places)


def test_every_file_outside_that_the_page_imports_is_a_source_of_the_build() -> None:
    sources = {path.resolve() for path in hatch_build.source_files(ROOT)}
    scripts = [path for path in sources if path.suffix == ".ts" and "src" in path.parts]
    imported = [
        (script.parent / name.partition("?")[0]).resolve()
        for script in scripts
        for name in re.findall(r'"([^"]*/clawdbot_ext/[^"]+)"', script.read_text(encoding="utf-8"))
        if name.startswith(".")
    ]
    assert imported and set(imported) <= sources


SAFE = {
    "anthropic": "0.87.0",  # CVE-2026-34450, CVE-2026-34452: the memory tool's files
    "cryptography": "50.0.0",  # CVE-2026-69247; before: CVE-2026-69249, -39892, -34073, -26007
    "jupyter-server": "2.21.0",  # CVE-2026-86049; before: CVE-2026-44727 (2.20), four of 2.18
    "jupyterhub": "5.5.1",  # GHSA-c4gm-pwx9-9w8j, GHSA-69wv-m5fw-2fhp
    "jupyterlab": "4.6.2",  # GHSA-whvh-wf3x-g77j; before: CVE-2026-40171 (4.5.7)
    "nbconvert": "7.17.1",  # CVE-2026-39378 and another
    "notebook": "7.5.6",  # CVE-2026-40171
    "pillow": "13.0.0",  # CVE-2026-96639 and fifteen more; PSD: CVE-2026-25990 (12.1.1)
    "pyarrow": "17.0.0",  # CVE-2024-52338
    "tornado": "6.6.0",  # GHSA-mpf4-983q-p7j4 and more; before: CVE-2026-31958 (6.5.5)
}
"""The first version without a published hole, as of 2026-11; CONTRIBUTING.md says how this is kept up to date."""
LAST_FOR_3_10 = {"pillow": "12.3.0", "tornado": "6.5.10"}
"""Packages whose safe version does not run there any more."""


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.14"])
def test_no_floor_admits_a_version_with_a_published_hole(python):
    text = (ROOT / "pyproject.toml").read_text()
    quoted = re.findall(r'^\s*(?:[a-z]+ = \[)?"((?:\w|-)+[^"]*>=[^"]*)"', text, re.MULTILINE)
    safe = {**SAFE, **LAST_FOR_3_10} if python == "3.10" else SAFE
    floors: dict[str, Version] = {}
    for requirement in map(Requirement, quoted):
        if requirement.marker is None or requirement.marker.evaluate({"python_version": python}):
            lowest = max(Version(each.version) for each in requirement.specifier if each.operator == ">=")
            floors[requirement.name] = min(lowest, floors.get(requirement.name, lowest))
    assert set(safe) <= set(floors)
    assert not {name: str(floors[name]) for name, first in safe.items() if floors[name] < Version(first)}
