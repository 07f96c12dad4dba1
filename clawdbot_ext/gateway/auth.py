"""Who is there: one secret of the gateway, and what is derived from it (cookies, one-time links).

Below the edge (``handlers``, ``identity``), which knows headers and sockets; this module knows neither. An address is
never a credential: what comes from loopback proves itself like everything else.

    credential              proved by                                    good for
    token, password         constant-time comparison, failures limited   a connection, a login
    client credential       constant-time comparison                     the same, for programs of this account
    cookie                  signature and generation, never held up      30 days, until the secret changes
    link                    one use within 60 s                          a cookie
"""

from __future__ import annotations

import base64
import getpass
import hashlib
import hmac
import ipaddress
import json
import logging
import math
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from .. import discovery
from ..config import Config, ConfigError
from ..protocol.errors import RateLimited, Unauthorized
from ..protocol.schema import OPERATOR_SCOPES, ConnectAuth

log = logging.getLogger(__name__)

COOKIE_SECONDS = 30 * 24 * 3600
LINK_SECONDS = 60
MAX_LINKS = 32
"""Unused links kept; the oldest goes first."""
GLOBAL_FACTOR = 10
"""All clients together may fail this many times as often as one (and so many failures are remembered at most)."""
MIN_EXPOSED_TOKEN = 16
"""Bytes of a token that others than this machine may guess at."""
MIN_EXPOSED_PASSWORD = 8
SCRYPT_LOG2_N, SCRYPT_R, SCRYPT_P = 14, 8, 1
"""About 35 ms and 16 MB a check."""

_PLACEHOLDERS = frozenset({"changeme", "change-me", "password", "secret", "token", "your-token-here"})
_HEADER = re.compile(r"(?:bearer|token)\s+(\S+)\s*", re.IGNORECASE)

Via = Literal["token", "password", "cookie", "link", "jupyter", "device"]


UNGUESSABLE_CHARS = 32
"""A token this long stands no guessing, at whatever speed."""


@dataclass(frozen=True)
class Identity:
    """A client that is known: ``via`` says how. ``scopes`` is all that it may ask for."""

    user: str
    via: Via
    scopes: frozenset[str] = frozenset(OPERATOR_SCOPES)


@cache
def owner() -> str:
    """The name of the one user: the account the gateway runs as."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user id without a passwd entry
        return "owner"


def client_key(address: str) -> str:
    """Who is counted together: an IPv4 address however it is written, an IPv6 /64; other text as it is."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address or "local"
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)


def hash_password(password: str) -> str:
    """``password`` as ``gateway.auth.password`` may hold it instead of the clear text.

    The form is ``scrypt:<log2 n>:<r>:<p>:<salt>:<hash>``, the last two in URL-safe base64.
    """
    salt = secrets.token_bytes(16)
    derived = _scrypt(password, salt, SCRYPT_LOG2_N, SCRYPT_R, SCRYPT_P)
    return f"scrypt:{SCRYPT_LOG2_N}:{SCRYPT_R}:{SCRYPT_P}:{_b64(salt)}:{_b64(derived)}"


def check_secret(config: Config, *, exposed: bool) -> None:
    """Refuse a secret that cannot protect anything. ``exposed``: others than this machine can reach the gateway.

    Raises:
        ConfigError: password mode without a password, an unreadable hash, or a secret that is exposed and a placeholder
            or short.
    """
    token, password = config["gateway.auth.token"], config["gateway.auth.password"]
    if config["gateway.auth.mode"] == "password":
        if not password:
            raise ConfigError("gateway.auth.password", "must be set when gateway.auth.mode is password")
        if password.startswith("scrypt:"):
            _parse_hash(password)
        elif exposed and (len(password) < MIN_EXPOSED_PASSWORD or password.lower() in _PLACEHOLDERS):
            raise ConfigError("gateway.auth.password", f"needs {MIN_EXPOSED_PASSWORD} characters or more, and must not "
                              "be a placeholder, when the gateway can be reached from other machines")
    elif token and exposed and (len(token.encode()) < MIN_EXPOSED_TOKEN or token.lower() in _PLACEHOLDERS):
        raise ConfigError("gateway.auth.token", f"needs {MIN_EXPOSED_TOKEN} characters or more when the gateway can be "
                          "reached from other machines; leave it empty for a random one")


