"""A real JupyterHub on loopback: dummy logins, one process a user, each with a home directory of its own."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from http.cookiejar import Cookie
from pathlib import Path
from typing import Any

import psutil
import requests

from tests.support.jupyter import EXTENSIONS, quiet_lab, share_labextension, without_collaboration
from tests.support.server import ROOT, clean_environment, free_port
from tests.support.tools import require

START_S = 150.0
STOP_S = 40.0
ADMIN_TOKEN = "token-of-the-test-service"
OPERATOR_TOKEN = "token-of-the-operator-of-the-shared-gateway"
SERVICE = "/services/clawdbot/"
ACCESS = "access:services!service=clawdbot"

_CONFIG = """
c = get_config()  # noqa
given = {given}
c.JupyterHub.bind_url, c.JupyterHub.hub_bind_url = given["url"], given["hub_url"]
c.ConfigurableHTTPProxy.api_url, c.ConfigurableHTTPProxy.command = given["proxy_api"], given["proxy"]
c.JupyterHub.authenticator_class, c.Authenticator.allow_all = "dummy", True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = given["folder"] + "/home/{{username}}"
c.LocalProcessSpawner.interrupt_timeout = 1
c.JupyterHub.tornado_settings = {{"slow_spawn_timeout": 0}}
c.Spawner.start_timeout = c.Spawner.http_timeout = int(given["patience_s"])  # by itself 30 s, too few on a busy machine
c.Spawner.cmd, c.Spawner.args = given["command"], ["--allow-root"]
c.Spawner.environment, c.Spawner.env_keep = given["environment"], ["PATH"]
c.JupyterHub.db_url = "sqlite:///" + given["folder"] + "/hub.sqlite"
c.JupyterHub.cookie_secret_file = given["folder"] + "/cookie_secret"
c.JupyterHub.services = [{{"name": "test", "api_token": given["admin"]}}, *given["services"]]
c.JupyterHub.load_roles = [{{"name": "test", "services": ["test"],
                            "scopes": ["admin:users", "admin:servers", "groups", "tokens", "access:servers"]}},
                           *given["roles"]]
