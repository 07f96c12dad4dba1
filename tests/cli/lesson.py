"""The tutorial as a program: its blocks in order, each run as the page says, and its output compared with the page.

An HTML comment before a block says how it is run; without one it is a shell's, ends, and ends well:

    <!-- run: stays -->     goes on running in the background; it is awaited by its text
    <!-- run: box -->       on the other machine
    <!-- run: exit 3 -->    ends with that code
    <!-- run: terminal -->  in a terminal; the ``chat`` block behind it is typed there
    <!-- run: typed -->     typed into the newest one that stays
    <!-- Ctrl+C -->         ends the newest one that stays
    <!-- ends -->           the newest one that stays ends by the block that follows
"""

from __future__ import annotations

import re
import signal
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from clawdbot_ext.client.auto_connect import connect
from clawdbot_ext.client.reply import ReplyEnd
from tests.cli.terminal import Terminal

WAIT_S = 60.0
"""Each wait is for a state; a machine that runs the whole suite beside this may be slow to reach it."""
_PIECE = re.compile(
    r"^<!-- (?P<note>.+?) -->$|^```(?P<kind>sh|chat|text)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass
class Step:
    """One block of commands, what it should print, and how it is run."""

    kind: str
    body: str
    notes: list[str]
    wanted: list[str] = field(default_factory=list)

    def told(self, word: str) -> bool:
        return any(word in re.split(r"[:, ]+", note) for note in self.notes)

    @property
    def exit_code(self) -> int:
        return next((int(found[1]) for note in self.notes if (found := re.search(r"exit (\d+)", note))), 0)


def read(page: Path) -> list[Step]:
    """The steps of a page. A ``text`` block belongs to the block before it."""
    steps: list[Step] = []
    notes: list[str] = []
    for piece in _PIECE.finditer(page.read_text(encoding="utf-8")):
        if piece["note"]:
            notes.append(piece["note"])
        elif piece["kind"] == "text":
            steps[-1].wanted = piece["body"].splitlines()
        else:
            steps.append(Step(piece["kind"], piece["body"], notes))
            notes = []
    return steps


def missing(wanted: list[str], output: str) -> str | None:
    """The first line that is not in ``output`` behind the ones before it; … stands for anything."""
    lines = iter(output.splitlines())
    for want in wanted:
        pattern = re.compile(".*".join(map(re.escape, want.split("…"))))
        if not any(pattern.fullmatch(line) for line in lines):
            return want
    return None


class Staying:
    """A program that goes on running, and what it has written."""

    def __init__(self, command: str, environment: Mapping[str, str], folder: Path):
        self.process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            env=dict(environment),
            cwd=folder,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        self._output = ""
        self._heard = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._heard:
                self._output += line
                self._heard.notify_all()

    def type(self, text: str) -> int:
        """Type ``text``; the place in the output where its answer begins."""
        assert self.process.stdin is not None
        with self._heard:
            before = len(self._output)
        self.process.stdin.write(text)
        self.process.stdin.flush()
        return before

    def expect(self, wanted: list[str], begin: int = 0) -> None:
        """Wait until the lines were written."""
        with self._heard:
            came = self._heard.wait_for(lambda: missing(wanted, self._output[begin:]) is None, WAIT_S)
            assert came, f"no {missing(wanted, self._output[begin:])!r} in:\n{self._output[begin:]}"

    def ends(self) -> None:
        """Wait until it has ended."""
        self.process.wait(WAIT_S)
        self._reader.join(WAIT_S)
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.ends()


@dataclass
class Machine:
    """The machine of a step: its environment, and the page's names and ports as they are there."""

    environment: dict[str, str]
    folder: Path
    names: list[tuple[str, str]]
    activate: str = ""
    """First input there: a login shell begins without the environment that has ``clawdbot``."""

    def say(self, text: str) -> str:
        for name, here in self.names:
            text = text.replace(name, here)
        return text


class Lesson:
    """Takes the steps one by one, ``here`` or on the ``box``."""

    def __init__(self, here: Machine, box: Machine, locale: str):
        self.here, self.box, self.locale = here, box, locale
        self._staying: list[Staying] = []
        self._terminal: Step | None = None

    def take(self, step: Step) -> None:
        """Run one step. Raises ``AssertionError`` where it does not what the page says."""
        machine = self.box if step.told("box") or step.told("typed") else self.here
        body, wanted = machine.say(step.body), [machine.say(line) for line in step.wanted]
        if "Ctrl+C" in step.notes:
            self._staying.pop().interrupt()
        if step.told("stays"):
            self._staying.append(Staying(body.strip(), machine.environment, machine.folder))
            self._staying[-1].expect(wanted)
        elif step.told("typed"):
            begin = self._staying[-1].type(machine.activate + body)
            self._staying[-1].expect(wanted, begin)
        elif step.told("terminal"):
            self._terminal = step
        elif step.kind == "chat":
            self._chat(body.splitlines(), wanted)
        else:
            self._shell(body, wanted, step.exit_code)
        if "ends" in step.notes:
            self._staying.pop().ends()

    def _shell(self, body: str, wanted: list[str], code: int) -> None:
        done = subprocess.run(
            ["bash", "-euc", body],
            env=self.here.environment,
            cwd=self.here.folder,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=WAIT_S,
            encoding="utf-8",
            check=False,
        )
        assert (done.returncode, missing(wanted, done.stdout)) == (code, None), f"{body}\n{done.stdout}"

    def _chat(self, lines: list[str], wanted: list[str]) -> None:
        if self._terminal is not None:
            self._in_terminal(self._terminal, lines, wanted)
            self._terminal = None
            return
        with connect(self.here.environment["LESSON_URL"], token=self._token(), locale=self.locale) as client:
            said = "\n".join(item.text for line in lines for item in client.ask(line) if isinstance(item, ReplyEnd))
        assert missing(wanted, said) is None, f"no {missing(wanted, said)!r} in:\n{said}"

    def _token(self) -> str:
        return (Path(self.here.environment["CLAWDBOT_STATE_DIR"]) / "jupyter" / "secrets" / "token").read_text().strip()

    def _in_terminal(self, step: Step, lines: list[str], wanted: list[str]) -> None:
        terminal = Terminal(step.body.split()[1:], self.here.environment)
        try:
            terminal.ready(timeout_s=WAIT_S)
            for line in lines[:-1]:
                before = terminal.screen.text.count(wanted[0])  # the conversation that is shown may have it, too
                terminal.send(f"{line}\r")
                terminal.expect(wanted[0], times=before + 1, timeout_s=WAIT_S)
                terminal.ready(timeout_s=WAIT_S)
            terminal.send(f"{lines[-1]}\r")
            terminal.expect(wanted[-1], timeout_s=WAIT_S)
            assert terminal.wait(WAIT_S) == 0
        finally:
            terminal.close()

    def end(self) -> None:
        """End what still runs, the newest first."""
        while self._staying:
            staying = self._staying.pop()
            staying.process.terminate()
            try:
                staying.process.wait(WAIT_S)
            except subprocess.TimeoutExpired:
                staying.process.kill()
            staying.ends()
