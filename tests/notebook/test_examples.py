"""The example notebooks run without an API key, and what is saved or converted has no secret in it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter, MarkdownExporter, ScriptExporter

from tests.support.server import ROOT, GatewayProcess

pytestmark = pytest.mark.slow

EXAMPLES = sorted((ROOT / "notebooks").glob("*.ipynb"))
CELL_S = 30


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """The gateway of a user who has just installed the package: the demo answers."""
    gateway = GatewayProcess(tmp_path_factory.mktemp("examples") / "state")
    gateway.start()
    programs = gateway.state / "bin"
    programs.mkdir()
    (programs / "clawdbot").write_text(f"#!/bin/sh\nexec '{sys.executable}' -m clawdbot_ext \"$@\"\n")
    (programs / "clawdbot").chmod(0o755)
    gateway.environment |= {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "BROWSER": "true",
        "IPYTHONDIR": str(gateway.state / "ipython"),
    }
    yield gateway
    gateway.stop()


def execute(home: GatewayProcess, *notebooks: Any) -> list[BaseException | None]:
    """Run every cell of the notebooks, each in a fresh kernel of the user's, side by side: they mostly wait for words.
    What went wrong with each; a cell that is marked to fail may."""

    async def run() -> list[BaseException | None]:
        return await asyncio.gather(
            *(
                NotebookClient(notebook, timeout=CELL_S, kernel_name="python3").async_execute(
                    env=home.environment | ({"LANG": "ko_KR.UTF-8"} if notebook.metadata.get("korean") else {})
                )
                for notebook in notebooks
            ),
            return_exceptions=True,
        )

    return [problem if isinstance(problem, BaseException) else None for problem in asyncio.run(run())]


@pytest.fixture(scope="module")
def executed(home: GatewayProcess) -> dict[Path, Any]:
    """The examples with what they showed."""
    notebooks = {path: nbformat.read(path, as_version=4) for path in EXAMPLES}
    for path, notebook in notebooks.items():
        notebook.metadata["korean"] = path.stem.endswith(".ko")
    for problem in execute(home, *notebooks.values()):
        if problem is not None:
            raise problem
    return notebooks


def outputs(cell: Any) -> str:
    """All that a cell shows, as text."""
    parts = [
        out.get("text") or "".join(out.get("data", {}).get(kind, "") for kind in ("text/markdown", "text/plain"))
        for out in cell.get("outputs", [])
    ]
    return "\n".join(parts)


def secrets_of(home: GatewayProcess) -> list[str]:
    found = [file.read_text().strip() for file in (home.home / "secrets").iterdir() if file.is_file()]
    assert len(found) >= 3 and all(len(each) > 20 for each in found)
    return found


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_without_an_api_key(path: Path, home: GatewayProcess, executed: dict[Path, Any]) -> None:
    ran = executed[path]
    for cell in (cell for cell in ran.cells if cell.cell_type == "code"):
        failed = [out for out in cell.outputs if out.output_type == "error" or out.get("name") == "stderr"]
        assert bool(failed) == ("raises-exception" in cell.metadata.get("tags", [])), cell
        if cell.source.startswith(("%%clawdbot", "%clawdbot", "!clawdbot")):
            assert outputs(cell) and "Clawdbot: " not in outputs(cell), cell
    saved = nbformat.writes(ran)
    assert [secret for secret in secrets_of(home) if secret in saved] == []
    assert "code=" not in saved


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_kept_without_outputs(path: Path) -> None:
    """So that a change of it can be read, and no person's answers are taken for the product's."""
    notebook = nbformat.read(path, as_version=4)
    assert [cell for cell in notebook.cells if cell.get("outputs") or cell.get("execution_count")] == []
    assert "widgets" not in notebook.metadata
    assert notebook.metadata.kernelspec.name == "python3"


def test_a_saved_notebook_converts_without_secrets_and_without_the_widgets_conversation(home: GatewayProcess) -> None:
    """The secret is put together in the kernel, since the source of a cell is no leak."""
    cells = (
        "%load_ext clawdbot_ext\n%clawdbot status",
        "%%clawdbot\n[[text=The answer of the *magics*.]]",
        """
from clawdbot_ext import ChatWidget
along = 'canary{}file'.format('-').encode()
chat = ChatWidget(context=[('notes.txt', along)])
chat""",
        """
words = ['canary{}question', '[[text=canary{}answer]]']
reply = chat.ask(' '.join(words).format('-', '-'), attachments=[('more.txt', along)]).text
assert 'canary' in reply and reply in str(chat.history)""",
        "%clawdbot web",
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    assert execute(home, notebook) == [None]
    assert "480px" in json.dumps(notebook.metadata.widgets), "the widget's state is saved"
    exported = {
        type(exporter).__name__: exporter.from_notebook_node(notebook)[0]
        for exporter in (HTMLExporter(), MarkdownExporter(), ScriptExporter())
    }
    exported["saved"] = nbformat.writes(notebook)
    hidden = [*secrets_of(home), "canary-question", "canary-answer", "canary-file", "code="]
    assert [(name, each) for name, text in exported.items() for each in hidden if each in text] == []
    assert "The answer of the <em>magics</em>." in exported["HTMLExporter"]
    assert "The answer of the *magics*." in exported["MarkdownExporter"]
    assert "run_cell_magic" in exported["ScriptExporter"]
