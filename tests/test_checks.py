"""The checks that read the source, so that ``pytest`` alone is everything that CI runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import hatch_build
from scripts import structure
from tests.support.tools import require

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.slow


def run(*command: str) -> None:
    """Run a program in the project's root; its output is the failure's text."""
    env = {**os.environ, "PATH": os.pathsep.join((str(Path(command[0]).parent), os.environ["PATH"]))}
    done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        pytest.fail(f"{' '.join(command)} exited with {done.returncode}:\n{done.stdout}", pytrace=False)


def test_ruff_finds_nothing() -> None:
    run(sys.executable, "-m", "ruff", "check", "--no-fix", ".")


def test_the_python_code_is_formatted() -> None:
    run(sys.executable, "-m", "ruff", "format", "--check", ".")


def test_mypy_finds_nothing() -> None:
    run(sys.executable, "-m", "mypy")


def test_every_import_is_declared_and_every_dependency_imported() -> None:
    run(sys.executable, "-m", "deptry", "--no-ansi", "clawdbot_ext")


@pytest.fixture(scope="module")
def npm() -> str:
    """npm, with what the workspaces need installed and the browser client built from the present sources."""
    program = require("npm")
    if not (ROOT / "node_modules").is_dir():
        run(program, "ci", "--ignore-scripts")
    if not hatch_build.is_built(ROOT):
        run(program, "run", "build")
        hatch_build.stamp(ROOT).touch()
    return program


@pytest.mark.parametrize("script", ["lint", "typecheck", "test", "size"])
def test_the_browser_client_passes(script: str, npm: str) -> None:
    run(npm, "run", script)


def test_no_file_names_a_machine_or_a_registry() -> None:
    """An absolute path of a machine is wrong everywhere; a registry's host would bypass a user's mirror."""
    homes = "(^|[^A-Za-z0-9.~}/])/(home/[a-z]+|root|Users/[A-Za-z]+|work)/"
    hosts = "(pypi|pythonhosted|npmjs)[.](org|com)"
    found = subprocess.run(
        [require("git"), "grep", "-nIE", f"{homes}|{hosts}", "--", ".", ":!tests/test_checks.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if found.returncode == 128:
        pytest.skip("not a git checkout")
    assert found.stdout == ""


def tracked(*patterns: str) -> list[Path]:
    """The files of the checkout that match."""
    found = subprocess.run([require("git"), "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True)
    if found.returncode == 128:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in found.stdout.split("\0") if name]


def vague(text: str) -> list[str]:
    """The vague words of a text. In “ ” a word is spoken of, not used."""
    return structure.VAGUE.findall(re.sub("“[^”]*”", "", text))


def asking(path: Path) -> list[str]:
    """The docstrings of a file that begin with a question word."""
    return [text for text in structure.docstrings(path) if structure.RIDDLE.match(text)]


def test_no_text_speaks_of_somebody() -> None:
    """Each text names who acts: the client, the user, another process."""
    patterns = ("*.py", "*.ts", "*.md", "*.html", "clawdbot_ext/locale/*.json", "static/src/i18n/*.json", "*.toml")
    own = {Path(__file__).resolve(), ROOT / "scripts" / "structure.py"}
    found = [path for path in tracked(*patterns) if path not in own and vague(path.read_text(encoding="utf-8"))]
    assert found == []


def test_every_docstring_names_the_thing_instead_of_asking() -> None:
    assert {path: found for path in tracked("*.py") if (found := asking(path))} == {}


def test_the_checks_of_texts_find_what_they_look_for(tmp_path: Path) -> None:
    assert vague("Whoever asks, nobody answers.") == ["Whoever", "nobody"] and vague("no “somebody”") == []
    planted = tmp_path / "planted.py"
    planted.write_text('"""What it does."""\n\n\ndef f():\n    """Return it."""\n')
    assert asking(planted) == ["What it does."]


def test_no_file_is_too_long_to_hold_in_the_head() -> None:
    """500 lines is where the readable models differ from the others (docs/design/0001-architecture.md)."""
    folders = ("clawdbot_ext", "scripts", "tests", "static/src")
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".ts")]
    tables = {"static/src/protocol/generated.ts", "clawdbot_ext/config/settings.py"}  # a row a shape, a row a setting
    written = [path for path in paths if path.relative_to(ROOT).as_posix() not in tables]
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in written}
    assert {path.relative_to(ROOT).as_posix(): lines for path, lines in lengths.items() if lines > 500} == {}


def test_the_ci_script_is_valid_shell() -> None:
    run(require("bash"), "-n", ".ci/run")
