"""Transport security in front of every route: checks of Host, Origin, and the size of a body without a credential.

Another site's page can make the user's browser send requests here. It cannot forge Host, Origin or the Sec-Fetch
headers, so these three decide, exactly and before anything else, also for Jupyter's own routes. Tornado's and Jupyter's
own checks are laxer (they skip token requests, ignore the scheme); nothing relies on them.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from jupyter_server.auth.decorator import allow_unauthenticated
from tornado.httputil import HTTPServerRequest
from tornado.routing import Matcher
from tornado.web import HTTPError, RequestHandler, stream_request_body

from ...config import Config
from ...i18n import catalogue, language
from .fd_limits import RETRY_AFTER_S, near_fd_limit
from .forwarded_headers import client_of

log = logging.getLogger(__name__)

MAX_ANONYMOUS_BODY = 64 * 1024
"""Maximum size in bytes of an anonymous request's body. Jupyter's own limit is 512 MB, in memory."""

MAX_NAME, MAX_PATH = 255, 4095
"""Maximum bytes of a path segment and of a whole path, as in file systems."""
PATH_NOT_FOUND = {"status": 404, "reason": "not found"}

_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::(?P<port>[0-9]{1,5}))?", re.IGNORECASE)
_ORIGIN = re.compile(rf"(?P<scheme>https?)://{_HOST.pattern}", re.IGNORECASE)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
HOST_REFUSED, ORIGIN_REFUSED = "host not allowed", "origin not allowed"

t = catalogue("server")


class Origin(NamedTuple):
    """A web origin; two are the same when all three parts are."""

    scheme: str
    host: str
    port: int


def parse_origin(text: str) -> Origin | None:
    """Parse an ``Origin`` header; ``None`` for ``null``, other schemes, and anything that is not exactly one."""
    found = _ORIGIN.fullmatch(text)
    if found is None:
        return None
    scheme = found["scheme"].lower()
    return Origin(scheme, found["name"].lower(), int(found["port"] or _DEFAULT_PORTS[scheme]))


class OriginRefused(HTTPError):
    """403 for a page of an origin that is not allowed. ``facts`` name the setting that would allow it."""

    def __init__(self, origin: str, host: str, setting: str):
        super().__init__(403, reason=ORIGIN_REFUSED)
        self.facts = {"reason": "ORIGIN_NOT_ALLOWED", "origin": origin, "host": host, "setting": setting}


@dataclass(frozen=True)
class Policy:
    """Hosts and origins that a server accepts, derived from the configuration and its addresses.

    ``address`` is the one for URLs on this machine (``[…]`` in IPv6). ``exposed`` is whether others than this machine
    reach it: then any IP address is a good Host (a rebound name never is one), and so is the machine's own name.
    """

    config: Config
    scheme: str
    address: str
    exposed: bool

    @cached_property
    def _names(self) -> frozenset[str]:
        names = {"localhost", "127.0.0.1", "[::1]", self.address}
        names |= {host.lower() for host in self.config["gateway.allowedHosts"]}
        if self.exposed:
            machine = socket.gethostname().lower()
            names |= {machine, f"{machine}.local"}
        return frozenset(names)

    @cached_property
    def _origins(self) -> frozenset[Origin | None]:
        return frozenset(parse_origin(text) for text in self.config["gateway.allowedOrigins"]) - {None}

    def _is_tailnet(self, name: str) -> bool:
        return self.config["gateway.tailscale.mode"] != "off" and name.endswith(".ts.net")

    def own_origins(self, host: str, forwarded_scheme: str | None = None) -> frozenset[Origin]:
        """Return the origins of pages that this server itself serves under the ``Host`` header ``host``; empty: no such
        host.

        Tailscale takes TLS off before it passes a request on, so a ``.ts.net`` name stands for an https page. Where
        another proxy does so, ``forwarded_scheme`` is what it says.
        """
        found = _HOST.fullmatch(host)
        if found is None:
            return frozenset()
        name = found["name"].lower()
        tailnet = self._is_tailnet(name)
        if not (tailnet or name in self._names or host.lower() in self._names or (self.exposed and _is_address(name))):
            return frozenset()
        scheme = forwarded_scheme or self.scheme
        schemes = {scheme, "https"} if tailnet else {scheme}
        return frozenset(Origin(scheme, name, int(found["port"] or _DEFAULT_PORTS[scheme])) for scheme in schemes)

    def _is_own_script(self, request: HTTPServerRequest) -> bool:
        """Return whether the page fetches its own static files. Browsers send an origin for modules; behind an unknown
        proxy it differs from the expected one, and without these files the page could not report that."""
        path = f"/{self.config['gateway.controlUi.basePath'].strip('/')}/assets/".replace("//", "/")
        return (
            request.method in ("GET", "HEAD")
            and request.headers.get("Sec-Fetch-Site") == "same-origin"
            and request.path.startswith(path)
            and "/" not in request.path[len(path) :]
        )

    def refusal(self, request: HTTPServerRequest) -> str | None:
        """Return the reason to reject ``request``, or ``None``."""
        sent = client_of(request, self.config)
        own = self.own_origins(request.headers.get("Host", ""), sent.scheme)
        if own and sent.host is not None:  # both: a rebound name's own page can write the forwarded one
            own = self.own_origins(sent.host, sent.scheme)
        if not own:
            return HOST_REFUSED
        origin = request.headers.get("Origin")
        if origin is not None:
            welcome = parse_origin(origin) in own | self._origins or self._is_own_script(request)
            return None if welcome else ORIGIN_REFUSED
        if request.method not in _SAFE_METHODS and "Authorization" not in request.headers:
            return "an Origin or Authorization header is needed"
        return _foreign_fetch(request)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _foreign_fetch(request: HTTPServerRequest) -> str | None:
    """Reject a script, image or frame of another page (also of another port of localhost, which shares cookies).

    Such requests carry no Origin. Following a link to the page is fine.
    """
    headers = request.headers
    if headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin"):
        return None
    if headers.get("Sec-Fetch-Mode") == "navigate" and headers.get("Sec-Fetch-Dest") == "document":
        return None
    return "another site may only link here"


class RejectedRequest(Matcher):
    """Matcher of requests to reject. ``known`` returns whether a request has a valid credential."""

    def __init__(self, policy: Callable[[], Policy], known: Callable[[HTTPServerRequest], bool]):
        self._policy, self._known = policy, known

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        if near_fd_limit(request):
            return {
                "target_kwargs": {
                    "status": 503,
                    "reason": "too many connections, try again in a moment",
                    "facts": {"reason": "TOO_MANY_CONNECTIONS"},
                }
            }
        policy = self._policy()
        if refusal := policy.refusal(request):
            return {
                "target_kwargs": {
                    "status": 403,
                    "reason": refusal,
                    "facts": _mended_by(refusal, request, policy),
                    "wished": policy.config["ui.locale"],
                }
            }
        if is_invalid_path(request):
            return {"target_kwargs": PATH_NOT_FOUND}
        if _has_large_body(request) and not self._known(request):
            return {"target_kwargs": {"status": 401, "reason": "log in before sending that much"}}
        return None


def _mended_by(refusal: str, request: HTTPServerRequest, policy: Policy) -> dict[str, str]:
    """Return the code of a rejection, the relevant headers, and the setting that would allow the request."""
    if refusal not in (HOST_REFUSED, ORIGIN_REFUSED):
        return {}
    sent = client_of(request, policy.config)
    unknown_proxy = sent.scheme is None and "X-Forwarded-Proto" in request.headers
    setting = "gateway.allowedHosts" if refusal == HOST_REFUSED else "gateway.allowedOrigins"
    return {
        "reason": "HOST_NOT_ALLOWED" if refusal == HOST_REFUSED else "ORIGIN_NOT_ALLOWED",
        "origin": request.headers.get("Origin", ""),
        "host": sent.host or request.headers.get("Host", ""),
        "setting": "gateway.trustedProxies" if unknown_proxy and refusal == ORIGIN_REFUSED else setting,
        "peer": request.remote_ip or "",
    }


def is_invalid_path(request: HTTPServerRequest) -> bool:
    """Return whether a request's path is one that no file and no route can have.

    Checked for every route, so that none has to handle a NUL or an overlong name.
    """
    path = unquote_to_bytes(request.path)
    if len(path) > MAX_PATH or any(len(name) > MAX_NAME for name in path.split(b"/")):
        return True
    try:
        text = path.decode()
    except UnicodeDecodeError:
        return True
    return any(ord(character) < 32 for character in text)


def _has_large_body(request: HTTPServerRequest) -> bool:
    length = request.headers.get("Content-Length", "0")
    return "Transfer-Encoding" in request.headers or not length.isdigit() or int(length) > MAX_ANONYMOUS_BODY


@stream_request_body
class RejectHandler(RequestHandler):
    """Response to rejected requests, written before any of the body is read."""

    def initialize(self, status: int, reason: str, facts: dict[str, str] | None = None, wished: str = "") -> None:
        # ``_reason`` is Tornado's.
        self._status, self._why, self._facts, self._wished = status, reason, facts or {}, wished

    def set_default_headers(self) -> None:
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")

    def check_xsrf_cookie(self) -> None:
        """Do nothing: the request is rejected anyway, with a more precise reason."""

    def prepare(self) -> None:
        self.set_status(self._status)
        self.set_header("Connection", "close")
        if self._status == 503:
            self.set_header("Retry-After", str(RETRY_AFTER_S))
        if self._facts.get("reason") == "HOST_NOT_ALLOWED" and "text/html" in self.request.headers.get("Accept", ""):
            self._tell_person()
        else:
            self.finish({"error": self._why, **self._facts})

    def _tell_person(self) -> None:
        """Write a page for people instead of the requested one."""
        lang = language(self._wished or self.request.headers.get("Accept-Language", "").split(",")[0])
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(
            f'<!doctype html><html lang="{lang}"><meta charset="utf-8"><title>Clawdbot</title>'
            f"<h1>{escape(t(lang, 'host.refused.title'))}</h1>"
            f"<p>{escape(t(lang, 'host.refused', host=self._facts['host']))}</p></html>"
        )

    def data_received(self, chunk: bytes) -> None:
        """Discard the body."""

    def _log(self) -> None:
        """One short line: Jupyter logs a 503 as an error, with all headers, and anyone can cause thousands of them."""
        log.info("refused %s with %d: %s", self.request.remote_ip, self._status, self._why)

    @allow_unauthenticated
    def get(self) -> None:
        """Never reached: ``prepare`` has answered."""
