"""Files from the command line: ``agent --attach``, ``/attach``, and images in terminals that show them."""

from __future__ import annotations

import io
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from clawdbot_ext import client
from clawdbot_ext.cli.chat import images
from clawdbot_ext.cli.chat.attachments import PendingFiles
from clawdbot_ext.cli.files import ExistingFile, named_in
from clawdbot_ext.client.endpoint import Endpoint
from tests.cli.conftest import Run, run_cli
from tests.cli.terminal import Terminal
from tests.support.media import png

if TYPE_CHECKING:
    from tests.support.server import GatewayProcess


def test_agent_sends_files_and_the_transcript_names_them(gateway: GatewayProcess, tmp_path: Path) -> None:
    picture, notes = tmp_path / "plot one.png", tmp_path / "메모.txt"
    picture.write_bytes(png(300, 200))
    notes.write_text("hello")
    done = run_cli(
        gateway.environment,
        "agent",
        "-m",
        "[[text=seen]]",
        "--session",
        "attach",
        "--attach",
        str(picture),
        "--attach",
        str(notes),
    )
    assert (done.returncode, done.stdout) == (0, "seen\n"), done.stderr
    shown = run_cli(gateway.environment, "sessions", "show", "attach").stdout
    assert "📎 plot one.png (image, 300×200, " in shown and "📎 메모.txt (text, 5 B)" in shown
    command = run_cli(gateway.environment, "agent", "-m", "/whoami", "--attach", str(notes))
    assert command.returncode == 0 and "take no attachments: `메모.txt`" in command.stdout
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04 nothing")
    refused = run_cli(gateway.environment, "agent", "-m", "x", "--attach", str(tmp_path / "bad.zip"))
    assert refused.returncode == 1 and "bad.zip" in refused.stderr
    assert run_cli(gateway.environment, "agent", "-m", "x", "--attach", str(tmp_path)).returncode == 2


def test_the_python_client_uploads_large_files_once_and_tells_how_far_it_is(gateway: GatewayProcess) -> None:
    data = (
        b"RIFF\x24\x40\x1f\x00WAVEfmt "
        + bytes([16, 0, 0, 0, 1, 0, 1, 0, 0x40, 0x1F, 0, 0, 0x80, 0x3E, 0, 0, 2, 0, 16, 0])
        + b"data\x00\x40\x1f\x00"
        + bytes(2_048_000)
    )
    with client.connect(Endpoint(gateway.ws_url, gateway.url, gateway.token)) as sync:
        heard: list[float] = []
        from clawdbot_ext.client.uploads import file_of, upload

        async def twice() -> list[str]:
            sent = file_of(("silence.wav", data))
            first = await upload(sync._client, sent, lambda name, part: heard.append(part))
            count = len(heard)
            again = await upload(sync._client, sent, lambda name, part: heard.append(part))
            assert len(heard) == count + 1, "the second time nothing is sent"
            return [first["mediaId"], again["mediaId"]]

        first, again = sync._call(twice())
        assert first == again and heard[-1] == 1.0 and len(heard) > 5
        end = sync.send("[[text=ok]]", [("a.txt", b"alpha"), b"beta"], session_key="both")
        assert end.text == "ok"


@pytest.mark.slow
def test_chat_completes_paths_and_sends_what_was_attached(gateway: GatewayProcess, tmp_path: Path) -> None:
    (tmp_path / "measurements.csv").write_text("a,b\n1,2\n")
    terminal = Terminal(["chat", "--session", "files"], gateway.environment, columns=200)  # the path stays one line
    try:
        terminal.expect("Clawdbot · New session")
        terminal.ready()
        terminal.send(f"/attach {tmp_path}/meas")
        terminal.expect("measurements.csv")
        terminal.send("\t")
        terminal.ready(f"/attach {tmp_path}/measurements.csv")
        terminal.send("\r\r")
        terminal.expect("Attached to the next message: measurements.csv")
        terminal.ready()
        terminal.send("/whoami\r")
        terminal.expect("commands take no attachments: measurements.csv")
        terminal.expect("Attached to the next message: measurements.csv", times=2)
        terminal.ready()
        terminal.send("[[text=all of it]]\r")
        terminal.expect("all of it", times=2)
    finally:
        terminal.close()
    shown = run_cli(gateway.environment, "sessions", "show", "files").stdout
    assert "📎 measurements.csv (text, 8 B)" in shown