class Auth:
    """Checks credentials against the configuration as it is at that moment.

    Everything is synchronous and quick, except for a password kept as a hash, which costs 35 ms a wrong guess (and at
    most 100 guesses a minute are looked at).
    """

    def __init__(self, config: Callable[[], Config], clock: Callable[[], float] = time.time):
        self._config, self._clock = config, clock
        self._signing_key = discovery.secret(config(), "cookie").encode()
        self._client = discovery.client_credential(config(), create=True) or ""
        self._process_key = secrets.token_bytes(32)
        self._proved: bytes | None = None
        self._links: dict[bytes, tuple[float, str]] = {}
        self._failures: _Failures | None = None

    # -- secrets ----------------------------------------------------------------------------------------------------
    def check_connect(self, auth: ConnectAuth | None, client_key: str) -> Identity:
        """The identity behind the ``auth`` of a ``connect``.

        Raises:
            Unauthorized: nothing given, or nothing of it is right; the latter counts as a failure.
            RateLimited: this client, or all together, failed too often in the last minute. Nothing was compared.
        """
        if auth is None or not (auth.token or auth.password):
            raise Unauthorized(f"unauthorized: {self.modes()[0]} missing")
        return self._check(auth.token, auth.password, client_key)

    def check_bearer(self, header: str, client_key: str) -> Identity:
        """The identity behind an ``Authorization`` header (``Bearer``, Jupyter's ``token``). As ``check_connect``."""
        given = _HEADER.fullmatch(header)
        if given is None:
            raise Unauthorized("unauthorized: no bearer token in the Authorization header")
        return self._check(given[1], given[1], client_key)

    def is_own_program(self, header: str) -> bool:
        """Does an ``Authorization`` header carry the client credential? 256 random bits need no limiter."""
        given = _HEADER.fullmatch(header)
        return given is not None and _same(given[1], self._client)

    def modes(self) -> list[str]:
        """What a person is asked for: ``["token"]`` or ``["password"]``."""
        return [self._config()["gateway.auth.mode"]]

    def _check(self, token: str | None, password: str | None, client_key: str) -> Identity:
        config = self._config()
        if token and _same(token, self._client):
            return Identity(owner(), "token")
        # What cannot be guessed needs no limit on guessing, and its owner must not wait for somebody else's guesses.
        if token and len(_token(config)) >= UNGUESSABLE_CHARS and _same(token, _token(config)):
            return Identity(owner(), "token")
        limit: int = config["gateway.loginAttemptsPerMinute"]
        if self._failures is not None and (wait := self._failures.wait_ms(limit, client_key)):
            raise RateLimited("too many failed logins, try again later", retry_after_ms=wait)
        if token and _same(token, _token(config)):
            return Identity(owner(), "token")
        if password and self._password_is(password, config):
            return Identity(owner(), "password")
        if self._failures is None:
            self._failures = _Failures()
        self._failures.add(limit, client_key)
        raise Unauthorized(f"unauthorized: {'token' if token and not password else self.modes()[0]} mismatch")

    def _password_is(self, given: str, config: Config) -> bool:
        expected: str = config["gateway.auth.password"]
        if config["gateway.auth.mode"] != "password" or not expected:
            return False
        if not expected.startswith("scrypt:"):
            return _same(given, expected)
        mark = hmac.digest(self._process_key, f"{expected}\0{given}".encode(), "sha256")
        if self._proved is not None and hmac.compare_digest(mark, self._proved):
            return True  # the same password was right before: no need to spend 35 ms on each reconnect
        try:
            log2_n, r, p, salt, derived = _parse_hash(expected)
        except ConfigError as exc:  # the file was changed since the start, which had refused it
            log.error("nobody can log in: %s", exc)
            return False
        right = hmac.compare_digest(_scrypt(given, salt, log2_n, r, p), derived)
        if right:
            self._proved = mark
        return right

    def generation(self) -> str:
        """Changes with the secret, and with it every cookie and link becomes void. Says nothing about the secret."""
        config = self._config()
        secret = "\0".join((config["gateway.auth.mode"], _token(config), config["gateway.auth.password"]))
        return hmac.new(self._signing_key, b"generation\0" + secret.encode(), "sha256").hexdigest()[:24]

    # -- cookies ----------------------------------------------------------------------------------------------------
    def issue_cookie(self, identity: Identity) -> str:
        """The value of a login cookie for ``identity``, good for ``COOKIE_SECONDS`` unless the secret changes."""
        # n: no two logins have the same cookie, so that one can be logged out without the other.
        facts = {"u": identity.user, "e": int(self._clock()) + COOKIE_SECONDS, "g": self.generation(),
                 "n": secrets.token_urlsafe(9)}
        payload = _b64(json.dumps(facts).encode())
        return f"{payload}.{self._sign(payload)}"

    def read_cookie(self, value: str) -> Identity | None:
        """The identity of a cookie; ``None`` if it is forged, expired or of another generation. Never rate-limited."""
        payload, _, signature = value.partition(".")
        if not _same(signature, self._sign(payload)):
            return None
        facts: dict[str, Any] = json.loads(_unb64(payload))
        if facts["e"] < self._clock() or not _same(facts["g"], self.generation()):
            return None
        return Identity(facts["u"], "cookie")

    def _sign(self, payload: str) -> str:
        return _b64(hmac.digest(self._signing_key, b"cookie\0" + payload.encode("utf-8", "surrogatepass"), "sha256"))

    # -- links ------------------------------------------------------------------------------------------------------
    def create_link(self) -> tuple[str, int]:
        """A login code for one use, and when it ends (milliseconds since the epoch)."""
        code, ends = secrets.token_urlsafe(24), self._clock() + LINK_SECONDS
        self._links[_digest(code)] = (ends, self.generation())
        while len(self._links) > MAX_LINKS:
            del self._links[next(iter(self._links))]
        return code, int(ends * 1000)

    def redeem_link(self, code: str) -> Identity | None:
        """Use a code up; ``None`` if it is unknown, used, late, or older than the secret. 192 bits need no limiter."""
        ends, generation = self._links.pop(_digest(code), (0.0, ""))
        if ends < self._clock() or generation != self.generation():
            return None
        return Identity(owner(), "link")


