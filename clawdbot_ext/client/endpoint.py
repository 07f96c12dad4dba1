"""Address and credential by which a client reaches its gateway.

A secret goes only to the address it belongs to: the client credential to this state directory's own gateway,
``gateway.remote.*`` to ``gateway.remote.url``, the Hub's token to the server that the Hub started, and what was given
for this one call to any address.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from ..config import Config
from ..config.setting_types import FINGERPRINT, split_url, wrong
from ..runtime import server_info
from ..runtime.secrets import client_credential, local_token

_SOCKET_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_PAGE_SCHEMES = {"ws": "http", "wss": "https"}


_MOUNT = "clawdbot/"
_ANY = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104  what a Hub's server listens on
"""Address that is listened on → address to connect to."""


class NoGateway(Exception):
    """Nothing is configured and no gateway of this state directory runs. ``home`` is the directory looked at."""

    def __init__(self, home: str):
        super().__init__(
            f"no gateway runs for {home}: start `jupyter clawdbot`, or JupyterLab with the extension, or "
            "name one by its URL and token"
        )
        self.home = home


@dataclass(frozen=True)
class Endpoint:
    """One gateway: the socket's address, the page's, and the credentials for it."""

    ws_url: str
    page_url: str
    """Ends with a slash; paths such as ``chat?code=…`` are relative to it."""
    token: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    cookie: str | None = field(default=None, repr=False)
    """A login cookie (``name=value``) in their place, got for a one-time code."""
    tls_fingerprint: str | None = None
    """Of the one certificate to believe; ``None``: one that the machine trusts."""
    hub: Literal["", "public", "hidden"] = ""
    """Report whether it is behind a JupyterHub's login. ``hidden``: the Hub does not say at which public address."""


def bearer_header(token: str | None) -> dict[str, str]:
    """The token in the head of the upgrade: a gateway inside a user's Jupyter server opens no socket to strangers."""
    return {"Authorization": f"Bearer {token}"} if token and token.isascii() and len(token.split()) == 1 else {}


def cookie_header(endpoint: Endpoint) -> dict[str, str]:
    """A login cookie, which counts only together with the page's own origin."""
    if endpoint.cookie is None:
        return {}
    page = urlsplit(endpoint.page_url)
    return {"Cookie": endpoint.cookie, "Origin": f"{page.scheme}://{page.netloc}"}


def locate(
    config: Config,
    *,
    url: str | None = None,
    token: str | None = None,
    password: str | None = None,
    tls_fingerprint: str | None = None,
    env: Mapping[str, str] | None = None,
) -> Endpoint:
    """The gateway to talk to: ``url``, else ``gateway.remote.url``, else, in a server that a JupyterHub started, the
    mount there, else the one that runs in this state directory.

    ``token``, ``password`` and ``tls_fingerprint``, where given, win over what is stored for that gateway. ``env`` is
    the environment.

    Raises:
        ConfigError: ``url`` is no address, ``tls_fingerprint`` no fingerprint.
        NoGateway: there is none to talk to.
    """
    if tls_fingerprint and not FINGERPRINT.fullmatch(tls_fingerprint.strip()):
        raise wrong("--tls-fingerprint", "fingerprint", value=tls_fingerprint[:80])
    found, stored = _locate(config, url, token, password, os.environ if env is None else env)
    return replace(found, tls_fingerprint=tls_fingerprint or stored or None)


