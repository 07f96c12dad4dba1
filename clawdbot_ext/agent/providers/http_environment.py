"""Environment variables that the HTTP client reads: proxies and certificates. A wrong one keeps every call from being
made, and the library's error names neither the variable nor its value.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

PROXIES = ("HTTPS_PROXY", "ALL_PROXY", "HTTP_PROXY")
_SCHEMES = ("http", "https", "socks5", "socks5h")


class Broken(NamedTuple):
    """A variable that cannot be used. ``why`` is a key of the catalogue ``agent``; the value may hold a password."""

    variable: str
    why: str


def broken_variables(env: Mapping[str, str] | None = None) -> list[Broken]:
    """Every variable that a client for HTTPS would read and cannot use."""
    return list(_broken(os.environ if env is None else env))


def proxy_variable(env: Mapping[str, str] | None = None) -> str:
    """The variable whose proxy a call to a server elsewhere goes through; empty for none."""
    env = os.environ if env is None else env
    names = ("HTTPS_PROXY", "ALL_PROXY")
    return next((name for wanted in names for name in (wanted.lower(), wanted) if env.get(name)), "")


def _broken(env: Mapping[str, str]) -> Iterator[Broken]:
    for name in (*PROXIES, *map(str.lower, PROXIES)):
        if (value := env.get(name, "").strip()) and (why := _of_proxy(value)):
            yield Broken(name, why)
    for name in ("NO_PROXY", "no_proxy"):
        if any(not _is_host(entry.strip()) for entry in env.get(name, "").split(",") if entry.strip()):
            yield Broken(name, "environment.noProxy")
    if path := env.get("SSL_CERT_FILE", ""):
        if not Path(path).is_file():
            yield Broken("SSL_CERT_FILE", "environment.noFile")
        elif not _has_certificates(path):
            yield Broken("SSL_CERT_FILE", "environment.noCertificate")
    elif (folder := env.get("SSL_CERT_DIR", "")) and not any(Path(each).is_dir() for each in folder.split(os.pathsep)):
        yield Broken("SSL_CERT_DIR", "environment.noFolder")


def _of_proxy(value: str) -> str:
    """The fault in the address of a proxy, empty for none."""
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return "environment.address"
    if parts.scheme not in _SCHEMES:
        return "environment.scheme"
    if parts.scheme.startswith("socks") and find_spec("socksio") is None:
        return "environment.socks"
    return "" if usable else "environment.address"


def _is_host(entry: str) -> bool:
    """Report whether the HTTP library reads an entry of ``NO_PROXY``; it stumbles over networks of IPv6."""
    if "://" in entry or entry == "*":
        return True
    if entry.startswith("["):
        return False
    host, colon, port = entry.rpartition(":")
    if not colon or (":" not in host and port.isdigit()):
        return True
    try:
        ipaddress.IPv6Address(entry)
    except ValueError:
        return False
    return True


def _has_certificates(path: str) -> bool:
    try:
        ssl.create_default_context(cafile=path)
    except (ssl.SSLError, OSError):
        return False
    return True