class _Failures:
    """Failed logins of the last minute by client and in all, counted by ``limits``.

    Made at the first failure: importing ``limits`` takes 0.1 s that a start has no use for. What is counted was allowed
    to be tried, so no more than the ceiling for all clients is remembered, whatever the number of addresses.
    """

    def __init__(self) -> None:
        from limits import RateLimitItemPerMinute
        from limits.storage import MemoryStorage
        from limits.strategies import MovingWindowRateLimiter

        self._item = RateLimitItemPerMinute
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def wait_ms(self, limit: int, client_key: str) -> int:
        """Milliseconds until ``client_key`` may try again; 0 = now."""
        for item, who in ((self._item(limit), client_key), (self._item(limit * GLOBAL_FACTOR), "*")):
            if not self._limiter.test(item, who):
                reset = self._limiter.get_window_stats(item, who).reset_time
                return max(1, math.ceil((reset - time.time()) * 1000))
        return 0

    def add(self, limit: int, client_key: str) -> None:
        self._limiter.hit(self._item(limit), client_key)
        self._limiter.hit(self._item(limit * GLOBAL_FACTOR), "*")


def _token(config: Config) -> str:
    """The token in force. In password mode it is the random one of the state directory, so that the command line of the
    same user (who can read that file) need not ask for the password."""
    configured: str = config["gateway.auth.token"]
    if configured and config["gateway.auth.mode"] == "token":
        return configured
    return discovery.local_token(config, create=True) or ""


def _same(given: str, expected: str) -> bool:
    """Equal, and not both empty; takes as long whatever the lengths and the first difference."""
    return bool(expected) and hmac.compare_digest(_digest(given), _digest(expected))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _scrypt(password: str, salt: bytes, log2_n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode("utf-8", "surrogatepass"), salt=salt, n=1 << log2_n, r=r, p=p,
                          maxmem=(1 << log2_n) * r * 256, dklen=32)


def _parse_hash(text: str) -> tuple[int, int, int, bytes, bytes]:
    try:
        _, log2_n, r, p, salt, derived = text.split(":")
        parsed = int(log2_n), int(r), int(p), _unb64(salt), _unb64(derived)
    except ValueError:
        raise ConfigError("gateway.auth.password", "starts with scrypt: but is no such hash") from None
    if not (10 <= parsed[0] <= 18 and 1 <= parsed[1] <= 16 and 1 <= parsed[2] <= 4 and len(parsed[4]) == 32):
        raise ConfigError("gateway.auth.password", "is a scrypt hash with parameters out of range")
    return parsed


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
