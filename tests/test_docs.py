"""The documentation says what the program does: generated pages are current, tables whole, links and commands right."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import click
import pytest
import yaml
from jupyterhub.app import JupyterHub
from traitlets.config import Config

from clawdbot_ext.cli import exit_codes
from clawdbot_ext.cli.program import program
from clawdbot_ext.config import SETTINGS, validation
from clawdbot_ext.protocol import schema
from clawdbot_ext.protocol.errors import ErrorCode
from clawdbot_ext.protocol.frames import CloseCode
from scripts import generate
from tests.support.claims import CLAIMS, PROMISE_NOTHING, sentences
from tests.support.tools import TOOLS, require

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
KOREAN = [page for page in PAGES if page.name.endswith(".ko.md")]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """The fragments that headings make, as GitHub writes them."""
    content = CODE.sub(lambda found: found[0] if "\n" not in found[0] else "", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.+)$", content, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def command_of(marker: str) -> str:
    """The block of the README that follows an HTML comment."""
    found = re.search(rf"<!-- {marker} -->\n```sh\n(.+?)\n```", text("README.md"), re.DOTALL)
    assert found, f"README.md has no {marker}"
    return found[1]


def test_the_generated_files_are_current() -> None:
    assert generate.drift() == "", "run `python -m scripts.generate` and commit what it writes"


@pytest.mark.parametrize("name", [setting.name for setting in SETTINGS])
def test_a_setting_is_documented(name: str) -> None:
    assert f"`{name}`" in text("docs/reference/settings.md")


@pytest.mark.parametrize("name", ["connect", *schema.METHODS])
def test_a_method_is_documented(name: str) -> None:
    assert f"\n## {name}\n" in text("docs/reference/methods.md")


@pytest.mark.parametrize("name", schema.EVENTS)
def test_an_event_is_documented(name: str) -> None:
    assert f"\n## {name}\n" in text("docs/reference/events.md")


@pytest.mark.parametrize("name", [code.value for code in ErrorCode])
def test_an_error_code_is_documented(name: str) -> None:
    assert f"`{name}`" in text("docs/reference/errors.md")


def test_every_row_of_the_errors_says_what_it_means() -> None:
    assert not [line for line in text("docs/reference/errors.md").splitlines() if line.endswith("|  |")]


def test_every_capability_close_code_and_variable_is_documented() -> None:
    protocol, configuration = text("docs/protocol.md"), text("docs/configuration.md")
    caps = [value for name, value in vars(schema).items() if name.startswith("CAP_")]
    assert [cap for cap in caps if f"| `{cap}` |" not in protocol] == []
    codes = [code for name, code in vars(CloseCode).items() if name.isupper()]
    assert [code for code in codes if f"\n| {code} |" not in protocol] == []
    variables = [name for setting in SETTINGS for name in setting.env]
    assert [name for name in variables if f"`{name}`" not in configuration] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in LINK.findall(CODE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, fragment = target.partition("#")
        file = page.parent / name if name else page
        if not file.exists() or (fragment and file.suffix == ".md" and fragment not in anchors(file)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", KOREAN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_korean_page_has_the_commands_of_the_english_one_and_they_link_to_each_other(page: Path) -> None:
    english = page.with_name(page.name.replace(".ko.md", ".md"))
    korean_text, english_text = page.read_text(encoding="utf-8"), english.read_text(encoding="utf-8")
    assert code_blocks(korean_text) == code_blocks(english_text)
    assert f"]({english.name})" in korean_text
    assert f"]({page.name})" in english_text


def code_blocks(page: str) -> list[str]:
    """The commands and code of a page, one block each. Comments and "messages" may be in the language of the page."""
    blocks = re.findall(r"^ *```(?:sh|python)\n(.+?)^ *```$", page, re.MULTILINE | re.DOTALL)
    return [re.sub(r'"[^"]* [^"]*"', '"…"', re.sub(r" +# .*$", "", block, flags=re.MULTILINE)) for block in blocks]


def test_every_page_is_reached_from_the_index() -> None:
    found, queue = set(), [ROOT / "README.md", ROOT / "docs" / "index.md"]
    while queue:
        page = queue.pop().resolve()
        if page in found or page.suffix != ".md" or not page.exists():
            continue
        found.add(page)
        queue += [
            page.parent / target.partition("#")[0]
            for target in LINK.findall(page.read_text(encoding="utf-8"))
            if not re.match(r"[a-z]+:|#", target)
        ]
    assert [page.relative_to(ROOT).as_posix() for page in PAGES if page not in found] == []


def test_the_outside_programs_are_listed_for_people_as_for_tests() -> None:
    table = text("CONTRIBUTING.md").partition("### Outside programs")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE) == list(TOOLS)


def test_the_readme_has_the_two_commands_and_ci_runs_the_second() -> None:
    start, test = command_of("start command"), command_of("test command")
    assert start.splitlines() == [start]
    assert test.splitlines() == [test]
    assert "jupyter clawdbot" in start
    assert "pytest" in test
    assert test in text("CONTRIBUTING.md")
    ci = text(".ci/run")
    reading = re.search(r"^command=\$\((awk .+)\)$", ci, re.MULTILINE)
    assert reading, "the CI script takes the command from the README"
    read = subprocess.run([require("bash"), "-c", reading[1]], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    assert read.stdout.strip() == test


def test_the_ci_script_can_be_run() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_every_exit_code_is_documented() -> None:
    page = text("docs/cli.md")
    codes = [value for name, value in vars(exit_codes).items() if name.isupper() and isinstance(value, int)]
    assert [code for code in codes if f"\n| {code} |" not in page] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_in_a_page_exist(page: Path) -> None:
    """Each ``clawdbot …`` in code: the words up to the first argument are a command, the ``--flags`` its options."""
    assert [line for line in command_lines(page) if not is_command(line)] == []


def command_lines(page: Path) -> list[str]:
    """Words after ``clawdbot`` in the page's code, up to a pipe or the end of the line; synopses are left out."""
    code = "\n".join(CODE.findall(page.read_text(encoding="utf-8")))
    found = [match[1] for match in re.finditer(r"(?:^|[/`|] ?|\$ )clawdbot((?: +[^\s|`&<>…]+)+)", code, re.MULTILINE)]
    return [line for line in found if "[OPTIONS]" not in line]