c.JupyterHub.load_groups = given["groups"]
"""


class Hub:
    """One Hub with its proxy. ``start`` it with the names of its users, whose servers then run."""

    def __init__(
        self,
        folder: Path,
        *,
        lab: bool = False,
        env: Mapping[str, str] | None = None,
        groups: Mapping[str, Sequence[str]] | None = None,
        shared: Mapping[str, Any] | None = None,
    ):
        """``lab``: the users' servers have JupyterLab with our extension; ``env``: more of their environment;
        ``shared``: the Hub has a gateway for all of its users as a service, with this configuration."""
        self.folder, self._lab, self._env = folder, lab, dict(env or {})
        self._groups, self._shared = {name: {"users": [*users]} for name, users in (groups or {}).items()}, shared
        ports = [free_port() for _ in range(3)]
        self.url, self._hub_url, self._proxy_api = (f"http://127.0.0.1:{port}" for port in ports)
        self.shared_url = ""
        """The shared gateway's own address, without the Hub's proxy."""
        self.gateway_port = free_port()
        """The ``gateway.port`` of every user's environment, on which nothing must listen."""
        self._log = folder / "hub.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, users: Sequence[str]) -> None:
        """Start the Hub and the users' servers; wait until all answer."""
        node, proxy = require("node"), require("hub-proxy")
        settings = self.folder / "config"
        settings.mkdir()
        extensions = {**EXTENSIONS, "jupyterlab": True} if self._lab else EXTENSIONS
        without_collaboration(settings)
        (settings / "jupyter_server_config.json").write_text(
            json.dumps({"ServerApp": {"jpserver_extensions": extensions}, "LabApp": {"news_url": None}})
        )
        environment = {
            "PYTHONPATH": str(ROOT),
            "JUPYTER_CONFIG_PATH": str(ROOT / "jupyter-config"),
            "LANG": "C.UTF-8",
            "JUPYTER_CONFIG_DIR": str(settings),
            "CLAWDBOT_GATEWAY_PORT": str(self.gateway_port),
            "JUPYTERHUB_SINGLEUSER_APP": "jupyter_server.serverapp.ServerApp",
            **self._env,
        }
        if self._lab:
            environment |= {
                "JUPYTER_PATH": str(share_labextension(self.folder)),
                "JUPYTERLAB_SETTINGS_DIR": str(quiet_lab(self.folder)),
            }
        given = {
            "url": self.url,
            "hub_url": self._hub_url,
            "proxy_api": self._proxy_api,
            "proxy": [node, proxy],
            "folder": str(self.folder),
            "command": [sys.executable, "-m", "jupyterhub.singleuser"],
            "environment": environment,
            "admin": ADMIN_TOKEN,
            "patience_s": START_S,
            "groups": self._groups,
            "services": [] if self._shared is None else [self._service(self._shared)],
            "roles": [] if self._shared is None else [{"name": "user", "scopes": ["self", ACCESS]}],
        }
        config = self.folder / "jupyterhub_config.py"
        config.write_text(_CONFIG.format(given=repr(given)))
        for user in users:
            (self.folder / "home" / user).mkdir(parents=True)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "jupyterhub", f"--config={config}"],
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=clean_environment(self.folder),
            )
        self._wait(lambda: requests.get(f"{self.url}/hub/health", timeout=2).ok)
        for user in users:
            if not any(user in group["users"] for group in self._groups.values()):  # else the Hub has made it
                self.api("post", f"users/{user}")
            self.api("post", f"users/{user}/server")
        for user in users:
            self._wait(lambda name=user: self.api("get", f"users/{name}")["servers"].get("", {}).get("ready"))
        if self._shared is not None:
            self._wait(lambda: requests.get(f"{self.shared_url}/readyz", timeout=2).ok)

    def _service(self, configuration: Mapping[str, Any]) -> dict[str, Any]:
        """The gateway as a service that the Hub starts."""
        state = self.folder / "shared"
        (state / "jupyter").mkdir(parents=True)
        (state / "jupyter" / "config.json").write_text(json.dumps(configuration))
        self.shared_url = f"http://127.0.0.1:{free_port()}"
        return {
            "name": "clawdbot",
            "url": self.shared_url,
            "command": [sys.executable, "-m", "clawdbot_ext.app", "--no-browser"],
            "oauth_no_confirm": True,
            "environment": {
                "PYTHONPATH": str(ROOT),
                "LANG": "C.UTF-8",
                "CLAWDBOT_STATE_DIR": str(state),
                "CLAWDBOT_GATEWAY_TOKEN": OPERATOR_TOKEN,
            },
        }

    def _wait(self, condition: Any) -> None:
        ends = time.monotonic() + START_S
        while True:
            try:
                if condition():
                    return
            except requests.ConnectionError:
                pass
            assert self._process is not None
            if self._process.poll() is not None or time.monotonic() > ends:
                raise RuntimeError(f"the Hub does not answer:\n{self.output}")
            time.sleep(0.05)

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def token_of(self, user: str, *scopes: str) -> str:
        """A new token of ``user`` for programs, with these scopes alone."""
        made: str = self.api("post", f"users/{user}/tokens", scopes=[*scopes])["token"]
        return made

    def api(self, method: str, path: str, **body: Any) -> Any:
        """A request of the administrator to the Hub's API."""
        answer = requests.request(
            method,
            f"{self.url}/hub/api/{path}",
            json=body or None,
            timeout=60,
            headers={"Authorization": f"token {ADMIN_TOKEN}"},
        )
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def log_in(self, user: str, path: str = "") -> requests.Session:
        """A browser in which ``user`` has logged in to the Hub, and to their own server or what is at ``path``."""
        browser = requests.Session()
        page = browser.get(f"{self.url}/hub/login", timeout=60)
        token = re.search(r'name="_xsrf" value="([^"]*)"', page.text)
        assert token is not None
        page = f"{path or f'/user/{user}/clawdbot/'}chat"
        form = {"username": user, "password": "x", "_xsrf": token[1]}
        browser.post(f"{self.url}/hub/login", params={"next": page}, timeout=60, data=form).raise_for_status()
        browser.get(f"{self.url}{page}", timeout=60).raise_for_status()
        return browser

    def start_server(self, user: str) -> None:
        """Start the server of ``user``, whose account the Hub has; wait until it answers."""
        self.api("post", f"users/{user}/server")
        self._wait(lambda: self.api("get", f"users/{user}")["servers"].get("", {}).get("ready"))

    def stop_server(self, user: str) -> None:
        """Stop the server of ``user``, as the Hub's culler does; wait until it is gone."""
        self.api("delete", f"users/{user}/server")
        self._wait(lambda: "" not in self.api("get", f"users/{user}")["servers"])

    def stop(self) -> None:
        """End the Hub, which ends its proxy and its users' servers; what it leaves behind is killed."""
        if self._process is None or self._process.poll() is not None:
            return
        started = psutil.Process(self._process.pid).children(recursive=True)
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_S)
        for process in psutil.wait_procs(started, timeout=2)[1]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def cookies_for(browser: requests.Session, path: str) -> str:
    """The ``Cookie`` header that the browser sends for ``path``."""

    def fits(cookie: Cookie) -> bool:
        return path.startswith(cookie.path)

    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies if fits(cookie))


def cookie_of(browser: requests.Session, name: str, path: str) -> str:
    """The value of the cookie ``name`` that was set for ``path``."""
    return next(cookie.value or "" for cookie in browser.cookies if (cookie.name, cookie.path) == (name, path))
