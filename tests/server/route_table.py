"""Prints the live route table of our own server as JSON: ``[pattern, handler, verb, rule]`` a line of the walk.

Run in a process of its own by ``test_routes``, because the server claims signals, logging and a port.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from tornado.routing import Router
from tornado.web import RequestHandler


def walk(router: Any) -> Iterator[tuple[str, type[RequestHandler]]]:
    """Every route below ``router``, in the order in which they are tried."""
    for rule in router.rules:
        if isinstance(rule.target, Router):
            yield from walk(rule.target)
        else:
            pattern = getattr(getattr(rule.matcher, "regex", None), "pattern", type(rule.matcher).__name__)
            yield pattern, rule.target


def verdicts(handler: type[RequestHandler]) -> Iterator[tuple[str, str]]:
    """``(verb, rule)`` for each verb that a handler serves."""
    for verb in handler.SUPPORTED_METHODS:
        method = getattr(handler, verb.lower())
        if method is not RequestHandler._unimplemented_method:
            yield verb, verdict(handler, method)


def verdict(handler: type[RequestHandler], method: Any) -> str:
    """``public``, ``auth``, or ``OPEN`` where nothing decides.

    ``ws_authenticated`` sets the mark of ``allow_unauthenticated`` too, to False. Undecorated methods of Jupyter's
    handlers are closed by ``allow_unauthenticated_access = False``.
    """
    mark = getattr(method, "__allow_unauthenticated", None)
    if mark is not None:
        return "public" if mark else "auth"
    if getattr(method, "__wrapped__", None) and method.__code__.co_filename.endswith("tornado/web.py"):
        return "auth"
    return "auth" if issubclass(handler, JupyterHandler) else "OPEN"


def table(router: Any) -> list[tuple[str, str, str, str]]:
    return [(pattern, handler.__name__, verb, rule) for pattern, handler in walk(router)
            for verb, rule in verdicts(handler)]


if __name__ == "__main__":
    from clawdbot_ext.app import Options
    from clawdbot_ext.extension import ClawdbotApp

    server = ClawdbotApp.initialize_server([], options=Options(flags={"gateway.port": 0}, browser=False))
    json.dump(table(server.web_app.default_router), sys.stdout)
