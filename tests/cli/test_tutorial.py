"""Every command of the tutorial is run as it stands there, in its order, and prints what the page says."""

from __future__ import annotations

import os
import pwd
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.lesson import Lesson, Machine, missing, read
from tests.support.server import ROOT, clean_environment, free_port
from tests.support.sshd import KNOWN, Sshd
from tests.support.tailnet import NAME, Tailnet

PAGES = {"en": ROOT / "docs" / "tutorial.md", "ko": ROOT / "docs" / "tutorial.ko.md"}
LANG = {"en": "C.UTF-8", "ko": "ko_KR.UTF-8"}


def program(folder: Path, name: str, command: str) -> None:
    script = folder / name
    script.write_text(f'#!/bin/sh\n{command} "$@"\n')
    script.chmod(0o755)


def machine(state: Path, programs: Path, port: int, other_port: int, lang: str) -> Machine:
    """``clawdbot``, ``jupyter`` and a browser that opens nothing, on a machine whose gateway has ``port``."""
    programs.mkdir(parents=True, exist_ok=True)
    state.mkdir(parents=True)
    program(programs, "clawdbot", f'exec "{sys.executable}" -m clawdbot_ext')
    program(programs, "jupyter-clawdbot", f'exec "{sys.executable}" -m clawdbot_ext.app')
    program(programs, "jupyter", f'exec "{sys.executable}" -m jupyter')
    program(programs, "browser", ":")
    environment = clean_environment(
        state,
        LANG=lang,
        CLAWDBOT_GATEWAY_PORT=str(port),
        BROWSER=str(programs / "browser"),
        PATH=os.pathsep.join([str(programs), os.environ["PATH"]]),
    )
    return Machine(environment, state, [("18789", str(port)), ("18790", str(other_port))])


@pytest.fixture
def lesson(language: str, tmp_path: Path) -> Iterator[Lesson]:
    """A pupil's machine and the box, which has a real sshd. Both are this one, so their ports differ."""
    box_port, port, user = free_port(), free_port(), pwd.getpwuid(os.geteuid()).pw_name
    sshd = Sshd(tmp_path / "sshd", tmp_path / "box")
    box = machine(tmp_path / "box", sshd.programs, box_port, free_port(), LANG[language])
    here = machine(tmp_path / "here", tmp_path / "bin", port, free_port(), LANG[language])
    ssh = shutil.which("ssh")
    program(tmp_path / "bin", "ssh", f'exec {ssh} -F "{sshd.folder / "ssh_config"}"')
    here.names[:0] = [("18789:localhost:18789", f"{port}:localhost:{box_port}"), ("user@box", f"{user}@{KNOWN}")]
    here.environment["PATH"] = f"{Tailnet(tmp_path / 'tailnet').folder}{os.pathsep}{here.environment['PATH']}"
    here.names.append(("box.your-tailnet.ts.net", NAME))
    here.environment["LESSON_URL"] = f"ws://127.0.0.1:{port}/ws"
    box.activate = f'PATH="{sshd.programs}:$PATH"\n'
    sshd.start()
    lesson = Lesson(here, box, language)
    yield lesson
    lesson.end()
    sshd.stop()


@pytest.mark.slow
@pytest.mark.parametrize("language", PAGES)
def test_the_tutorial_can_be_followed_to_the_letter(language: str, lesson: Lesson) -> None:
    for step in read(PAGES[language]):
        lesson.take(step)


def test_what_the_page_does_not_say_is_noticed() -> None:
    assert missing(["a … c", "…"], "x\na b c\nd\n") is None
    assert missing(["d", "a"], "a\nd\n") == "a"
    assert missing(["a"], "ab\n") == "a"


def test_both_languages_have_the_same_steps() -> None:
    english, korean = (read(page) for page in PAGES.values())
    assert [(step.kind, step.notes, len(step.wanted)) for step in korean] == [
        (step.kind, step.notes, len(step.wanted)) for step in english
    ]
