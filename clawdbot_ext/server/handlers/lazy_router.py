"""A router whose routes are created with the first request, so that loading the extension costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.routing import Router, Rule
from tornado.web import Application

from ..net.transport_security import PATH_NOT_FOUND, RejectHandler, is_invalid_path


class LazyRouter(Router):
    """A router of ``application`` that calls ``routes`` for its rules at each request.

    The rules may change: a standby's routes (a proxy) differ from the leader's.
    """

    def __init__(self, application: Application, routes: Callable[[], Sequence[Rule]]):
        self._application, self._routes = application, routes

    @property
    def rules(self) -> Sequence[Rule]:
        """The current rules."""
        return self._routes()

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        """Return the handler of the first rule that matches; ``None`` if there is none."""
        if is_invalid_path(request):
            return self._application.get_handler_delegate(request, RejectHandler, dict(PATH_NOT_FOUND))
        for rule in self._routes():
            found = rule.matcher.match(request)
            if found is not None:
                arguments = {**rule.target_kwargs, **found.pop("target_kwargs", {})}
                return self._application.get_handler_delegate(request, rule.target, arguments, **found)
        return None
