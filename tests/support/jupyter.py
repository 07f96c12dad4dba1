"""A Jupyter server of the user's in a process of its own, with the package installed as an extension."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.http import ask
from tests.support.server import ROOT, GatewayProcess, free_port

TOKEN = "jupyter-token"
EXTENSIONS = {
    "clawdbot_ext": True,
    "jupyterlab": False,
    "notebook": False,
    "notebook_shim": False,
    "jupyter_lsp": False,
    "jupyter_server_terminals": False,
    "jupyter_server_ydoc": False,
    "jupyter_server_fileid": False,
    "voila": False,
}
"""Whatever else is installed would only make the start slower."""


def share_labextension(folder: Path) -> Path:
    """A data directory for ``JUPYTER_PATH`` in which JupyterLab finds our extension as it was built."""
    extensions = folder / "share" / "labextensions"
    extensions.mkdir(parents=True)
    (extensions / "jupyter-clawdbot").symlink_to(ROOT / "clawdbot_ext" / "_labextension")
    return folder / "share"


def quiet_lab(folder: Path) -> Path:
    """A settings directory for JupyterLab without toasts about news, which would lie over the composer."""
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": False}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
    return folder / "settings"


def without_collaboration(config: Path) -> None:
    """Configure JupyterLab, by its directory of configuration, to open a notebook for each page by itself."""
    (config / "labconfig").mkdir(parents=True, exist_ok=True)
    disabled = {"disabledExtensions": {"@jupyter/docprovider-extension": True}}
    (config / "labconfig" / "page_config.json").write_text(json.dumps(disabled))


class JupyterProcess(GatewayProcess):
    """``jupyter server`` (or ``module``) with a token of its own. ``port`` is Jupyter's, ``mount`` what is ours in it.

    Several may share a state directory; ``clawdbot_port`` is where its gateway listens besides.
    """

    def __init__(
        self,
        state: Path,
        *,
        clawdbot_port: int | None = None,
        module: str = "jupyter_server",
        base_url: str = "/base/",
        env: Mapping[str, str] | None = None,
        config: Mapping[str, Any] | None = None,
        arguments: tuple[str, ...] = (),
    ):
        super().__init__(state, env=env, config=config, arguments=arguments)
        self.clawdbot_port = clawdbot_port if clawdbot_port is not None else free_port()
        self.environment["CLAWDBOT_GATEWAY_PORT"] = str(self.clawdbot_port)
        self.module, self.base_url = module, base_url
        self.extensions: Mapping[str, bool] = EXTENSIONS
        self._log = state / f"jupyter-{self.port}.log"
        self.folder = state / f"notebooks-{self.port}"
        self.folder.mkdir()
        self.traits: dict[str, dict[str, Any]] = {}
        """More of Jupyter's own settings, by class. Modules that they name may lie in ``folder``."""

    @property
    def mount(self) -> str:
        return f"{self.base_url}clawdbot/"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.mount}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}{self.mount}ws"

    @property
    def headers(self) -> dict[str, str]:
        """Jupyter's login."""
        return {"Authorization": f"token {TOKEN}"}

    def spawn(self) -> None:
        settings: dict[str, dict[str, Any]] = {
            "ServerApp": {
                "port": self.port,
                "port_retries": 0,
                "ip": "127.0.0.1",
                "base_url": self.base_url,
                "open_browser": False,
                "allow_root": True,
                "root_dir": str(self.folder),
                "jpserver_extensions": self.extensions,
            },
            "IdentityProvider": {"token": TOKEN},
        }
        for name, more in self.traits.items():
            settings[name] = {**settings.get(name, {}), **more}
        config = self.folder / "jupyter_config.json"
        config.write_text(json.dumps(settings))
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self.module, f"--config={config}", *self.arguments],
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )

    def _answers(self) -> bool:
        try:
            return ask(self.port, path=f"{self.mount}healthz").status == 200
        except OSError:
            return False