def _locate(
    config: Config, url: str | None, token: str | None, password: str | None, env: Mapping[str, str]
) -> tuple[Endpoint, str | None]:
    """``locate``, and the fingerprint that is stored for what was found."""
    own = server_info.find_running_gateway(config)
    remote = config["gateway.remote.url"]
    if not url and not remote:
        hub = on_hub(env)
        if hub is not None and (own is None or own.host == "jupyter"):  # who starts one of his own there means that
            given = replace(hub, token=token or None, password=password or None)
            return given if token or password else hub, None
        if own is None:
            raise NoGateway(str(config.home))
        return _with(own.ws_url, own.url, token, password, _own_credentials(config)), own.tls_fingerprint
    ws_url = socket_url(url or remote)
    if remote and ws_url == socket_url(remote):
        stored = (config["gateway.remote.token"] or None, config["gateway.remote.password"] or None)
        fingerprint: str | None = config["gateway.remote.tlsFingerprint"]
    elif own is not None and _same_host(ws_url, own.ws_url):
        return _with(ws_url, own.url, token, password, _own_credentials(config)), own.tls_fingerprint
    else:
        stored, fingerprint = (_from_environment(config, "token"), _from_environment(config, "password")), None
    return _with(ws_url, page_url(ws_url), token, password, stored), fingerprint


def on_hub(env: Mapping[str, str]) -> Endpoint | None:
    """The mount in the server that a JupyterHub started for this user, as seen from its own kernels and terminals;
    ``None`` elsewhere. Its page is at the Hub's public address where the Hub tells it (``page_url``)."""
    token, prefix = env.get("JUPYTERHUB_API_TOKEN"), env.get("JUPYTERHUB_SERVICE_PREFIX")
    address = urlsplit(env.get("JUPYTERHUB_SERVICE_URL", ""))
    if not token or not prefix or address.scheme not in _SOCKET_SCHEMES or address.port is None:
        return None
    host = address.hostname or ""
    host = _ANY.get(host, f"[{host}]" if ":" in host else host)
    path = f"{prefix.rstrip('/')}/{_MOUNT}"
    public = env.get("JUPYTERHUB_PUBLIC_URL")
    page = f"{public.rstrip('/')}/{_MOUNT}" if public else f"{address.scheme}://{host}:{address.port}{path}"
    return Endpoint(
        f"{_SOCKET_SCHEMES[address.scheme]}://{host}:{address.port}{path}ws",
        page,
        token,
        hub="public" if public else "hidden",
    )


def socket_url(url: str) -> str:
    """The socket's address for anything a person may paste: a page's address, ``ws://…`` or ``host:port``.

    Raises:
        ConfigError: it is none.
    """
    parts = split_url(url if "://" in url else f"ws://{url}")
    if parts is None or parts.scheme not in _SOCKET_SCHEMES or not parts.hostname or parts.username is not None:
        raise wrong("--url", "url", value=url)
    path = parts.path.removesuffix("/chat") if parts.path.endswith("/chat") else parts.path
    return urlunsplit((_SOCKET_SCHEMES[parts.scheme], parts.netloc, path or "/", "", ""))


def page_url(ws_url: str) -> str:
    """The page's address that belongs to a socket's, with a slash at the end."""
    parts = urlsplit(ws_url)
    path = parts.path.removesuffix("ws") if parts.path.endswith("/ws") else parts.path
    return urlunsplit((_PAGE_SCHEMES[parts.scheme], parts.netloc, path if path.endswith("/") else f"{path}/", "", ""))


def _own_credentials(config: Config) -> tuple[str | None, str | None]:
    if (credential := client_credential(config)) is not None:
        return credential, None
    if config["gateway.auth.mode"] == "password":  # then the local token is good too; a hash is no password
        password = config["gateway.auth.password"]
        return local_token(config), None if password.startswith("scrypt:") else password or None
    return config["gateway.auth.token"] or local_token(config), None


def _from_environment(config: Config, kind: str) -> str | None:
    """A secret in the environment was put there for whatever this call talks to."""
    name = f"gateway.auth.{kind}"
    return (config.value(name) or None) if config.source(name) == "env" else None


def _same_host(one: str, other: str) -> bool:
    return urlsplit(one).netloc == urlsplit(other).netloc


def _with(
    ws_url: str, page: str, token: str | None, password: str | None, stored: tuple[str | None, str | None]
) -> Endpoint:
    if token or password:
        return Endpoint(ws_url, page, token or None, password or None)
    return Endpoint(ws_url, page, *stored)
