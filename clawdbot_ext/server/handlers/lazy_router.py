"""Routes that are made when the first request for one of them comes, so that loading the extension costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.routing import Router, Rule
from tornado.web import Application

from ..net.transport_security import PATH_NOT_FOUND, RejectHandler, is_invalid_path


class LazyRouter(Router):
    """A router of ``application`` that asks ``routes`` for its rules at each request.

    What it returns may depend on the moment: the routes of a server that relays differ from the gateway's own.
    """

    def __init__(self, application: Application, routes: Callable[[], Sequence[Rule]]):
        self._application, self._routes = application, routes

    @property
    def rules(self) -> Sequence[Rule]:
        """The rules of this moment."""
        return self._routes()

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        """The first rule that matches; ``None``: the path is nobody's here."""
        if is_invalid_path(request):
            return self._application.get_handler_delegate(request, RejectHandler, dict(PATH_NOT_FOUND))
        for rule in self._routes():
            found = rule.matcher.match(request)
            if found is not None:
                arguments = {**rule.target_kwargs, **found.pop("target_kwargs", {})}
                return self._application.get_handler_delegate(request, rule.target, arguments, **found)
        return None
