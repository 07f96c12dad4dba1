"""The magics where something is missing or goes away: papermill, *Run All*, no gateway, one that dies, Stop, Korean."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pexpect
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from tests.support.messages_api import MessagesAPI
from tests.support.server import GatewayProcess

from .kernel import Kernel

pytestmark = pytest.mark.slow
CELL_S = 60
FAILING = (
    "%load_ext clawdbot_ext",
    "%%clawdbot\n[[text=The first answer.]]",
    "%%clawdbot\n[[error=401]]",
    "open('went-on', 'w').close()",
)


@pytest.fixture(scope="module")
def kernel_environment(home: GatewayProcess) -> dict[str, str]:
    kept = {key: value for key, value in home.environment.items() if not key.startswith("ANTHROPIC_")}
    return {**kept, "IPYTHONDIR": str(home.state / "ipython"), "PYTHONWARNINGS": "ignore"}


def notebook(*cells: str) -> Any:
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return made


def test_run_all_stops_at_a_failure_with_a_sentence(kernel_environment: dict[str, str], tmp_path: Path) -> None:
    ran = notebook(*FAILING)
    client = NotebookClient(ran, timeout=CELL_S, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}})
    with pytest.raises(CellExecutionError) as failed:
        asyncio.run(client.async_execute(env=kernel_environment))
    assert failed.value.ename == "ClawdbotError" and failed.value.evalue.startswith("Clawdbot: ")
    assert "clawdbot_ext" not in str(failed.value) and "Traceback" not in str(failed.value)
    assert "The first answer." in str(ran.cells[1].outputs) and not (tmp_path / "went-on").exists()


def test_with_keep_going_all_cells_run(kernel_environment: dict[str, str], tmp_path: Path) -> None:
    ran = notebook(*(cell.replace("%%clawdbot", "%%clawdbot --keep-going") for cell in FAILING))
    client = NotebookClient(ran, timeout=CELL_S, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}})
    asyncio.run(client.async_execute(env=kernel_environment))
    assert (tmp_path / "went-on").exists() and "Clawdbot: " in str(ran.cells[2].outputs)


def test_nbconvert_and_papermill_stop_there(kernel_environment: dict[str, str], tmp_path: Path) -> None:
    pytest.importorskip("papermill")
    nbformat.write(notebook(*FAILING), tmp_path / "in.ipynb")
    programs = (
        ["-m", "papermill", "in.ipynb", "out.ipynb", "--no-progress-bar"],
        ["-m", "nbconvert", "--to", "markdown", "--execute", "in.ipynb"],
    )
    running = [
        subprocess.Popen(
            [sys.executable, *words],
            cwd=tmp_path,
            env=kernel_environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for words in programs
    ]
    for program in running:
        output, _ = program.communicate(timeout=4 * CELL_S)
        assert program.returncode != 0 and "Clawdbot: " in output, output
    assert not (tmp_path / "went-on").exists()


@pytest.fixture
def own(tmp_path: Path, api: MessagesAPI) -> Iterator[GatewayProcess]:
    """A gateway that may die; it is not started."""
    gateway = GatewayProcess(
        tmp_path / "state",
        config={"agents": {"defaults": {"autoTitle": False}}},
        env={"ANTHROPIC_API_KEY": "sk-canary-key", "ANTHROPIC_BASE_URL": api.url},
    )
    yield gateway
    gateway.stop()


def own_kernel(gateway: GatewayProcess, **more: str) -> Kernel:
    kept = {key: value for key, value in gateway.environment.items() if not key.startswith("ANTHROPIC_")}
    return Kernel({**kept, "IPYTHONDIR": str(gateway.state / "ipython"), **more})


LONG = "%%clawdbot\n[[tokens=2000]][[delay_ms=20]]"


def test_in_korean_where_the_environment_is(own: GatewayProcess, api: MessagesAPI) -> None:
    kernel = own_kernel(own, LC_ALL="ko_KR.UTF-8")
    try:
        kernel.run("%load_ext clawdbot_ext")
        for line in ("%clawdbot status", "%%clawdbot\nx", "%clawdbot new", "%clawdbot web", "%clawdbot models"):
            [error] = kernel.run(line).errors
            assert error.startswith("ClawdbotError: Clawdbot: 실행 중인 게이트웨이가 없어요."), line
        own.start()
        assert kernel.run("%clawdbot status").markdown.startswith("- 모델:")
        for line, said in (
            ("%clawdbot nonsense", "명령은 없어요"),
            ("%%clawdbot", "질문이 비어 있어요"),
            ("%%clawdbot\n{nix:.1f}", "값을 구하지 못했어요"),
            ("%clawdbot use nix", "세션을 찾을 수 없어요"),
            ("%clawdbot model nix", "모델은 없어요"),
            ("%%clawdbot\n[[error=401]]", "API 키를 거부했어요"),
        ):
            assert said in kernel.run(line).errors[0], line
        kernel.run("1 / 0")
        kernel.run("%clawdbot fix")
        turns = [r.body["messages"] for r in api.requests if r.path.endswith("/messages") and r.body.get("stream")]
        assert "이 셀에서 오류가 났어요" in str(turns[-1][-1]["content"])
        assert "셀 내용이 질문이에요" in kernel.run("%clawdbot?").page
    finally:
        kernel.stop()


def test_a_gateway_that_dies_in_the_middle_fails_the_cell_and_the_next_one_serves(own: GatewayProcess) -> None:
    own.start()
    kernel = own_kernel(own)
    try:
        kernel.run("%load_ext clawdbot_ext\nimport clawdbot_ext.notebook.magics\nclawdbot_ext.magics.PATIENCE_S = 1")
        running = kernel.start(LONG)
        kernel.collect(running, until="t3")
        own.kill()
        ended = kernel.collect(running)
        assert "The gateway isn't responding" in ended.errors[0] and ended.updated.startswith("t0 t1")
        assert "reconnecting" not in ended.updated
        assert "No gateway is running" in kernel.run("%clawdbot status").errors[0]
        own.start()
        assert kernel.run("%clawdbot status").errors == []
        assert "again" in kernel.run("%%clawdbot\n[[text=again]]").markdown
    finally:
        kernel.stop()


def test_stop_leaves_the_text_and_a_clean_state_even_without_a_gateway(own: GatewayProcess) -> None:
    own.start()
    kernel = own_kernel(own)
    try:
        kernel.run("%load_ext clawdbot_ext")
        running = kernel.start(LONG)
        kernel.collect(running, until="t3")
        kernel.interrupt()
        ended = kernel.collect(running)
        assert ended.errors == ["Stopped: Stopped."] and ended.updated.startswith("t0 t1")
        assert "No reply is running" in kernel.run("%clawdbot stop").markdown
        assert "at once" in kernel.run("%%clawdbot\n[[text=at once]]").markdown
        running = kernel.start(LONG)
        kernel.collect(running, until="t3")
        own.kill()
        kernel.interrupt()
        ended = kernel.collect(running)
        assert ended.errors == ["Stopped: Stopped."] and ended.updated.startswith("t0 t1")
        assert kernel.run("print('alive')").text == "alive\n"
    finally:
        kernel.stop()


def test_a_terminal_prints_the_answer_once(kernel_environment: dict[str, str]) -> None:
    environment = {**kernel_environment, "TERM": "dumb"}
    shell = pexpect.spawn(
        sys.executable,
        ["-m", "IPython", "--simple-prompt", "--no-banner", "--no-confirm-exit"],
        env=environment,
        timeout=CELL_S,
        encoding="utf-8",
        dimensions=(50, 200),
    )
    prompt = r"In \[\d+\]: "
    try:
        shell.expect(prompt)
        shell.sendline("%load_ext clawdbot_ext")
        shell.expect(prompt)
        shell.sendline("rows = [1]")
        shell.expect(prompt)
        shell.sendline("%clawdbot ask --var rows What is it? [[tokens=40]][[delay_ms=20]]")
        shell.expect(prompt)
        assert shell.before.count("t0 t1 t2") == 1 and "t38 t39" in shell.before
        assert shell.before.count("rows.md") == 1  # an attachment is mentioned in one line
        for line in ("%%clawdbot", "What now?", "", ""):
            shell.sendline(line)
        shell.expect("You said: What now\\?")
        shell.expect(prompt)
        shell.sendline("%clawdbot stauts")
        shell.expect("Did you mean `status`")
        shell.expect(prompt)
        shell.sendline("%clawdbot ask [[tokens=2000]][[delay_ms=20]]")
        shell.expect("t9 ")
        shell.sendintr()
        shell.expect("Stopped")
        shell.expect(prompt)
        shell.sendline("%clawdbot stop")
        shell.expect("No reply is running")
    finally:
        shell.close(force=True)