@pytest.mark.parametrize(
    ("locale", "told"),
    [
        ("C.UTF-8", "big.txt is too large: at most 1048576 bytes. The limit is 1 MB."),
        ("ko_KR.UTF-8", "파일이 너무 커요: big.txt. 최대 1MB까지 보낼 수 있어요."),
    ],
)
def test_agent_says_in_the_readers_language_why_a_file_is_refused_and_sends_nothing(
    cli: Run, tmp_path: Path, locale: str, told: str
) -> None:
    notes, big = tmp_path / "notes.txt", tmp_path / "big.txt"
    notes.write_text("hello")
    big.write_text("a line\n" * 200_000)
    assert cli("config", "set", "media.maxBytes.text", str(1 << 20)).returncode == 0
    try:
        asked = ("agent", "-m", "[[text=seen]]", "--session", f"refused-{locale}", "--attach", str(notes))
        refused = cli(*asked, "--attach", str(big), LC_ALL=locale)
        assert (refused.returncode, refused.stdout) == (1, "") and told in refused.stderr
        done = cli(*asked, LC_ALL=locale)
        assert (done.returncode, done.stdout) == (0, "seen\n"), done.stderr
    finally:
        cli("config", "unset", "media.maxBytes.text")
    assert cli("sessions", "show", f"refused-{locale}").stdout.count("[[text=seen]]") == 1


@pytest.mark.slow
def test_chat_gives_the_message_and_its_files_back_when_one_is_refused(gateway: GatewayProcess, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04 nothing")
    terminal = Terminal(["chat", "--session", "refused"], gateway.environment, columns=200)
    try:
        terminal.expect("Clawdbot · New session")
        terminal.ready()
        terminal.send(f"/attach {tmp_path}/notes.txt {tmp_path}/bad.zip\r")
        terminal.expect("Attached to the next message: notes.txt, bad.zip")
        terminal.ready()
        terminal.send("[[text=seen]] my words\r")
        terminal.expect("“bad.zip” ends too early")
        terminal.ready("[[text=seen]] my words")
        terminal.send("\x03")
        terminal.ready()
        terminal.send("/attach\r")
        terminal.expect("Attached to the next message: notes.txt, bad.zip", times=2)
    finally:
        terminal.close()


@pytest.mark.parametrize(
    ("environment", "how"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm"),
        ({"TERM": "foot"}, "sixel"),
        ({"TERM": "xterm-256color"}, None),
        ({"TERM": "xterm-kitty", "TMUX": "1"}, None),
        ({"TERM": "screen", "TERM_PROGRAM": "iTerm.app"}, None),
        ({}, None),
    ],
)
def test_only_terminals_that_surely_show_images_get_any(environment: dict[str, str], how: str | None) -> None:
    assert images.protocol(environment) == how


@pytest.mark.parametrize(
    ("how", "begins", "ends"),
    [
        ("kitty", "\x1b_Ga=T,f=100,q=2,m=", "\x1b\\"),
        ("iterm", "\x1b]1337;File=inline=1;width=48", "\x07"),
        ("sixel", '\x1bPq"1;1;480;240#', "\x1b\\"),
    ],
)
def test_an_image_is_written_whole_whatever_the_width_of_the_terminal(
    how: images.Protocol, begins: str, ends: str
) -> None:
    shown = images.picture(png(1000, 500), how)
    assert shown is not None
    target = io.StringIO()
    Console(file=target, force_terminal=True, width=20).print(shown)
    assert target.getvalue().startswith(begins) and target.getvalue().rstrip("\n").endswith(ends)
    assert images.picture(b"no image", how) is None


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_korean_name_is_attached_in_whichever_form_it_is_typed(tmp_path: Path, form: str) -> None:
    other = "NFC" if form == "NFD" else "NFD"
    path = tmp_path / unicodedata.normalize(form, "자료") / unicodedata.normalize(form, "회의 록.txt")
    path.parent.mkdir()
    path.write_text("text")
    typed = unicodedata.normalize(other, str(path))
    assert named_in(typed) == [path] and named_in(f"'{typed}'") == [path]
    assert ExistingFile().convert(typed, None, None) == path
    with pytest.raises(FileNotFoundError):
        named_in(unicodedata.normalize(other, f"{path.parent}/없음.txt"))


def test_files_are_taken_away_by_name_by_path_or_all(tmp_path: Path) -> None:
    told: list[str] = []
    waiting = PendingFiles(lambda text, style: told.append(text))
    paths = [tmp_path / name for name in ("a.csv", unicodedata.normalize("NFD", "회의 록.txt"), "c.png")]
    for path in paths:
        path.write_text("text")
        assert waiting.run(f"/attach {path}")
    waiting.run("/detach nothing.txt a.csv")
    assert waiting.paths == paths and told[-1] == "Not among the attached files: nothing.txt"
    waiting.run("/detach 회의 록.txt")
    assert waiting.paths == [paths[0], paths[2]] and told[-1].endswith("a.csv, c.png")
    waiting.run(f"/detach '{paths[0]}'")
    assert waiting.paths == [paths[2]]
    waiting.run("/detach")
    assert waiting.paths == [] and told[-1] == "The next message has no files."