def is_command(line: str) -> bool:
    """Whether the command line knows these words and flags."""
    words = re.sub(r"^ *--ssh \S+( --remote-command ('[^']*'|\S+))?", "", line.partition(" #")[0]).split()
    command: click.Command = program
    flags = {flag for word in words if (flag := word.partition("=")[0]).startswith("--")}
    for word in (word for word in words if not word.startswith("-")):
        if not isinstance(command, click.Group):
            break
        inner = command.get_command(click.Context(command), word)
        if inner is None:
            return False
        command = inner
    known = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
    return flags <= known | {"--help"}


def test_the_check_of_commands_sees_what_is_wrong() -> None:
    assert is_command("sessions list --json # as JSON")
    assert not is_command("session list")
    assert not is_command("sessions list --jsn")


@pytest.mark.parametrize("page", CLAIMS)
def test_every_claim_about_notebooks_and_hubs_has_a_test_that_exists(page: str) -> None:
    content = text(page)
    defined = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8"))
    }
    named = {name for _, tests in CLAIMS[page] for name in tests} | set(re.findall(r"`(test_\w+)`", content))
    assert named - defined == set()
    assert [phrase for phrase, _ in CLAIMS[page] if phrase not in " ".join(content.split())] == []
    phrases = [phrase for phrase, _ in CLAIMS[page]]
    held = [line for line in sentences(content) if any(phrase in line for phrase in phrases) or "| `test_" in line]
    advice = [line for line in sentences(content) if any(phrase in line for phrase in PROMISE_NOTHING[page])]
    assert [line for line in sentences(content) if line not in held and line not in advice] == []
    assert [phrase for phrase in PROMISE_NOTHING[page] if not any(phrase in line for line in advice)] == []


def test_the_snippets_for_hubs_name_settings_that_exist() -> None:
    """The Python runs as a configuration file, the chart's YAML is a mapping, and each name and value is accepted."""
    page = text("docs/jupyterhub.md")
    config = Config()
    for snippet in re.findall(r"```python\n(.+?)```", page, re.DOTALL):
        exec(compile(snippet, "jupyterhub.md", "exec"), {"c": config})  # as Jupyter runs it
    for name, value in config.ClawdbotApp.gateway_config.items():
        validation.check(name, value)  # raises for an unknown name, too
    values = [yaml.safe_load(snippet) for snippet in re.findall(r"```yaml\n(.+?)```", page, re.DOTALL)]
    variables = {name for value in values for name in value["singleuser"]["extraEnv"]} | set(
        config.Spawner.environment.to_dict()["update"]
    )
    known = {name for setting in SETTINGS for name in setting.env} | {"ANTHROPIC_BASE_URL", "CLAWDBOT_STATE_DIR"}
    assert variables - known == set()
    assert JupyterHub.class_traits().keys() >= values[0]["hub"]["config"]["JupyterHub"].keys()
