"""Authentication: the one place that maps the credentials of a request or a ``connect`` to an identity.

It does so for pages, files and sockets alike, on the gateway's own port and inside a Jupyter server.

The server package reads the credentials of a request (``RequestCredentials``); this module knows no header and no
socket. An address is never a credential: what comes from loopback proves itself like
everything else.

    credential              proved by                                    good for
    client credential       constant-time comparison                     programs of this account, in every mode
    token, password         constant-time comparison, failures limited   a connection, a login
    cookie                  signature and generation, never held up      what its maker was good for, 30 days at most
    link                    one use within 60 s                          a cookie
    Jupyter's login         the server around us, with its authorizer    a mount; all of it for the owner alone
    Tailscale's login       ``tailscale whois``                          our own routes, never Jupyter's API
    device token            ``devices``                                  a connection

What one of them makes is recorded with all that it was made by (``identity``), and judged anew at each use
(``Auth.current``): by then its maker may be gone, or be worth less.
"""

from __future__ import annotations

import getpass
import hashlib
import hmac
import json
import logging
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

from ...config import Config, ConfigError
from ...protocol.errors import RateLimited, Unauthorized
from ...protocol.schema import OPERATOR_SCOPES, ConnectAuth
from ...runtime.secrets import client_credential, get_or_create_secret, local_token, rotate_secret
from .identity import GUEST_SCOPES, AuthMethod, DeviceMark, Identity, from_facts, to_facts
from .links import Links
from .passwords import HASHED, b64, matches, unb64
from .rate_limits import KNOWN_BROWSER, Failures

log = logging.getLogger(__name__)

COOKIE_SECONDS = 30 * 24 * 3600
EXTERNAL_LOGIN_SECONDS = 24 * 3600
UNGUESSABLE_CHARS = 32
"""A token this long stands no guessing, at whatever speed."""
_HEADER = re.compile(r"(?:bearer|token)\s+(\S+)\s*", re.IGNORECASE)

Access = Literal["open", "login", "user", "connect"]
"""The rule of a route. ``open``: everybody, since it holds nothing. ``login``: the page's shell on a mount, for
every user of the surrounding server. ``user``: users of the assistant. ``connect``: a socket on which an unknown client
authenticates in its first frame."""
Note = Callable[[str, Mapping[str, Any]], None]
"""Takes an event for the audit log: its kind, and facts without secrets."""


@dataclass(frozen=True)
class ExternalIdentity:
    """A user authenticated by a trusted third party: the surrounding Jupyter server, or Tailscale."""

    user: str
    via: Literal["jupyter", "tailscale"]
    owner: bool = False
    """The server around us knows one user only, or says that this is the one whose server it is."""


@dataclass(frozen=True)
class RequestCredentials:
    """The credentials of a request and the facts they are judged by, as the server package has read them."""

    client_key: str
    """The key under which the rate limits count: the normalised address."""
    authorization: str | None = None
    cookie: str = ""
    """The value of our login cookie."""
    by_page: bool = False
    """It has an ``Origin``, which has been found good: a browser's page sends it."""
    socket: bool = False
    """It wants to become a WebSocket."""
    relayed_user: str | None = None
    """The user on whose behalf a proxying server asks; believed only with the client credential."""
    relayed_scopes: frozenset[str] = GUEST_SCOPES
    """The scopes that the proxying server grants to that user."""
    external: ExternalIdentity | None = None


@cache
def owner() -> str:
    """The name of the one user: the account the gateway runs as."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user id without a passwd entry
        return "owner"


def by_token() -> Identity:
    """The owner, as the gateway's token proves."""
    return Identity(owner(), "token")


