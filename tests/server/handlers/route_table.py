"""Prints the live route tables of a server as JSON: ``{table: [[pattern, handler, verb, rule], …]}`` in the order in
which routes are tried. ``standalone`` is the standalone server; ``jupyter`` another with the package installed, with
the mount's routes of the gateway (``mount``), of a standby (``relay``) and of the gateway's own port beside
it (``listener``) in tables of their own.

Run in a process of its own by tests, because a server claims signals, logging and a port.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from tornado.routing import Router
from tornado.web import RequestHandler

from clawdbot_ext.server.handlers.base import BaseHandler
from tests.support.jupyter import EXTENSIONS
from tests.support.server import ROOT, clean_environment

Row = tuple[str, str, str, str]


def live(state: Path) -> dict[str, list[Row]]:
    """The tables of both servers, each printed by a process of its own whose state is in ``state``."""
    environment = clean_environment(state, CLAWDBOT_GATEWAY_PORT="0")
    found: dict[str, list[Row]] = {}
    for server in ("standalone", "jupyter"):
        done = subprocess.run(
            [sys.executable, "-m", "tests.server.handlers.route_table", server],
            cwd=ROOT,
            env=environment,
            timeout=60,
            capture_output=True,
            text=True,
            check=True,
        )
        found |= json.loads(done.stdout.splitlines()[-1])
    return found


def walk(router: Any) -> Iterator[tuple[str, type[RequestHandler], dict[str, Any]]]:
    """Every route below ``router``, in the order in which they are tried."""
    for rule in router.rules:
        if isinstance(rule.target, Router):
            yield from walk(rule.target)
        else:
            pattern = getattr(getattr(rule.matcher, "regex", None), "pattern", type(rule.matcher).__name__)
            yield pattern, rule.target, rule.target_kwargs or {}


def verdicts(handler: type[RequestHandler], facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """``(verb, rule)`` for each verb that a handler serves."""
    for verb in handler.SUPPORTED_METHODS:
        method = getattr(handler, verb.lower())
        if method is not RequestHandler._unimplemented_method:
            yield verb, verdict(handler, method, facts)


def verdict(handler: type[RequestHandler], method: Any, facts: dict[str, Any]) -> str:
    """``open``, ``login``, ``user`` or ``connect`` for ours, ``public`` or ``auth`` for Jupyter's, or ``NONE`` where
    nothing decides.

    ``ws_authenticated`` sets the mark of ``allow_unauthenticated`` too, to False. Undecorated methods of Jupyter's
    handlers are closed by ``allow_unauthenticated_access = False``, which the standalone server sets.
    """
    if issubclass(handler, BaseHandler):
        return facts.get("access") or handler.access or "NONE"
    mark = getattr(method, "__allow_unauthenticated", None)
    if mark is not None:
        return "public" if mark else "auth"
    if getattr(method, "__wrapped__", None) and method.__code__.co_filename.endswith("tornado/web.py"):
        return "auth"
    return "auth" if issubclass(handler, JupyterHandler) else "NONE"


def table(router: Any) -> list[Row]:
    """The routes below ``router``."""
    return [
        (pattern, handler.__name__, verb, rule)
        for pattern, handler, facts in walk(router)
        for verb, rule in verdicts(handler, facts)
    ]


def standalone() -> dict[str, list[Row]]:
    from clawdbot_ext.server.extension import ClawdbotApp
    from clawdbot_ext.server.options import Options

    server = ClawdbotApp.initialize_server([], options=Options(flags={"gateway.port": 0}, browser=False))
    return {"standalone": table(server.web_app.default_router)}


def jupyter() -> dict[str, list[Row]]:
    from jupyter_server.serverapp import ServerApp
    from tornado.web import Application

    from clawdbot_ext.server.handlers.lazy_router import LazyRouter
    from clawdbot_ext.server.leadership import LeadershipState
    from clawdbot_ext.server.side_listener import SideListener

    server = ServerApp.instance()
    server.initialize(
        [
            "--port=0",
            "--no-browser",
            "--allow-root",
            "--log-level=ERROR",
            f"--ServerApp.jpserver_extensions={EXTENSIONS}",
        ],
        new_httpserver=False,
    )
    app = next(iter(server.extension_manager.extension_apps["clawdbot_ext"]))
    ours = [rule.target for _, rule in _all_rules(server.web_app.default_router) if isinstance(rule.target, LazyRouter)]
    assert len(ours) == 1
    found = {}
    for name, state in (("relay", LeadershipState.STANDBY), ("mount", LeadershipState.LEADER)):
        app._leadership.state = state
        found[name] = table(ours[0])
    listener = SideListener(app._leadership.live, lambda: app._leadership.context, None)
    application = next(iter(listener._server.request_callback.default_router.rules)).target
    assert isinstance(listener._server.request_callback, Application)
    found["listener"] = table(application)
    listener.close()
    return found


def _all_rules(router: Any) -> Iterator[tuple[Any, Any]]:
    for rule in router.rules:
        yield router, rule
        if isinstance(rule.target, Router):
            yield from _all_rules(rule.target)


if __name__ == "__main__":
    json.dump({"standalone": standalone, "jupyter": jupyter}[sys.argv[1]](), sys.stdout)
