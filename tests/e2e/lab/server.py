"""A real JupyterLab with the extension from this checkout, on a free port, with a state directory of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.http import ask
from tests.support.jupyter import quiet_lab, share_labextension, without_collaboration
from tests.support.server import ROOT, clean_environment, free_port

TOKEN = "the-token-of-this-lab"
START_S = 90.0


class Lab:
    """``jupyter lab`` (or ``notebook``) under ``/a%40b/``, its files in ``folder/work``.

    ``together``: people edit a notebook together (jupyter-server-ydoc and jupyter-docprovider).
    """

    def __init__(
        self,
        folder: Path,
        *,
        program: str = "jupyterlab",
        env: Mapping[str, str] | None = None,
        together: bool = False,
    ):
        self.folder, self.work, self.state = folder, folder / "work", folder / "state"
        self.port, self.program = free_port(), program
        self._process: subprocess.Popen[bytes] | None = None
        self.work.mkdir(parents=True)
        self.state.mkdir(mode=0o700)
        self.environment = clean_environment(
            self.state,
            JUPYTER_TOKEN=TOKEN,
            JUPYTER_CONFIG_PATH=str(ROOT / "jupyter-config"),
            JUPYTER_PATH=str(share_labextension(folder)),
            JUPYTERLAB_SETTINGS_DIR=str(quiet_lab(folder)),
            JUPYTERLAB_WORKSPACES_DIR=str(folder / "workspaces"),
            **(env or {}),
        )
        config = Path(self.environment["JUPYTER_CONFIG_DIR"])
        if together:
            config.mkdir(parents=True, exist_ok=True)
            extensions = dict.fromkeys(("jupyter_server_ydoc", "jupyter_server_fileid"), True)
            traits = {"ServerApp": {"jpserver_extensions": extensions}, "YDocExtension": {"document_save_delay": 0.5}}
            (config / "jupyter_server_config.json").write_text(json.dumps(traits))
        else:
            without_collaboration(config)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/a%40b/"

    @property
    def output(self) -> str:
        return (self.folder / "lab.log").read_text(errors="replace")

    @property
    def workspace(self) -> str:
        """The stored layout."""
        return "".join(file.read_text() for file in (self.folder / "workspaces").glob("*.jupyterlab-workspace"))

    def has_saved_panel(self, notebook: str) -> bool:
        """Report whether the stored layout has this notebook and the panel in front: Lab stores it some time after."""
        layout = self.workspace
        return f'"current":"notebook:{notebook}"' in layout and '"current":"clawdbot-chat"' in layout

    def configure(self, config: Mapping[str, Any]) -> None:
        """The gateway's configuration file, before the start."""
        home = self.state / "jupyter"
        home.mkdir(mode=0o700, exist_ok=True)
        (home / "config.json").write_text(json.dumps(config))

    def start(self) -> None:
        with open(self.folder / "lab.log", "ab") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    self.program,
                    f"--port={self.port}",
                    "--ServerApp.port_retries=0",
                    "--no-browser",
                    "--ServerApp.base_url=/a%40b/",
                    "--allow-root",
                    "--LabApp.news_url=None",
                ],
                cwd=self.work,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"Lab ended:\n{self.output}")
            try:
                if ask(self.port, path="/a%40b/clawdbot/healthz").status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise RuntimeError(f"Lab did not answer:\n{self.output}")

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def write(
        self,
        name: str,
        *cells: str | tuple[str, list[dict[str, Any]]],
        widgets: Mapping[str, Any] | None = None,
        kernel: str = "python3",
    ) -> None:
        """A notebook of code cells, with outputs and the state of widgets where they are given."""
        made: list[dict[str, Any]] = []
        for number, cell in enumerate(cells):
            source, outputs = cell if isinstance(cell, tuple) else (cell, [])
            made.append(
                {
                    "cell_type": "code",
                    "id": f"cell{number}",
                    "metadata": {},
                    "source": source,
                    "execution_count": None,
                    "outputs": outputs,
                }
            )
        spec = {"name": kernel, "display_name": kernel, "language": "python"}
        metadata: dict[str, Any] = {"kernelspec": spec}
        if widgets is not None:
            state = {"version_major": 2, "version_minor": 0, "state": widgets}
            metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": state}
        notebook = {"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
        (self.work / name).write_text(json.dumps(notebook))