class Auth:
    """Checks credentials against the configuration as it is at that moment.

    Everything is synchronous and quick, except for a password kept as a hash, which costs 35 ms a wrong guess (and at
    most 100 guesses a minute are looked at).
    """

    def __init__(self, config: Callable[[], Config], clock: Callable[[], float] = time.time):
        self._config, self._clock = config, clock
        get_or_create_secret(config(), "cookie")  # made now, since later there may be no room for it
        self._client = client_credential(config(), create=True) or ""
        self._process_key = secrets.token_bytes(32)
        self._proved: bytes | None = None
        self.links = Links(self, self._signing_key, clock)
        self._logged_out: dict[str, int] = {}
        self.device_scopes: Callable[[DeviceMark], frozenset[str] | None] = lambda mark: None
        """Look up the present scopes of a device's token; ``None``: it is void. Set once there is a gateway."""
        self._failures: Failures | None = None
        self.own_logins = True
        """Whether links and cookies of ours log in; on a JupyterHub only the Hub does."""
        self.note: Note = lambda kind, facts: None
        """The audit log."""
        self.tell_failed: Callable[[str], None] = lambda client_key: None
        """Tell the other gateways of a wrong login."""

    # -- requests ---------------------------------------------------------------------------------------------------
    def identify(self, given: RequestCredentials) -> Identity | None:
        """Authenticate a request; ``None``: it has no credential.

        Raises:
            Unauthorized: an ``Authorization`` header that is wrong; it counts as a failure.
            RateLimited: this client, or all together, failed too often in the last minute. Nothing was compared.
        """
        known = self.recognize(given)
        if known is not None:
            return known
        if given.external is not None and (given.external.via == "jupyter" or self.allows_tailscale()):
            return self._external_identity(given.external)
        return self.check_bearer(given.authorization, given.client_key) if given.authorization is not None else None

    def recognize(self, given: RequestCredentials) -> Identity | None:
        """Authenticate a request by a credential that cannot be guessed, without a limiter and without third parties.

        A cookie counts only where nothing more explicit is shown, and for a socket only from a page: without ``Origin``
        it is no browser, and only the user's own programs have the cookie's secret.
        """
        if given.authorization is not None:
            if not self._is_own_program(given.authorization):
                return None
            if given.relayed_user:
                return Identity(given.relayed_user, "jupyter", given.relayed_scopes & frozenset(OPERATOR_SCOPES))
            return by_token()
        if not (given.cookie and self.own_logins) or (given.socket and not given.by_page):
            return None
        return self.read_cookie(given.cookie)

    def allows_tailscale(self) -> bool:
        """Whether Tailscale's logins are accepted: never where the gateway is open to the whole internet."""
        config = self._config()
        if config["gateway.tailscale.mode"] != "serve":
            return False
        if config["gateway.auth.mode"] == "tailscale":
            return True
        if config.source("gateway.auth.allowTailscale") == "default":  # as with Clawdbot
            return config["gateway.auth.mode"] == "token"
        return config["gateway.auth.allowTailscale"]

    def _external_identity(self, external: ExternalIdentity) -> Identity:
        named = self._is_named(external.user)
        full = frozenset(OPERATOR_SCOPES)
        return Identity(
            external.user,
            external.via,
            full if external.owner or named else GUEST_SCOPES,
            named=named and not external.owner,
        )

    def _is_named(self, user: str) -> bool:
        """Whether the owner's configuration names this login, exactly as it is."""
        return user in self._config()["gateway.auth.owners"]

    # -- what is made by what ---------------------------------------------------------------------------------------
    def current(self, identity: Identity) -> Identity | None:
        """The identity with its present scopes, never more than before; ``None``: its credential is void."""
        if identity.expires is not None and identity.expires < self._clock():
            return None
        if any(cookie in self._logged_out for cookie in identity.lineage):
            return None
        if identity.kind == "tailscale" and not self.allows_tailscale():
            return None
        scopes = identity.scopes
        if identity.named and not self._is_named(identity.user):
            scopes &= GUEST_SCOPES
        for mark in identity.devices:
            allowed = self.device_scopes(mark)
            if allowed is None:
                return None
            if mark.role == "operator":
                scopes &= allowed
        return replace(identity, scopes=scopes)

    def epoch(self, identity: Identity) -> str:
        """The generation of the secret; for identities of a browser's login also that of all logins."""
        return self._epoch(bool(identity.lineage))

    def record(self, identity: Identity) -> dict[str, Any]:
        """Facts to store with a credential that ``identity`` creates, for ``recorded``."""
        return {**to_facts(identity), "g": self.epoch(identity)}

    def recorded(self, facts: Mapping[str, Any], via: AuthMethod) -> Identity | None:
        """The present identity of a credential stored with these facts (``record``); ``None``: it is void."""
        if not _same(facts["g"], self._epoch("l" in facts)):
            return None
        return self.current(from_facts(facts, via))

    def _epoch(self, of_browser: bool) -> str:
        if of_browser:
            return self.generation()
        return hmac.new(self._client.encode(), b"epoch\0" + self._secret(), "sha256").hexdigest()[:24]

    # -- secrets ----------------------------------------------------------------------------------------------------
    def check_connect(self, auth: ConnectAuth | None, client_key: str) -> Identity:
        """The identity behind the ``auth`` of a ``connect``.

        Raises:
            Unauthorized: nothing given, or nothing of it is right; the latter counts as a failure.
            RateLimited: this client, or all together, failed too often in the last minute. Nothing was compared.
        """
        if auth is None or not (auth.token or auth.password):
            raise Unauthorized(f"unauthorized: {self._asked_for()} missing")
        return self._check(auth.token, auth.password, client_key)

    def check_address(self, token: str) -> Identity | None:
        """The identity behind a token in an address, which any page can have a browser ask for: so a wrong one is no
        failed login, and one that could be guessed is not compared. That one is typed on the page."""
        return self._unguessable(token, self._config())

    def known_browser(self, cookie: str) -> str | None:
        """The rate-limit key of a browser that has logged in before, even if that login has ended.

        It must not wait because of others' guesses; its own are counted, under a key that no other client can have."""
        payload, _, signature = cookie.partition(".")
        return f"{KNOWN_BROWSER}{_digest(payload).hex()[:16]}" if _same(signature, self._sign(payload)) else None

    def _unguessable(self, token: str | None, config: Config) -> Identity | None:
        if token and _same(token, self._client):
            return by_token()
        # What cannot be guessed needs no limit on guessing, and its owner must not wait for others' guesses.
        if token and len(_token(config)) >= UNGUESSABLE_CHARS and _same(token, _token(config)):
            return by_token()
        return None

    def check_bearer(self, header: str, client_key: str) -> Identity:
        """The identity behind an ``Authorization`` header (``Bearer``, Jupyter's ``token``). As ``check_connect``."""
        given = _HEADER.fullmatch(header)
        if given is None:
            raise Unauthorized("unauthorized: no bearer token in the Authorization header")
        return self._check(given[1], given[1], client_key)

    def _is_own_program(self, header: str) -> bool:
        """Whether an ``Authorization`` header carries the client credential, whose 256 random bits need no limiter."""
        given = _HEADER.fullmatch(header)
        return given is not None and _same(given[1], self._client)

    def modes(self) -> list[str]:
        """The credentials of the login page: ``["token"]``, ``["password"]``, none where only Jupyter logs in."""
        mode = self._config()["gateway.auth.mode"]
        return [] if mode == "jupyter" else ["password"] if mode == "password" else ["token"]

    def _check(self, token: str | None, password: str | None, client_key: str) -> Identity:
        config = self._config()
        if known := self._unguessable(token, config):
            return known
        limit = config["gateway.loginAttemptsPerMinute"]
        if self._failures is not None and (wait := self._failures.wait_ms(limit, client_key)):
            raise RateLimited("too many failed logins, try again later", retry_after_ms=wait)
        if token and _same(token, _token(config)):
            return by_token()
        if password and self._password_is(password, config):
            return Identity(owner(), "password")
        self._failed(limit, client_key)
        self.tell_failed(client_key)
        self.note("login.failed", {"client": client_key})
        if self._failures is not None and self._failures.wait_ms(limit, client_key):
            self.note("login.limited", {"client": client_key})
        raise Unauthorized(f"unauthorized: {'token' if token and not password else self._asked_for()} mismatch")

    def _failed(self, limit: int, client_key: str) -> None:
        if self._failures is None:
            self._failures = Failures()
        self._failures.add(limit, client_key)

    def failed_elsewhere(self, client_key: str) -> None:
        """Count a wrong login at another gateway, so that the limit holds for all of them together."""
        self._failed(self._config()["gateway.loginAttemptsPerMinute"], client_key)

    def _asked_for(self) -> str:
        return next(iter(self.modes()), "login")

    def _password_is(self, given: str, config: Config) -> bool:
        expected = config["gateway.auth.password"]
        if config["gateway.auth.mode"] != "password" or not expected:
            return False
        if not expected.startswith(HASHED):
            return _same(given, expected)
        mark = hmac.digest(self._process_key, f"{expected}\0{given}".encode(), "sha256")
        if self._proved is not None and hmac.compare_digest(mark, self._proved):
            return True  # the same password was right before: no need to spend 35 ms on each reconnect
        try:
            right = matches(given, expected)
        except ConfigError as exc:  # the file was changed since the start, which had refused it
            log.error("no login is possible: %s", exc)
            return False
        if right:
            self._proved = mark
        return right

    def generation(self) -> str:
        """Changes with the secret, and with it every cookie and link becomes void. Says nothing about the secret."""
        return hmac.new(self._signing_key(), b"generation\0" + self._secret(), "sha256").hexdigest()[:24]

    def mark(self) -> bytes:
        """Changes with the secret alone: who has logged in with another one has to go."""
        return hmac.digest(self._process_key, b"mark\0" + self._secret(), "sha256")

    def _secret(self) -> bytes:
        config = self._config()
        return "\0".join(
            (
                config["gateway.auth.mode"],
                _token(config),
                config["gateway.auth.password"],
                *(["tailscale"] if self.allows_tailscale() else []),
            )
        ).encode()

    def _signing_key(self) -> bytes:
        """Read each time: another process of this state directory may have logged everybody out."""
        return get_or_create_secret(self._config(), "cookie").encode()

    def log_out_everywhere(self) -> None:
        """Void every cookie and link, by another key to sign them with. Raises ``OSError``."""
        rotate_secret(self._config(), "cookie")
        self.links.clear()

    def log_out(self, cookies: Mapping[str, int]) -> None:
        """Void single cookies, with all that was made of them: their marks (the last of a lineage), and when they would
        have ended (seconds since the epoch)."""
        now = int(self._clock())
        self._logged_out = {mark: ends for mark, ends in {**self._logged_out, **cookies}.items() if ends > now}

    # -- cookies ----------------------------------------------------------------------------------------------------
    def issue_cookie(self, identity: Identity) -> str:
        """The value of a login cookie for ``identity``: good for ``cookie_seconds``, and no longer than what it is
        made of."""
        # A mark of its own: no two logins have the same cookie, so that one can be logged out without the other.
        ends = int(self._clock()) + cookie_seconds(identity)
        made = replace(
            identity,
            lineage=(*identity.lineage, secrets.token_urlsafe(9)),
            expires=ends if identity.expires is None else min(ends, identity.expires),
        )
        payload = b64(json.dumps(self.record(made)).encode())
        return f"{payload}.{self._sign(payload)}"

    def read_cookie(self, value: str) -> Identity | None:
        """The identity of a cookie; ``None`` if it is forged, expired, logged out, or of another generation, or its
        maker is void. Never rate-limited."""
        facts = self._cookie_facts(value)
        return None if facts is None else self.recorded(facts, "cookie")

    def is_of_device(self, cookie: str) -> bool:
        """Whether a cookie was created by a device, so that only the gateway can validate it."""
        return "d" in (self._cookie_facts(cookie) or ())

    def _cookie_facts(self, value: str) -> dict[str, Any] | None:
        payload, _, signature = value.partition(".")
        if not _same(signature, self._sign(payload)):
            return None
        facts: dict[str, Any] = json.loads(unb64(payload))
        return facts if "r" in facts else None  # of an older version: without what it is worth

    def _sign(self, payload: str) -> str:
        return b64(hmac.digest(self._signing_key(), b"cookie\0" + payload.encode("utf-8", "surrogatepass"), "sha256"))


def cookie_seconds(identity: Identity) -> int:
    """The lifetime of a login of ``identity``; external identities are asked for again every day."""
    return EXTERNAL_LOGIN_SECONDS if identity.kind in ("tailscale", "jupyter") else COOKIE_SECONDS


def _token(config: Config) -> str:
    """The token in force; empty in mode ``jupyter``, where only Jupyter lets people in.

    In the modes of a password and of Tailscale it is the random one of the state directory, so that the command line of
    the same user (who can read that file) need not ask.
    """
    configured = config["gateway.auth.token"]
    mode = config["gateway.auth.mode"]
    if mode == "jupyter":
        return ""
    if configured and mode == "token":
        return configured
    return local_token(config, create=True) or ""


def _same(given: str, expected: str) -> bool:
    """Equal, and not both empty; takes as long whatever the lengths and the first difference."""
    return bool(expected) and hmac.compare_digest(_digest(given), _digest(expected))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
